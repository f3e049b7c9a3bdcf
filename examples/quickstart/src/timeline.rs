//! What happened when: the notes of the job, the events of the layers and the log of the provider, in order of time.

use std::{
    fmt::{self, Write},
    mem::discriminant,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fake_idp::{Idp, What};
use http::StatusCode;
use tokio::time::Instant;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// Notes of one kind with no longer pause between them are one line.
const PAUSE: Duration = Duration::from_millis(200);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A call was rate limited, and waits for this long before it is sent again.
    RateLimited(Duration),
    /// The bare client treated a response as a sign-out.
    SignedOut(StatusCode),
    TokenIssued(usize),
    /// A token came to its end, and another had been issued before that or not.
    TokenEnded(usize, bool),
    Revoked,
    Rejected,
    SentAgain,
    Failed(String),
    Stopped,
}

/// Collects notes; clones share them.
#[derive(Clone)]
pub struct Timeline {
    start: Instant,
    notes: Arc<Mutex<Vec<(Duration, Note)>>>,
}

/// Makes notes of the layers' events.
struct Listener(Timeline);

/// The fields of an event that the timeline shows.
#[derive(Default)]
struct Fields {
    message: String,
    class: String,
    wait: Duration,
}

// === impl Timeline ===

impl Timeline {
    pub fn start() -> Self {
        Self { start: Instant::now(), notes: Arc::default() }
    }

    pub fn note(&self, note: Note) {
        let at = Instant::now().saturating_duration_since(self.start);
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push((at, note));
    }

    /// Listens to the layers on this thread until the guard is dropped.
    pub fn listen(&self) -> DefaultGuard {
        tracing::subscriber::set_default(Listener(self.clone()))
    }

    pub fn print(&self, idp: &Idp) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        notes.extend(tokens(idp, notes.last().map_or(Duration::ZERO, |(at, _)| *at)));
        notes.sort_by_key(|(at, _)| *at);
        for burst in bursts(&notes) {
            println!("{:>7.2} s  {}", burst.begin.as_secs_f64(), burst.line());
        }
    }
}

/// What became of the tokens up to `last`, by the provider's log. It was started a moment before the timeline.
fn tokens(idp: &Idp, last: Duration) -> Vec<(Duration, Note)> {
    let mut notes = Vec::new();
    let issued = idp.issued();
    for event in idp.seen().log {
        let What::TokenIssued { serial } = event.what else { continue };
        let token = &issued[serial - 1];
        notes.push((event.at, Note::TokenIssued(serial)));
        // The first one is enough: each of the others ends in the same way.
        let Some(end) = token.expires.filter(|_| serial == 1 && !token.revoked) else { continue };
        let at = event.at + (end - token.at);
        if at <= last {
            let replaced = issued.iter().any(|other| other.serial > serial && other.at < end);
            notes.push((at, Note::TokenEnded(serial, replaced)));
        }
    }
    notes
}

/// Notes of one kind that followed one another.
struct Burst<'a> {
    begin: Duration,
    end: Duration,
    notes: Vec<&'a Note>,
}

fn bursts(notes: &[(Duration, Note)]) -> Vec<Burst<'_>> {
    let mut bursts: Vec<Burst<'_>> = Vec::new();
    let mut open = 0;
    for (at, note) in notes {
        if *note == Note::Revoked {
            // What comes after it is not what came before.
            open = bursts.len();
        }
        let burst = bursts[open..].iter_mut().find(|burst| burst.takes(*at, note));
        match burst {
            Some(burst) => {
                burst.end = *at;
                burst.notes.push(note);
            }
            None => bursts.push(Burst { begin: *at, end: *at, notes: vec![note] }),
        }
    }
    bursts
}

// === impl Burst ===

impl Burst<'_> {
    fn takes(&self, at: Duration, note: &Note) -> bool {
        let alike = match (self.notes[0], note) {
            (Note::SignedOut(one), Note::SignedOut(other)) => one == other,
            (one, other) => discriminant(one) == discriminant(other),
        };
        alike && at <= self.end + PAUSE
    }

    fn line(&self) -> String {
        let number = self.notes.len();
        let s = if number == 1 { "" } else { "s" };
        match self.notes[0] {
            Note::RateLimited(_) => {
                format!("{number} call{s} rate limited (429); sent again after {}", self.waits())
            }
            Note::SignedOut(status) => {
                format!(
                    "{number} call{s} rejected with {}: treated as {number} sign-out{s}",
                    status.as_u16()
                )
            }
            Note::TokenIssued(serial) if number == 1 => format!("token {serial} fetched"),
            Note::TokenIssued(first) => format!("tokens {first} to {} fetched", first + number - 1),
            Note::TokenEnded(serial, true) => {
                format!("token {serial} ends; a newer one is in use already")
            }
            Note::TokenEnded(serial, false) => format!("token {serial} ends"),
            Note::Revoked => "all tokens are revoked".to_owned(),
            Note::Rejected => "the API rejects the token; one other is fetched for all".to_owned(),
            Note::SentAgain => format!("{number} call{s} sent again with the new token"),
            Note::Failed(error) => error.clone(),
            Note::Stopped => "one call still hangs, and would for ever: we end the job".to_owned(),
        }
    }

    /// The shortest and the longest wait.
    fn waits(&self) -> String {
        let waits = self.notes.iter().filter_map(|note| match note {
            Note::RateLimited(wait) => Some(wait.as_secs_f64()),
            _ => None,
        });
        let (least, most) = waits
            .fold((f64::MAX, 0.0_f64), |(least, most), wait| (least.min(wait), most.max(wait)));
        if self.notes.len() == 1 {
            format!("{most:.1} s")
        } else {
            format!("{least:.1} to {most:.1} s")
        }
    }
}

// === impl Listener ===

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_heed")
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        match (fields.message.as_str(), fields.class.as_str()) {
            ("waiting to retry", "rate_limited") => {
                self.0.note(Note::RateLimited(fields.wait));
            }
            ("waiting to retry", "unauthenticated") => {
                self.0.note(Note::SentAgain);
            }
            ("token rejected, fetching another", _) => self.0.note(Note::Rejected),
            _ => {}
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

// === impl Fields ===

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            write!(self.message, "{value:?}").unwrap_or_default();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "class" {
            value.clone_into(&mut self.class);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "wait_ms" {
            self.wait = Duration::from_millis(value);
        }
    }
}
