//! The fetch of one token, and what it leaves in its slot.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tower::util::ServiceExt;
use tower_service::Service;
use tracing::{debug, warn};

use super::{
    FetchReason, TimePair, Token, TokenError, TokenRequest,
    cache::{Cache, TARGET, millis},
    cached::{Cached, time_pair},
};
use crate::{
    error::TokenErrorKind,
    jitter, metrics,
    single_flight::{self, Abandoned, Fetch, Interruption},
};

/// How long after its time limit a fetch without an outcome is given up: its runtime may only be slow.
const GRACE: Duration = Duration::from_secs(1);

/// What a fetch brings.
pub(super) type Fetched = Result<Arc<Cached>, TokenError>;

/// What the waiters of a fetch get.
pub(super) type Outcome = single_flight::Outcome<Fetched>;

pub(super) type Running = single_flight::Running<TokenFetch>;

pub(super) type Publisher = single_flight::Publisher<Fetched>;

pub(super) type Waiter = single_flight::Waiter<Fetched>;

/// One call of the source, for the token of one slot.
#[derive(Debug)]
pub(super) struct TokenFetch {
    cache: Cache,
    reason: FetchReason,
    /// How often the slot's token had been invalidated when the fetch began.
    invalidations: u64,
    /// The time before the source was called.
    requested_at: TimePair,
}

// === impl TokenFetch ===

impl TokenFetch {
    /// A fetch that has yet to be [spawned](Self::spawn).
    pub(super) fn begin(
        cache: Cache,
        reason: FetchReason,
        invalidations: u64,
    ) -> (Running, Waiter) {
        let settings = cache.settings();
        let (requested_at, limit) = (time_pair(&settings.clock), settings.fetch_timeout);
        let overdue = requested_at.instant().checked_add(limit.saturating_add(GRACE.min(limit)));
        Running::new(Self { cache, reason, invalidations, requested_at }, overdue)
    }

    /// Spawns the fetch on its own task. The slot must not be locked.
    pub(super) fn spawn(fetch: Option<Running>) {
        if let Some(fetch) = fetch {
            fetch.spawn(Self::run);
        }
    }

    async fn run(mut running: Running) {
        let cache = running.fetch().cache.clone();
        let settings = cache.settings();
        if !cache.slot().lock().is_current(running.publisher()) {
            return;
        }
        running.fetch_mut().requested_at = time_pair(&settings.clock);
        let call = call_source(&cache, running.fetch().reason);
        let fetched = match timeout(settings.fetch_timeout, call).await {
            Ok(fetched) => fetched,
            Err(_) => Err(TokenError::new(TokenErrorKind::Timeout)),
        };
        Self::complete(&mut running, time_pair(&settings.clock), fetched);
    }

    /// Records what the source gave, and then publishes it.
    pub(super) fn complete(
        running: &mut Running,
        now: TimePair,
        fetched: Result<Token, TokenError>,
    ) {
        running.end(|fetch, publisher| Ok(fetch.record(publisher, now, fetched)));
    }

    /// Puts the token into the slot, or begins a cooldown.
    fn record(
        &self,
        publisher: &Publisher,
        now: TimePair,
        fetched: Result<Token, TokenError>,
    ) -> Fetched {
        let mut state = self.cache.slot().lock();
        let is_current = state.end(publisher);
        let generation = state.generations + 1;
        let settings = self.cache.settings();
        let recorded = fetched
            .and_then(|token| Cached::new(token, generation, self.requested_at, settings))
            .inspect(|cached| {
                state.generations = generation;
                state.end_cooldown();
                // A token requested before an invalidation is for its waiters alone. A fetch that was given up and ends late may
                // bring an older token than the present one.
                let present = self.cache.slot().current();
                let is_newest =
                    present.is_none_or(|present| present.is_no_newer_than(&self.requested_at));
                if self.invalidations == state.invalidations && is_newest {
                    self.cache.slot().replace(&mut state, Some(Arc::clone(cached)));
                }
            })
            .map_err(|error| match is_current {
                true => state.begin_cooldown(now, error, jitter::draw()),
                false => error,
            });
        drop(state);
        match &recorded {
            Ok(cached) => self.log_token(cached),
            Err(error) if is_current => self.log_failure(error),
            Err(_) => {}
        }
        let failure = recorded.as_ref().err().map(|error| error.kind().as_str());
        metrics::token_fetched(failure, settings.endpoints.stack());
        self.cache.slot().sync_point().write();
        recorded
    }

    fn log_token(&self, cached: &Cached) {
        let (audience, organization) = self.cache.names();
        let (generation, reason) = (cached.generation(), self.reason.as_str());
        let lifetime_ms = cached.lifetime().map(millis);
        let stack = self.cache.stack();
        debug!(target: TARGET, stack, audience, organization, generation, reason, lifetime_ms, "token obtained");
    }

    fn log_failure(&self, error: &TokenError) {
        let (audience, organization) = self.cache.names();
        warn!(
            target: TARGET,
            stack = self.cache.stack(),
            audience,
            organization,
            kind = error.kind().as_str(),
            status = error.status().map(|status| status.as_u16()),
            code = error.code(),
            reason = self.reason.as_str(),
            cooldown_ms = error.retry_after().map(millis),
            "no token, in cooldown"
        );
    }
}

impl Fetch for TokenFetch {
    type Output = Fetched;

    fn interrupted(&mut self, publisher: &Publisher, by: Interruption) -> Outcome {
        match by {
            // A source that panics begins a cooldown, as one that fails. The clock may be what panics: it is not read again.
            Interruption::Panicked => {
                let error = TokenError::new(TokenErrorKind::Unavailable);
                let error = error.with_source("the source panicked");
                Ok(self.record(publisher, self.requested_at, Err(error)))
            }
            Interruption::Dropped => {
                self.cache.slot().lock().end(publisher);
                self.cache.slot().sync_point().write();
                Err(Abandoned)
            }
        }
    }
}

async fn call_source(cache: &Cache, reason: FetchReason) -> Result<Token, TokenError> {
    let mut source = cache.source();
    let request = TokenRequest::shared(Arc::clone(cache.key()), reason);
    let source = source.ready().await.map_err(TokenError::of_source)?;
    source.call(request).await.map_err(TokenError::of_source)
}
