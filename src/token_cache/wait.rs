//! Waiting for a token, with an end.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};

use super::{
    TokenError,
    cache::Cache,
    cached::Cached,
    config::Settings,
    fetch::{Landing, Outcome},
    lookup::Boarding,
    rejection::Rejection,
};
use crate::{cooldown::FetchFailure, extensions::Deadline};

/// How often a caller boards: again if its flight was abandoned, for it may have been carried by a runtime that is gone.
const MAX_FLIGHTS: usize = 2;

/// A caller that waits for a token.
pub(super) type Acquire = Pin<Box<dyn Future<Output = Result<Arc<Cached>, TokenError>> + Send>>;

/// A caller that waits for another token than the one that was rejected; none if it is to make do with the 401.
pub(super) type Renew = Pin<Box<dyn Future<Output = Option<Arc<Cached>>> + Send>>;

/// How long a call may yet wait for tokens, however often it waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    left: Duration,
    since: Option<Instant>,
}

/// Waits for a token until `give_up`.
pub(super) fn acquire(cache: Cache, give_up: Instant) -> Acquire {
    Box::pin(async move {
        for _ in 0..MAX_FLIGHTS {
            let (landing, fallback) = match cache.board() {
                Boarding::Token(cached) => return Ok(cached),
                Boarding::Refused(error) => return Err(error),
                Boarding::Flight(landing, fallback) => (landing, fallback),
            };
            let clock = &cache.settings().clock;
            let at_hand = || fallback.clone().filter(|cached| cached.is_usable(clock));
            let mut outcome = None;
            if fallback.is_some() {
                outcome = land(landing.clone(), grace_end(cache.settings(), give_up)).await;
            }
            if outcome.is_none() {
                if let Some(cached) = at_hand() {
                    return Ok(cached);
                }
                // None, or one that has ended meanwhile: who has it waits as one that has none.
                outcome = land(landing, give_up).await;
            }
            let error = match outcome {
                Some(Outcome::Token(cached)) => return Ok(cached),
                Some(Outcome::Failed(error)) => error,
                Some(Outcome::Abandoned) => continue,
                None => TokenError::new(FetchFailure::Timeout),
            };
            if let Some(cached) = at_hand() {
                return Ok(cached);
            }
            if Deadline::ambient().is_some_and(|limit| limit.remaining(clock.now()).is_zero()) {
                // The time limit around this call has run out as well, and is the one to say so.
                pending::<()>().await;
            }
            return Err(error);
        }
        Err(abandoned())
    })
}

/// Waits for the token after the one of `generation`, until `give_up`.
pub(super) fn renew(cache: Cache, generation: u64, give_up: Instant) -> Renew {
    Box::pin(async move {
        for _ in 0..MAX_FLIGHTS {
            let landing = match cache.reject(generation) {
                Rejection::Replaced(cached) => return Some(cached),
                Rejection::Keep => return None,
                Rejection::Flight(landing) => landing,
            };
            match land(landing, give_up).await? {
                Outcome::Token(cached) => return Some(cached),
                Outcome::Failed(_) => return None,
                Outcome::Abandoned => {}
            }
        }
        None
    })
}

/// Waits for a token that is fetched whatever speaks against it, until `give_up`.
pub(super) async fn force(cache: &Cache, give_up: Instant) -> Result<Arc<Cached>, TokenError> {
    for _ in 0..MAX_FLIGHTS {
        match land(cache.force(), give_up).await {
            Some(Outcome::Token(cached)) => return Ok(cached),
            Some(Outcome::Failed(error)) => return Err(error),
            Some(Outcome::Abandoned) => {}
            None => return Err(TokenError::new(FetchFailure::Timeout)),
        }
    }
    Err(abandoned())
}

// === impl Patience ===

impl Patience {
    pub(super) const fn new(settings: &Settings) -> Self {
        Self { left: settings.max_wait, since: None }
    }

    /// Begins to wait; the point at which the call gives up.
    pub(super) fn begin(&mut self, settings: &Settings, deadline: Option<Deadline>) -> Instant {
        let now = settings.clock.now();
        self.since = Some(now);
        let longest = after(now, self.left);
        deadline.map_or(longest, |deadline| longest.min(deadline.instant()))
    }

    /// The wait has ended: what it took is spent.
    pub(super) fn end(&mut self, settings: &Settings) {
        if let Some(since) = self.since.take() {
            let waited = settings.clock.now().saturating_duration_since(since);
            self.left = self.left.saturating_sub(waited);
        }
    }
}

/// The point at which one gives up who has begun to wait now, and waits but once.
pub(super) fn give_up(settings: &Settings) -> Instant {
    Patience::new(settings).begin(settings, None)
}

/// The point at which a caller goes on with a token that is about to end. Half of its time is left for the request.
fn grace_end(settings: &Settings, give_up: Instant) -> Instant {
    let now = settings.clock.now();
    after(now, settings.grace_wait.min(give_up.saturating_duration_since(now) / 2))
}

fn after(now: Instant, wait: Duration) -> Instant {
    // A wait beyond what the clock can hold is one of a year.
    now.checked_add(wait).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 60 * 60))
}

/// The outcome of a flight; none if it has not come until then.
async fn land(landing: Landing, until: Instant) -> Option<Outcome> {
    if Handle::try_current().is_err() {
        // Without tokio there is neither a flight nor a timer.
        return Some(Outcome::Abandoned);
    }
    tokio::time::timeout_at(until, landing.outcome()).await.ok()
}

fn abandoned() -> TokenError {
    TokenError::new(FetchFailure::Unavailable)
        .with_source("there is no tokio runtime, or it is shutting down")
}
