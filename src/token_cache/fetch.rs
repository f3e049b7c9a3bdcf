//! The fetch of one token, and what it leaves in its slot.

use std::{error::Error, pin::pin, sync::Arc, time::Duration};

use http::HeaderMap;
use tokio::time::{Instant, timeout, timeout_at};
use tower::util::ServiceExt;
use tower_service::Service;
use tracing::{debug, warn};

use super::{
    FetchReason, TimePair, Token, TokenError, TokenRequest,
    cache::{Cache, TARGET, millis},
    cached::{Cached, time_pair},
    config::Settings,
    gate::Permit,
    slot::State,
};
use crate::{
    error::{Causes, TokenErrorKind},
    jitter, metrics,
    single_flight::{self, Abandoned, Fetch, Interruption},
};

/// How long after its time limit a fetch without an outcome is given up: its runtime may only be slow.
const GRACE: Duration = Duration::from_secs(1);

/// How many time limits long a token that comes too late is waited for: an issuer that rotates refresh tokens has used the old one
/// up.
const LATE: u32 = 6;

/// How long a fetch takes before the log says that it does.
const SLOW: Duration = Duration::from_secs(3);

const LATE_SOURCE: &str = "the token endpoint did not respond in time";

const CROWDED: &str = "too many other fetches from the token endpoint are in flight";

/// What a fetch brings.
pub(super) type Fetched = Result<Arc<Cached>, TokenError>;

/// What the waiters of a fetch get.
pub(super) type Outcome = single_flight::Outcome<Fetched>;

pub(super) type Running = single_flight::Running<TokenFetch>;

pub(super) type Publisher = single_flight::Publisher<Fetched>;

pub(super) type Waiter = single_flight::Waiter<Fetched>;

/// A token that was rejected, and the challenges of the response.
#[derive(Clone, Debug)]
pub(super) struct RejectedToken {
    pub(super) token: Token,
    pub(super) headers: HeaderMap,
}

/// One call of the source, for the token of one slot.
#[derive(Debug)]
pub(super) struct TokenFetch {
    cache: Cache,
    reason: FetchReason,
    /// How often the slot's token had been invalidated when the fetch began.
    invalidations: u64,
    /// The time before the source was called.
    requested_at: TimePair,
    /// The token that was rejected, and the response that did so.
    rejected: Option<RejectedToken>,
    /// The token that is to be replaced, or that was invalidated.
    unwanted: Option<Token>,
    /// Until the source has responded, or its time is over.
    permit: Option<Permit>,
    /// The number of the issuer's cooldowns when the source was called.
    cooldowns: Option<u64>,
}

// === impl TokenFetch ===

impl TokenFetch {
    /// A fetch that has yet to be [spawned](Self::spawn).
    pub(super) fn begin(
        cache: Cache,
        reason: FetchReason,
        state: &State,
        rejected: Option<RejectedToken>,
    ) -> (Running, Waiter) {
        let requested_at = time_pair(&cache.settings().clock);
        let present = cache.slot().current().map(|cached| cached.bare().clone());
        let fetch = Self {
            cache,
            reason,
            invalidations: state.invalidations,
            requested_at,
            rejected,
            unwanted: present.or_else(|| state.invalidated.clone()),
            permit: None,
            cooldowns: None,
        };
        Running::new(fetch, None)
    }

    /// When a fetch is given up that begins its wait, or its call of the source, now.
    pub(super) fn overdue(settings: &Settings) -> Option<Instant> {
        settings.clock.now().checked_add(Self::patience(settings))
    }

    fn patience(settings: &Settings) -> Duration {
        let limit = settings.fetch_timeout;
        limit.saturating_add(GRACE.min(limit))
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
        let (limit, is_forced) =
            (settings.fetch_timeout, running.fetch().reason == FetchReason::Forced);
        let patience = Self::patience(settings);
        let admitted = cache.slot().gate().admit(&settings.clock, patience, is_forced);
        let admitted = timeout(limit, admitted).await;
        match admitted
            .unwrap_or_else(|_| Err(TokenError::new(TokenErrorKind::Timeout).with_source(CROWDED)))
        {
            Ok(permit) => {
                let mut state = cache.slot().lock();
                if !state.is_current(running.publisher()) {
                    return;
                }
                state.overdue = Self::overdue(settings);
                let fetch = running.fetch_mut();
                fetch.cooldowns = Some(permit.cooldowns());
                fetch.permit = Some(permit);
            }
            Err(error) => {
                running.end(|fetch, publisher| Ok(fetch.not_begun(publisher, error)));
                return;
            }
        }
        let requested_at = time_pair(&settings.clock);
        running.fetch_mut().requested_at = requested_at;
        let mut call = pin!(call_source(&cache, running.fetch()));
        let end = |limit: Duration| requested_at.instant().checked_add(limit);
        let mut fetched = None;
        if let Some(slow) = end(SLOW).filter(|_| SLOW < limit) {
            fetched = timeout_at(slow, &mut call).await.ok();
            if fetched.is_none() {
                running.fetch().log_slow();
            }
        }
        if fetched.is_none() {
            fetched = until(end(limit), &mut call).await;
        }
        if let Some(fetched) = fetched {
            Self::complete(&mut running, time_pair(&settings.clock), fetched);
            return;
        }
        let error = TokenError::new(TokenErrorKind::Timeout).with_source(LATE_SOURCE);
        Self::complete(&mut running, time_pair(&settings.clock), Err(error));
        // The callers are told, and what comes late is kept all the same.
        if let Some(Ok(token)) = until(end(limit.saturating_mul(LATE)), &mut call).await {
            running.fetch_mut().record_late(token);
        }
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
        &mut self,
        publisher: &Publisher,
        now: TimePair,
        fetched: Result<Token, TokenError>,
    ) -> Fetched {
        let cache = self.cache.clone();
        let (slot, settings) = (cache.slot(), cache.settings());
        let mut state = slot.lock();
        let is_current = state.end(publisher);
        let recorded = match fetched.and_then(|token| self.keep(&mut state, token)) {
            Ok(cached) => Ok(cached),
            Err(error) if is_current => {
                let (jitter, begun) = (jitter::draw(), self.cooldowns);
                let shared = slot.gate().failed(begun, slot.hash(), now, &error, jitter);
                // A token that comes late may be on its way, and another request would spoil it.
                let took = now.since(&self.requested_at);
                let is_late =
                    error.kind() == TokenErrorKind::Timeout && took >= settings.fetch_timeout;
                let least = if is_late { settings.fetch_timeout } else { Duration::ZERO };
                let own = state.protection.begin_cooldown(now, &error, least, jitter);
                Err(error.with_retry_after(own.max(shared)))
            }
            Err(error) => Err(error),
        };
        drop(state);
        self.permit = None;
        match &recorded {
            Ok(cached) => self.log_token(cached),
            Err(error) if is_current => self.log_failure(error),
            Err(_) => {}
        }
        let failure = recorded.as_ref().err().map(|error| error.kind().as_str());
        metrics::token_fetched(failure, settings.endpoints.stack());
        slot.sync_point().write();
        recorded
    }

    /// Puts the token into the slot, unless there is a newer one or it was invalidated.
    fn keep(&self, state: &mut State, token: Token) -> Fetched {
        let (slot, settings) = (self.cache.slot(), self.cache.settings());
        let generation = state.generations + 1;
        let is_replacement = self.reason == FetchReason::Rejected;
        let requested_at = self.requested_at;
        let cached = Cached::new(token, generation, requested_at, is_replacement, settings)?;
        let charges = self.cache.charges();
        charges.purge(settings.clock.now());
        if charges.has_any() {
            cached.track();
        }
        self.cache.note_field(cached.bare().header_name());
        state.generations = generation;
        state.protection.end_cooldown();
        slot.gate().succeeded(self.cooldowns);
        // A token requested before an invalidation is for its waiters alone. A fetch that was given up and ends late may bring an
        // older token than the present one.
        let is_newest =
            slot.current().is_none_or(|present| present.is_no_newer_than(&self.requested_at));
        if self.invalidations == state.invalidations && is_newest {
            match self.reason {
                FetchReason::Due => self.cache.keep_previous(state, &cached),
                _ => state.spare = None,
            }
            slot.replace(state, Some(Arc::clone(&cached)));
            state.invalidated = None;
        } else if self.invalidations != state.invalidations {
            state.invalidated = Some(cached.bare().clone());
        }
        Ok(cached)
    }

    /// A token has come after its waiters were told that there is none.
    fn record_late(&mut self, token: Token) {
        let cache = self.cache.clone();
        let kept = self.keep(&mut cache.slot().lock(), token);
        if let Ok(cached) = kept {
            self.log_token(&cached);
        }
    }

    /// The source was not called.
    fn not_begun(&self, publisher: &Publisher, error: TokenError) -> Fetched {
        self.cache.slot().lock().end(publisher);
        self.cache.slot().sync_point().write();
        Err(error)
    }

    fn log_token(&self, cached: &Cached) {
        let (audience, organization) = self.cache.names();
        let (generation, reason) = (cached.generation(), self.reason.as_str());
        let lifetime_ms = cached.lifetime().map(millis);
        let stack = self.cache.stack();
        debug!(target: TARGET, stack, audience, organization, generation, reason, lifetime_ms, "token obtained");
    }

    fn log_slow(&self) {
        let (stack, (audience, organization)) = (self.cache.stack(), self.cache.names());
        let reason = self.reason.as_str();
        warn!(target: TARGET, stack, audience, organization, reason, "the token endpoint has not responded yet");
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
            cause = error.source().map(|source| Causes(source).to_string()),
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

/// Awaits `future` until `end`, or for as long as it takes if the clock cannot hold that time.
async fn until<F: Future>(end: Option<Instant>, future: F) -> Option<F::Output> {
    match end {
        Some(end) => timeout_at(end, future).await.ok(),
        None => Some(future.await),
    }
}

fn call_source(
    cache: &Cache,
    fetch: &TokenFetch,
) -> impl Future<Output = Result<Token, TokenError>> + use<> {
    let mut source = cache.source();
    let request = TokenRequest::shared(Arc::clone(cache.key()), fetch.reason)
        .with_extensions(cache.extensions())
        .with_unwanted(fetch.unwanted.clone());
    let request = match &fetch.rejected {
        Some(RejectedToken { token, headers }) => request.with_rejected(token.clone(), headers),
        None => request,
    };
    async move {
        let source = source.ready().await.map_err(TokenError::of_source)?;
        source.call(request).await.map_err(TokenError::of_source)
    }
}
