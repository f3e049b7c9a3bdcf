//! One acquisition of a token, whoever waits for it.

use std::{sync::Arc, thread, time::Duration};

use tokio::{runtime::Handle, sync::watch, time::Instant};
use tower::util::ServiceExt;
use tower_service::Service;

use super::{
    FetchReason, Token, TokenError, TokenRequest,
    cache::Cache,
    cached::{Cached, moment},
};
use crate::{cooldown::FetchFailure, metrics as meter, token_cache::Moment};

/// How long after its time limit a flight that has not landed is given up: its runtime may only be slow.
const GRACE: Duration = Duration::from_secs(1);

/// A flight. Whatever becomes of it, it tells its passengers: dropping it is an outcome as well.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) cache: Cache,
    reason: FetchReason,
    /// How often the slot's token had been forgotten when it began.
    epoch: u64,
    /// The moment before the token was asked for.
    asked: Moment,
    passengers: Passengers,
    landed: bool,
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Token(Arc<Cached>),
    Failed(TokenError),
    /// It was dropped before its end, with the runtime that carried it: this says nothing about its source.
    Abandoned,
}

/// Those who are told how a flight ended.
pub(super) type Passengers = watch::Sender<Option<Outcome>>;

/// Where the outcome of a flight is waited for.
#[derive(Clone, Debug)]
pub(super) struct Landing {
    outcome: watch::Receiver<Option<Outcome>>,
    /// From here on nobody counts on it. None if that is beyond what the clock can hold.
    overdue: Option<Instant>,
}

// === impl Flight ===

impl Flight {
    pub(super) fn new(cache: Cache, reason: FetchReason, epoch: u64) -> (Self, Landing) {
        let (passengers, landing) = watch::channel(None);
        let settings = cache.settings();
        let asked = moment(&settings.clock);
        let limit = settings.fetch_timeout;
        let limit = limit.saturating_add(GRACE.min(limit));
        let landing = Landing { outcome: landing, overdue: asked.instant().checked_add(limit) };
        (Self { cache, reason, epoch, asked, passengers, landed: false }, landing)
    }

    pub(super) const fn reason(&self) -> FetchReason {
        self.reason
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) const fn asked(&self) -> Moment {
        self.asked
    }

    pub(super) const fn passengers(&self) -> &Passengers {
        &self.passengers
    }

    /// Sends the flight off on its own task: no caller's end is its end.
    ///
    /// Not to be called with the slot locked: where there is no runtime, or one that is shutting down, the flight is dropped
    /// here, and that is noted in the slot.
    pub(super) fn depart(flight: Option<Self>) {
        if let (Some(flight), Ok(runtime)) = (flight, Handle::try_current()) {
            drop(runtime.spawn(flight.run()));
        }
    }

    async fn run(mut self) {
        if !self.cache.counts_on(&self.passengers) {
            return;
        }
        self.asked = moment(&self.cache.settings().clock);
        let fetch = fetch(self.cache.clone(), self.reason);
        let limit = self.cache.settings().fetch_timeout;
        let fetched = match tokio::time::timeout(limit, fetch).await {
            Ok(fetched) => fetched,
            Err(_) => Err(TokenError::new(FetchFailure::Timeout)),
        };
        self.land(moment(&self.cache.settings().clock), fetched);
    }

    pub(super) fn land(&mut self, now: Moment, fetched: Result<Token, TokenError>) {
        self.landed = true;
        let outcome = self.cache.land(self, now, fetched);
        meter::token_fetched(match &outcome {
            Outcome::Failed(error) => Some(error.failure().as_str()),
            Outcome::Token(_) | Outcome::Abandoned => None,
        });
        self.cache.slot().meeting().write();
        self.passengers.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        if thread::panicking() {
            // A source that panics is held off as one that fails. The clock may be what panics: it is not read again.
            self.land(
                self.asked,
                Err(TokenError::new(FetchFailure::Unavailable).with_source("the source panicked")),
            );
        } else {
            self.cache.abandon(&self.passengers);
            self.cache.slot().meeting().write();
            self.passengers.send_replace(Some(Outcome::Abandoned));
        }
    }
}

async fn fetch(cache: Cache, reason: FetchReason) -> Result<Token, TokenError> {
    let mut source = cache.source();
    let request = TokenRequest::shared(Arc::clone(cache.key()), reason);
    let source = source.ready().await.map_err(TokenError::of_source)?;
    source.call(request).await.map_err(TokenError::of_source)
}

// === impl Landing ===

impl Landing {
    /// Whether the flight has not landed yet. One that ended without a word, by a panic in here, never will; nor may one that
    /// is long overdue, which only a runtime that nobody drives can make.
    pub(super) fn is_expected(&self, now: Instant) -> bool {
        self.outcome.has_changed().is_ok() && self.overdue.is_none_or(|overdue| now < overdue)
    }

    /// Whether it is this flight's.
    pub(super) fn is_of(&self, flight: &Passengers) -> bool {
        self.outcome.same_channel(&flight.subscribe())
    }

    pub(super) async fn outcome(mut self) -> Outcome {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Abandoned),
            // A flight tells before it goes; should it ever not, nobody waits for it.
            Err(_) => Outcome::Abandoned,
        }
    }
}
