//! The fetch of one token, and what it leaves in its slot.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tower::util::ServiceExt;
use tower_service::Service;
use tracing::{debug, warn};

use super::{
    FetchReason, Token, TokenError, TokenRequest,
    cache::{Cache, TARGET},
    cached::{Cached, moment},
};
use crate::{
    chance,
    error::TokenErrorKind,
    metrics as meter,
    single_flight::{self, Abandoned, Fetch, Interruption},
    token_cache::Moment,
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
    /// How often the slot's token had been forgotten when the fetch began.
    epoch: u64,
    /// The moment before the source was called.
    began: Moment,
}

// === impl TokenFetch ===

impl TokenFetch {
    /// A fetch that has yet to be [spawned](Self::spawn).
    pub(super) fn begin(cache: Cache, reason: FetchReason, epoch: u64) -> (Running, Waiter) {
        let settings = cache.settings();
        let (began, limit) = (moment(&settings.clock), settings.fetch_timeout);
        let overdue = began.instant().checked_add(limit.saturating_add(GRACE.min(limit)));
        Running::new(Self { cache, reason, epoch, began }, overdue)
    }

    /// Spawns the fetch on a task of its own. The slot must not be locked.
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
        running.fetch_mut().began = moment(&settings.clock);
        let call = call_source(&cache, running.fetch().reason);
        let fetched = match timeout(settings.fetch_timeout, call).await {
            Ok(fetched) => fetched,
            Err(_) => Err(TokenError::new(TokenErrorKind::Timeout)),
        };
        Self::complete(&mut running, moment(&settings.clock), fetched);
    }

    /// Records what the source gave, and then publishes it.
    pub(super) fn complete(running: &mut Running, now: Moment, fetched: Result<Token, TokenError>) {
        running.end(|fetch, publisher| Ok(fetch.record(publisher, now, fetched)));
    }

    /// Puts the token into the slot, or begins a cooldown.
    fn record(
        &self,
        publisher: &Publisher,
        now: Moment,
        fetched: Result<Token, TokenError>,
    ) -> Fetched {
        let mut state = self.cache.slot().lock();
        let is_current = state.end(publisher);
        let generation = state.generations + 1;
        let settings = self.cache.settings();
        let recorded = fetched
            .and_then(|token| Cached::new(token, generation, self.began, settings))
            .inspect(|cached| {
                state.generations = generation;
                state.hold_off.reset();
                state.held = None;
                // A token of before an invalidation is for its waiters alone. One of a fetch that was given up and ends late
                // may be older than the present one.
                let present = self.cache.slot().current();
                let is_newest = present.is_none_or(|present| present.is_no_newer_than(&self.began));
                if self.epoch == state.epoch && is_newest {
                    self.cache.slot().replace(&mut state, Some(Arc::clone(cached)));
                }
            })
            .map_err(|error| match is_current {
                true => state.begin_cooldown(now, error, chance::draw()),
                false => error,
            });
        drop(state);
        match &recorded {
            Ok(cached) => self.log_token(cached),
            Err(error) if is_current => self.log_failure(error),
            Err(_) => {}
        }
        meter::token_fetched(recorded.as_ref().err().map(|error| error.kind().as_str()));
        self.cache.slot().meeting().write();
        recorded
    }

    fn log_token(&self, cached: &Cached) {
        let (audience, organization) = self.cache.names();
        let (generation, reason) = (cached.generation(), self.reason.as_str());
        let life = cached.life();
        debug!(target: TARGET, audience, organization, generation, reason, ?life, "token obtained");
    }

    fn log_failure(&self, error: &TokenError) {
        let (audience, organization) = self.cache.names();
        warn!(
            target: TARGET,
            audience,
            organization,
            failure = error.kind().as_str(),
            status = error.status().map(|status| status.as_u16()),
            code = error.code(),
            reason = self.reason.as_str(),
            hold_off = ?error.retry_after().unwrap_or_default(),
            "no token, not asking again during the hold-off"
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
                Ok(self.record(publisher, self.began, Err(error)))
            }
            Interruption::Dropped => {
                self.cache.slot().lock().end(publisher);
                self.cache.slot().meeting().write();
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
