//! One fetch: what the store says, and what follows.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower::util::ServiceExt;
use tower_service::Service;
use tracing::{debug, warn};

use super::{Fleet, note::Note, record};
use crate::{
    BoxError,
    clock::millis,
    error::{TokenError, TokenErrorKind},
    jitter, metrics,
    store::{FetchId, Intent, NoReply, Opened, SlotReply, SlotRequest, StoreName, TARGET},
    token_cache::{FetchReason, Token, TokenRequest},
};

/// How long the others wait for a process that died.
const LEASE: Duration = Duration::from_secs(3);

/// How often a lease is renewed, a second apart. Beyond that the issuer is slow, and another process may try as well.
const RENEWALS: u32 = 3;

/// The first pause before the next question, while another process fetches.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The first pause if no request waits for the token.
const FIRST_PAUSE_WHEN_DUE: Duration = Duration::from_millis(200);

const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Each pause is up to this part shorter or longer.
const PAUSE_JITTER: f64 = 0.25;

/// How many records and cooldowns in a row are passed over, because they do not open or are the rejected token's.
const MAX_PASSED_OVER: u32 = 3;

/// A record that expires earlier is passed over: a cache takes no token of less than a second.
const LEAST_LEFT: Duration = Duration::from_secs(2);

/// One fetch.
pub(super) struct Fetch {
    fleet: Arc<Fleet>,
    request: TokenRequest,
    name: StoreName,
    /// Whether the name tells keys apart that tokens are bound to.
    is_bound: bool,
    begun: Instant,
}

/// What the store says in the end.
enum Answer {
    Token(Token),
    Lead(Lead),
    Failed(&'static str, TokenError),
    /// The store is of no use.
    Alone(&'static str),
}

/// The lease.
struct Lead {
    id: FetchId,
    fence: u64,
    failure: Option<Note>,
    /// When it was asked for.
    asked: Instant,
}

// === impl Fetch ===

impl Fetch {
    pub(super) fn new(fleet: Arc<Fleet>, request: TokenRequest) -> Self {
        let name = fleet.name(request.key());
        let is_bound = request.key().or(&fleet.own).is_bound();
        Self { fleet, request, name, is_bound, begun: Instant::now() }
    }

    /// Gets the token from the store, or from `source`.
    pub(super) async fn run<S>(self, source: S) -> Result<Token, TokenError>
    where
        S: Service<TokenRequest, Response = Token>,
        S::Error: Into<BoxError>,
    {
        let reason = self.request.reason().as_str();
        let (outcome, fetched) = match self.ask().await {
            Answer::Token(token) => ("taken", Ok(token)),
            Answer::Failed(outcome, error) => (outcome, Err(error)),
            Answer::Lead(lead) => {
                debug!(target: TARGET, reason, "fetching for all processes");
                ("led", self.lead(lead, source).await)
            }
            Answer::Alone(outcome) => {
                debug!(target: TARGET, reason, "fetching without the store");
                (outcome, exchange(source, self.request).await)
            }
        };
        metrics::shared_token(outcome);
        fetched
    }

    /// Asks the store until it says what to do.
    async fn ask(&self) -> Answer {
        let Some(id) = FetchId::draw() else { return Answer::Alone("alone") };
        let fingerprint = self.fleet.fingerprint();
        let mut unlike = self.unlike();
        let mut intent = match self.request.reason() {
            FetchReason::Rejected => Intent::Reject,
            FetchReason::Forced => Intent::Force,
            FetchReason::Missing | FetchReason::Due | FetchReason::Expired => Intent::Fetch,
        };
        let (mut passed_over, mut pauses) = (0, 0);
        while passed_over <= MAX_PASSED_OVER {
            let (asked, slot) = (Instant::now(), self.name.clone());
            let begin = SlotRequest::Begin { slot, id, unlike, intent, lease: LEASE };
            match self.fleet.slots.call(begin).await {
                Err(NoReply) => break,
                Ok(SlotReply::Record { id: of, record, left }) => {
                    match self.open(of, &record, left, asked) {
                        Opened::Value(token) if left >= LEAST_LEFT && self.is_wanted(&token) => {
                            self.fleet.known.give(&self.name, of, &token);
                            debug!(target: TARGET, left_ms = millis(left), "token taken from the store");
                            return Answer::Token(token);
                        }
                        Opened::Value(_) => {}
                        Opened::Broken => metrics::shared_token("broken"),
                        Opened::NotOurs { version, key_id } => {
                            return self.not_ours(Some(version), key_id);
                        }
                    }
                    passed_over += 1;
                    unlike = Some(of);
                }
                Ok(SlotReply::Foreign) => return self.not_ours(None, None),
                Ok(SlotReply::Cooldown { note, left }) => match Note::decode(&note) {
                    Some(note) if note.concerns(fingerprint) => {
                        let error = self.fleet.outdate(note.error(left));
                        return Answer::Failed("cooldown", error);
                    }
                    // Of other credentials, or of another version.
                    _ => {
                        passed_over += 1;
                        intent = Intent::Force;
                    }
                },
                Ok(SlotReply::Lead { fence, failure }) => {
                    let failure = failure.and_then(|note| Note::decode(&note));
                    return Answer::Lead(Lead { id, fence, failure, asked });
                }
                Ok(SlotReply::Keep) => return Answer::Failed("kept", kept()),
                Ok(SlotReply::Wait { .. }) => {
                    let waited = Instant::now().saturating_duration_since(self.begun);
                    let pause = pause(self.request.reason(), pauses, jitter::draw());
                    if waited + pause > self.fleet.max_wait {
                        break;
                    }
                    pauses += 1;
                    sleep(pause).await;
                }
                // No reply to this question.
                Ok(SlotReply::Done | SlotReply::Lost | SlotReply::Newer) => break,
            }
        }
        Answer::Alone("alone")
    }

    /// The fetch whose record is not wanted, as far as it is known: that of the token which is to be replaced. Another layer around the
    /// same source may have been given a later one.
    fn unlike(&self) -> Option<FetchId> {
        let known = &self.fleet.known;
        match (self.request.reason(), self.request.unwanted()) {
            (FetchReason::Forced, _) => known.given(&self.name),
            (_, Some(token)) => known.given_as(&self.name, token),
            (FetchReason::Missing, None) => None,
            (_, None) => known.given(&self.name),
        }
    }

    /// The token of a record. The store said how long it lives when it was asked.
    fn open(&self, of: FetchId, record: &[u8], left: Duration, asked: Instant) -> Opened<Token> {
        if record.len() > record::MAX_LEN {
            return Opened::Broken;
        }
        // A cache counts the lifetime from the beginning of the fetch.
        let left = left + asked.saturating_duration_since(self.begun);
        match self.fleet.keys.open(&self.name, of, record) {
            Opened::Value(bytes) => {
                record::decode(&bytes, left).map_or(Opened::Broken, Opened::Value)
            }
            Opened::Broken => Opened::Broken,
            Opened::NotOurs { version, key_id } => Opened::NotOurs { version, key_id },
        }
    }

    fn is_wanted(&self, token: &Token) -> bool {
        self.request.unwanted() != Some(token) && is_for_all(token, self.is_bound)
    }

    fn not_ours(&self, version: Option<u8>, key_id: Option<u32>) -> Answer {
        if self.fleet.known.tell(&self.name) {
            warn!(target: TARGET, kind = "token", version, key_id, "record is not ours, left alone");
        }
        Answer::Alone("not_ours")
    }

    /// Calls the inner source for all processes.
    async fn lead<S>(self, lead: Lead, source: S) -> Result<Token, TokenError>
    where
        S: Service<TokenRequest, Response = Token>,
        S::Error: Into<BoxError>,
    {
        let Self { fleet, request, name, is_bound, .. } = self;
        let id = lead.id;
        let fingerprint = fleet.fingerprint();
        let exchange = exchange(source, request);
        let fetched = while_pending(exchange, renew(&fleet, &name, id)).await;
        let complete = |token: &Token| {
            let (bytes, lifetime) =
                record::encode(token).filter(|_| is_for_all(token, is_bound))?;
            let record = fleet.keys.seal(&name, id, &bytes)?;
            let elapsed = Instant::now().saturating_duration_since(lead.asked);
            let (slot, fence) = (name.clone(), lead.fence);
            Some(SlotRequest::Complete { slot, id, fence, record, lifetime, elapsed })
        };
        let note_of = |error| Note::of(error, lead.failure, fingerprint, jitter::draw());
        let note = fetched.as_ref().err().and_then(note_of);
        let end = fetched.as_ref().ok().and_then(complete).unwrap_or_else(|| {
            let cooldown = note.map(|(note, wait)| (note.encode().to_vec().into(), wait));
            SlotRequest::Fail { slot: name.clone(), id, cooldown }
        });
        if let Ok(token) = &fetched {
            fleet.known.give(&name, id, token);
        }
        // If the store does not reply, the others fetch when the lease has ended.
        drop(fleet.slots.call(end).await);
        match (fetched, note) {
            (Err(error), Some((_, wait))) => Err(error.with_retry_after(wait)),
            (fetched, _) => fetched,
        }
    }
}

/// Whether every process can use it that has the same name for it.
fn is_for_all(token: &Token, is_bound_by_name: bool) -> bool {
    is_bound_by_name || !token.is_bound()
}

/// Keeps the lease for as long as an issuer that works may take.
async fn renew(fleet: &Fleet, name: &StoreName, id: FetchId) {
    for _ in 0..RENEWALS {
        sleep(LEASE / 3).await;
        let renew = SlotRequest::Renew { slot: name.clone(), id, lease: LEASE };
        if fleet.slots.call(renew).await != Ok(SlotReply::Done) {
            break;
        }
    }
}

async fn exchange<S>(mut source: S, request: TokenRequest) -> Result<Token, TokenError>
where
    S: Service<TokenRequest, Response = Token>,
    S::Error: Into<BoxError>,
{
    let source = source.ready().await.map_err(TokenError::of_source)?;
    source.call(request).await.map_err(TokenError::of_source)
}

/// The output of `main`, beside which `aside` runs.
async fn while_pending<T>(main: impl Future<Output = T>, aside: impl Future<Output = ()>) -> T {
    let (mut main, mut aside) = (pin!(main), pin!(aside));
    let mut has_aside = true;
    poll_fn(|cx| {
        let output = main.as_mut().poll(cx);
        if output.is_pending() && has_aside {
            has_aside = aside.as_mut().poll(cx).is_pending();
        }
        output
    })
    .await
}

/// The pause before the next question, after so many others.
fn pause(reason: FetchReason, pauses: i32, jitter: f64) -> Duration {
    let first = if reason == FetchReason::Due { FIRST_PAUSE_WHEN_DUE } else { FIRST_PAUSE };
    let pause = first.mul_f64(1.5_f64.powi(pauses.min(20))).min(LONGEST_PAUSE);
    pause.mul_f64(1.0 - PAUSE_JITTER + 2.0 * PAUSE_JITTER * jitter)
}

/// The budget for rejected tokens is spent. The token stays in use, and a process without one asks again soon.
fn kept() -> TokenError {
    TokenError::new(TokenErrorKind::Unavailable)
        .with_source("all processes together have replaced rejected tokens too often")
        .of_one_key()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_400_milliseconds_and_differ_by_a_quarter() {
        let millis = |pauses, jitter| pause(FetchReason::Missing, pauses, jitter).as_millis();
        assert_eq!((millis(0, 0.0), millis(0, 1.0)), (15, 25));
        assert_eq!((millis(100, 0.0), millis(100, 1.0)), (300, 500));
        assert_eq!(pause(FetchReason::Due, 0, 0.5), FIRST_PAUSE_WHEN_DUE);
    }
}
