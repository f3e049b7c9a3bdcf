//! One acquisition of a token, whoever waits for it.

use std::{sync::Arc, thread};

use tokio::{runtime::Handle, sync::watch};
use tower::util::ServiceExt;
use tower_service::Service;

use super::{
    FetchReason, Token, TokenError, TokenRequest,
    cache::Cache,
    cached::{Cached, moment},
};
use crate::policy::{FetchFailure, Moment};

/// A flight. Whatever becomes of it, it tells its passengers: dropping it is an outcome as well.
#[derive(Debug)]
pub(super) struct Flight {
    cache: Arc<Cache>,
    reason: FetchReason,
    /// The moment before the token was asked for.
    asked: Moment,
    passengers: watch::Sender<Option<Outcome>>,
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

/// Where the outcome of a flight is waited for.
#[derive(Clone, Debug)]
pub(super) struct Landing(watch::Receiver<Option<Outcome>>);

// === impl Flight ===

impl Flight {
    pub(super) fn new(cache: Arc<Cache>, reason: FetchReason) -> (Self, Landing) {
        let (passengers, landing) = watch::channel(None);
        let asked = moment(&cache.settings.clock);
        (Self { cache, reason, asked, passengers, landed: false }, Landing(landing))
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
        self.asked = moment(&self.cache.settings.clock);
        let fetch = fetch(Arc::clone(&self.cache), self.reason);
        let limit = self.cache.settings.fetch_timeout;
        let fetched = match tokio::time::timeout(limit, fetch).await {
            Ok(fetched) => fetched,
            Err(_) => Err(TokenError::new(FetchFailure::Timeout)),
        };
        self.land(moment(&self.cache.settings.clock), fetched);
    }

    fn land(&mut self, now: Moment, fetched: Result<Token, TokenError>) {
        self.landed = true;
        let outcome = self.cache.land(self.asked, now, self.reason, fetched);
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
            self.cache.abandon();
            self.passengers.send_replace(Some(Outcome::Abandoned));
        }
    }
}

async fn fetch(cache: Arc<Cache>, reason: FetchReason) -> Result<Token, TokenError> {
    let mut source = cache.slot.source();
    let request = TokenRequest::shared(Arc::clone(&cache.settings.key), reason);
    let source = source.ready().await.map_err(TokenError::of_source)?;
    source.call(request).await.map_err(TokenError::of_source)
}

// === impl Landing ===

impl Landing {
    /// Whether the flight has not landed yet. One that ended without a word, by a panic in here, never will.
    pub(super) fn is_expected(&self) -> bool {
        self.0.has_changed().is_ok()
    }

    pub(super) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Abandoned),
            // A flight tells before it goes; should it ever not, nobody waits for it.
            Err(_) => Outcome::Abandoned,
        }
    }
}
