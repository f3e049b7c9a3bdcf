//! What a call keeps besides the attempt in flight.

use std::sync::Arc;

use http::Request;
use tower_service::Service;

use super::{
    TokenError,
    cache::Cache,
    cached::Cached,
    config::Replay,
    error,
    wait::{self, Acquire, Renew, WaitBudget},
};
use crate::{
    BoxError, Error,
    body::{ReplayableBody, with_body},
    error::Phase,
    extensions::{Attempt, Deadline, NoRetry},
    ready::{NotReady, ReadyLimit},
};

/// A request that waits to be sent, and the service for it, which is not ready.
pub(super) struct PendingRequest<S, B> {
    pub(super) service: S,
    cache: Cache,
    request: Request<B>,
    pub(super) deadline: Option<Deadline>,
    wait_budget: WaitBudget,
    /// One for all waits for readiness, however many tokens expire meanwhile.
    pub(super) ready_limit: Option<ReadyLimit>,
    /// The request was sent before, with a token that was rejected: it is not sent a third time.
    is_replay: bool,
}

/// What is kept while a request is in flight, in case its token is rejected.
pub(super) struct ReplayGuard<S, B> {
    cache: Cache,
    generation: u64,
    deadline: Option<Deadline>,
    on_rejection: OnRejection<S, B>,
}

/// What to do when another token is available.
pub(super) enum OnRejection<S, B> {
    /// Sends the request again. Boxed, to keep the call's future small.
    Replay(Box<PendingRequest<S, B>>),
    /// Marks the response, so that a layer outside sends the request again. Holds the wait budget of a call that has waited.
    Mark(Option<Box<WaitBudget>>),
    /// Nothing, and nothing waits for the token: it is for the next request.
    Nothing,
}

// === impl PendingRequest ===

impl<S, B> PendingRequest<S, B> {
    pub(super) fn new(
        cache: Cache,
        service: S,
        request: Request<B>,
        deadline: Option<Deadline>,
    ) -> Box<Self> {
        let wait_budget = WaitBudget::new(cache.settings());
        Box::new(Self {
            service,
            cache,
            request,
            deadline,
            wait_budget,
            ready_limit: None,
            is_replay: false,
        })
    }

    /// Waits for the token to send it with.
    pub(super) fn acquire(&mut self) -> Acquire {
        let give_up = self.wait_budget.begin(self.cache.settings(), self.deadline);
        wait::acquire(self.cache.clone(), give_up)
    }

    /// The token that was waited for is there.
    pub(super) fn acquired(mut self: Box<Self>) -> Box<Self> {
        self.wait_budget.end(self.cache.settings());
        self
    }

    /// The call's error if no token is available.
    pub(super) fn unavailable(&self, error: TokenError) -> BoxError {
        error::unavailable(error, self.cache.endpoint(&self.request).shared_pattern())
    }

    /// The call's error if the service is not ready in time.
    pub(super) fn not_ready(&self, NotReady(limit): NotReady) -> BoxError {
        let endpoint = self.cache.endpoint(&self.request).shared_pattern();
        if self.is_replay {
            return Error::timeout(limit, Phase::Waiting, endpoint).into();
        }
        Error::not_ready(limit, endpoint).into()
    }

    /// The token to send it with now that the service is ready: `token`, which was waited for, or a newer one.
    ///
    /// None if it has expired because the service was not ready at once. A token that arrived at its end is used all the
    /// same: the next one would come no better.
    pub(super) fn newest(&self, token: &Arc<Cached>, stalled: bool) -> Option<Arc<Cached>> {
        let newest = self.cache.usable();
        if stalled { newest } else { newest.or_else(|| Some(Arc::clone(token))) }
    }
}

impl<S, B> PendingRequest<S, B>
where
    S: Service<Request<B>> + Clone,
    B: ReplayableBody,
{
    /// Replaces the ready instance by one that is not, so that nothing is held while a token is waited for.
    pub(super) fn release(&mut self) {
        self.service = self.service.clone();
    }

    /// Sends it with `token`. The service is ready.
    pub(super) fn send(mut self, token: &Cached) -> (S::Future, Option<ReplayGuard<S, B>>) {
        let guard = if self.is_replay {
            Attempt::add(self.request.extensions_mut(), 1);
            None
        } else {
            let (cache, service) = (&self.cache, &self.service);
            let guard = ReplayGuard::new(cache, token, self.deadline, service, &self.request);
            guard.map(|guard| guard.with_wait_budget(self.wait_budget))
        };
        // A field of the caller's own, which was not known to be the token's before there was one.
        if !token.is_in(self.request.headers()) {
            token.attach(self.request.headers_mut());
        }
        (self.service.call(self.request), guard)
    }
}

// === impl ReplayGuard ===

impl<S: Clone, B: ReplayableBody> ReplayGuard<S, B> {
    /// What to keep of `request`, which carries no token yet; nothing if no other token can be had.
    #[inline]
    pub(super) fn new(
        cache: &Cache,
        token: &Cached,
        deadline: Option<Deadline>,
        service: &S,
        request: &Request<B>,
    ) -> Option<Self> {
        let generation = token.replaceable()?;
        let once = request.extensions().get::<NoRetry>().is_some();
        let on_rejection = match cache.settings().replay {
            _ if once || !request.body().is_replayable() => OnRejection::Nothing,
            Replay::Outside => OnRejection::Mark(None),
            Replay::Here => match request.body().try_clone() {
                Some(body) => {
                    let copy = with_body(request, body);
                    let service = service.clone();
                    let mut replay = PendingRequest::new(cache.clone(), service, copy, deadline);
                    replay.is_replay = true;
                    OnRejection::Replay(replay)
                }
                None => OnRejection::Nothing,
            },
        };
        Some(Self { cache: cache.clone(), generation, deadline, on_rejection })
    }
}

impl<S, B> ReplayGuard<S, B> {
    /// The same for a call that waited for a token before it was sent.
    fn with_wait_budget(mut self, wait_budget: WaitBudget) -> Self {
        match &mut self.on_rejection {
            OnRejection::Replay(replay) => replay.wait_budget = wait_budget,
            OnRejection::Mark(left) => *left = Some(Box::new(wait_budget)),
            OnRejection::Nothing => {}
        }
        self
    }
}

impl<S, B: ReplayableBody> ReplayGuard<S, B> {
    /// The token was rejected: waits for the next one, if this call has a use for it.
    pub(super) fn rejected(self) -> Option<(Renew, OnRejection<S, B>)> {
        let Some(mut on_rejection) = self.on_rejection.rewind() else {
            drop(self.cache.reject(self.generation));
            return None;
        };
        let settings = self.cache.settings();
        let mut fresh = WaitBudget::new(settings);
        let wait_budget = match &mut on_rejection {
            OnRejection::Replay(replay) => &mut replay.wait_budget,
            OnRejection::Mark(Some(left)) => &mut **left,
            OnRejection::Mark(None) | OnRejection::Nothing => &mut fresh,
        };
        let give_up = wait_budget.begin(settings, self.deadline);
        Some((wait::renew(self.cache, self.generation, give_up), on_rejection))
    }
}

// === impl OnRejection ===

impl<S, B: ReplayableBody> OnRejection<S, B> {
    /// Takes the body back from the rejected attempt. None if there is nothing to do with another token.
    fn rewind(self) -> Option<Self> {
        match self {
            Self::Replay(mut replay) => {
                *replay.request.body_mut() = replay.request.body().rewind()?;
                Some(Self::Replay(replay))
            }
            Self::Mark(left) => Some(Self::Mark(left)),
            Self::Nothing => None,
        }
    }
}
