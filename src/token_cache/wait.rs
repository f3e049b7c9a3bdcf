//! Waiting for a token, within a time limit.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    TokenError,
    cache::Cache,
    cached::Cached,
    config::Settings,
    lookup::Join,
    rejection::{RejectedAttempt, Rejection, Tried},
};
use crate::{error::TokenErrorKind, extensions::Deadline, single_flight::Abandoned};

/// How many fetches a caller joins: one more if the first was abandoned, because its runtime may have shut down.
const MAX_FETCHES: usize = 2;

/// A caller that waits for a token.
pub(super) type Acquire = Pin<Box<dyn Future<Output = Result<Arc<Cached>, TokenError>> + Send>>;

/// A caller that waits for the token to send its rejected request with again; none if it has to do with the 401.
pub(super) type Renew = Pin<Box<dyn Future<Output = Option<(Arc<Cached>, Tried)>> + Send>>;

/// How long a call may yet wait for tokens, however often it waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitBudget {
    left: Duration,
    since: Option<Instant>,
}

/// Waits for a token until `give_up`.
pub(super) fn acquire(cache: Cache, give_up: Instant) -> Acquire {
    Box::pin(async move {
        for _ in 0..MAX_FETCHES {
            let (mut waiter, fallback) = match cache.join() {
                Join::Token(cached) => return Ok(cached),
                Join::Cooldown(error) => return Err(error),
                Join::Fetch(waiter, fallback) => (waiter, fallback),
            };
            let clock = &cache.settings().clock;
            let at_hand = || fallback.clone().filter(|cached| cached.is_usable(clock));
            let mut outcome = None;
            if fallback.is_some() {
                outcome = waiter.outcome_until(grace_end(cache.settings(), give_up)).await;
            }
            if outcome.is_none() {
                if let Some(cached) = at_hand() {
                    return Ok(cached);
                }
                // There is no token, or it has ended meanwhile: the caller waits as one without.
                outcome = waiter.outcome_until(give_up).await;
            }
            let error = match outcome {
                Some(Ok(Ok(cached))) => return Ok(cached),
                Some(Ok(Err(error))) => error,
                Some(Err(Abandoned)) => continue,
                None => TokenError::new(TokenErrorKind::Timeout),
            };
            if let Some(cached) = at_hand() {
                return Ok(cached);
            }
            if Deadline::ambient().is_some_and(|limit| limit.remaining(clock.now()).is_zero()) {
                // The time limit around this call has run out as well, and reports it.
                pending::<()>().await;
            }
            return Err(error);
        }
        Err(abandoned())
    })
}

/// Waits for the token after the one that was rejected, or until the same one can be tried again, until `give_up`.
pub(super) fn renew(cache: Cache, mut attempt: RejectedAttempt, give_up: Instant) -> Renew {
    Box::pin(async move {
        for _ in 0..MAX_FETCHES {
            let mut waiter = match cache.reject(&mut attempt) {
                Rejection::Replaced(cached) => return Some((cached, attempt.tried)),
                Rejection::Again(pause) => {
                    sleep(pause).await;
                    return Some((cache.usable()?, attempt.tried));
                }
                Rejection::Keep => return None,
                Rejection::Fetch(waiter) => waiter,
            };
            if let Ok(fetched) = waiter.outcome_until(give_up).await? {
                attempt.tried.next = true;
                return Some((fetched.ok()?, attempt.tried));
            }
        }
        None
    })
}

/// Waits until `give_up` for a token that is fetched in spite of a cooldown.
pub(super) async fn force(cache: &Cache, give_up: Instant) -> Result<Arc<Cached>, TokenError> {
    for _ in 0..MAX_FETCHES {
        match cache.force().outcome_until(give_up).await {
            Some(Ok(fetched)) => return fetched,
            Some(Err(Abandoned)) => {}
            None => return Err(TokenError::new(TokenErrorKind::Timeout)),
        }
    }
    Err(abandoned())
}

// === impl WaitBudget ===

impl WaitBudget {
    pub(super) const fn new(settings: &Settings) -> Self {
        Self { left: settings.max_wait, since: None }
    }

    /// Begins a wait, and gives the time at which the call gives up.
    pub(super) fn begin(&mut self, settings: &Settings, deadline: Option<Deadline>) -> Instant {
        let now = settings.clock.now();
        self.since = Some(now);
        let longest = after(now, self.left);
        deadline.map_or(longest, |deadline| longest.min(deadline.instant()))
    }

    /// Ends a wait, and spends what it took.
    pub(super) fn end(&mut self, settings: &Settings) {
        if let Some(since) = self.since.take() {
            let waited = settings.clock.now().saturating_duration_since(since);
            self.left = self.left.saturating_sub(waited);
        }
    }
}

/// The time at which a caller gives up that begins to wait now, and waits once.
pub(super) fn give_up(settings: &Settings) -> Instant {
    WaitBudget::new(settings).begin(settings, None)
}

/// The time at which a caller goes on with a token that is about to expire. Half of its time is left for the request.
fn grace_end(settings: &Settings, give_up: Instant) -> Instant {
    let now = settings.clock.now();
    after(now, settings.grace_wait.min(give_up.saturating_duration_since(now) / 2))
}

fn after(now: Instant, wait: Duration) -> Instant {
    // A wait that the clock cannot hold becomes one of a year.
    now.checked_add(wait).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 60 * 60))
}

fn abandoned() -> TokenError {
    TokenError::new(TokenErrorKind::Unavailable)
        .with_source("there is no tokio runtime, or it is shutting down")
}
