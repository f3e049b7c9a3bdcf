//! What a call keeps besides the attempt in flight.

use std::sync::Arc;

use http::{HeaderMap, Request, Response, header::WWW_AUTHENTICATE};
use tower_service::Service;

use super::{
    TokenError,
    cache::Cache,
    cached::Cached,
    config::Replay,
    error,
    rejection::{RejectedAttempt, SendAgain, Tried},
    wait::{self, Acquire, Renew, WaitBudget},
    watch::{RejectsToken, Watch, rejects_token},
};
use crate::{
    BoxError, Error,
    body::{ReplayableBody, with_body},
    error::Phase,
    extensions::{Attempt, Deadline, NoRetry},
    ready::{NotReady, ReadyLimit},
};

/// The challenges of a response that a source gets: real ones have one to four.
const MAX_CHALLENGES: usize = 16;

/// A request that waits to be sent, and the service for it, which is not ready.
pub(super) struct PendingRequest<S, B> {
    pub(super) service: S,
    cache: Cache,
    request: Request<B>,
    pub(super) deadline: Option<Deadline>,
    wait_budget: WaitBudget,
    /// One for all waits for readiness, however many tokens expire meanwhile.
    pub(super) ready_limit: Option<ReadyLimit>,
    /// What was tried before, if the request was sent already.
    pub(super) tried: Option<Tried>,
}

/// What is kept while a request is in flight, in case its token is rejected.
pub(super) struct ReplayGuard<S, B> {
    cache: Cache,
    generation: u64,
    watch: Option<Box<Watch>>,
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
            tried: None,
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
        if self.tried.is_some() {
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
    pub(super) fn send(mut self, token: &Arc<Cached>) -> (S::Future, Option<ReplayGuard<S, B>>) {
        if self.tried.is_some() {
            Attempt::add(self.request.extensions_mut(), 1);
        }
        let (cache, service, request) = (&self.cache, &self.service, &self.request);
        let rejects = cache.endpoint(request).config().rejects.as_ref();
        let tried = self.tried.unwrap_or_default();
        let guard = ReplayGuard::new(cache, token, rejects, tried, self.deadline, service, request);
        let guard = guard.map(|guard| guard.with_wait_budget(self.wait_budget));
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
        token: &Arc<Cached>,
        rejects: Option<&RejectsToken>,
        tried: Tried,
        deadline: Option<Deadline>,
        service: &S,
        request: &Request<B>,
    ) -> Option<Self> {
        let generation = token.replaceable()?;
        let watch = if token.is_watched() || rejects.is_some() {
            Some(watch(cache, token, rejects, request))
        } else {
            None
        };
        let once = request.extensions().get::<NoRetry>().is_some();
        let on_rejection = match cache.settings().replay {
            _ if once || !request.body().is_replayable() => OnRejection::Nothing,
            // A new token may have to be sent several times, which a layer outside does not do.
            Replay::Outside if !token.is_unproven() => OnRejection::Mark(None),
            Replay::Here | Replay::Outside => match request.body().try_clone() {
                Some(body) => {
                    let copy = with_body(request, body);
                    let service = service.clone();
                    let mut replay = PendingRequest::new(cache.clone(), service, copy, deadline);
                    replay.tried = Some(tried);
                    OnRejection::Replay(replay)
                }
                None => OnRejection::Nothing,
            },
        };
        Some(Self { cache: cache.clone(), generation, watch, deadline, on_rejection })
    }
}

#[cold]
fn watch<B>(
    cache: &Cache,
    token: &Arc<Cached>,
    rejects: Option<&RejectsToken>,
    request: &Request<B>,
) -> Box<Watch> {
    let (token, endpoint) = (Arc::clone(token), cache.endpoint_hash(request));
    Box::new(Watch { token, endpoint, rejects: rejects.cloned() })
}

impl<S, B> ReplayGuard<S, B> {
    /// Whether the result rejects the token.
    #[inline]
    pub(super) fn rejects<R>(&self, result: &Result<Response<R>, BoxError>) -> bool {
        match &self.watch {
            None => result.as_ref().is_ok_and(rejects_token),
            Some(watch) => watch.rejects(&self.cache, result),
        }
    }

    /// Whether it has to look at every result, and not only at a 401.
    #[inline]
    pub(super) const fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

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
    /// The token was rejected by a response with these headers: waits for the next one, if this call has a use for it.
    pub(super) fn rejected(self, headers: &HeaderMap) -> Option<(Renew, OnRejection<S, B>)> {
        let generation = self.generation;
        let tried = match &self.on_rejection {
            OnRejection::Replay(replay) => replay.tried.unwrap_or_default(),
            OnRejection::Mark(_) | OnRejection::Nothing => Tried::default(),
        };
        let endpoint = self.watch.as_ref().map(|watch| watch.endpoint);
        let challenges = challenges(headers);
        let attempt =
            |send_again| RejectedAttempt { generation, endpoint, tried, send_again, challenges };
        let Some(mut on_rejection) = self.on_rejection.rewind() else {
            drop(self.cache.reject(&mut attempt(SendAgain::No)));
            return None;
        };
        let settings = self.cache.settings();
        let mut fresh = WaitBudget::new(settings);
        let mut is_here = false;
        let wait_budget = match &mut on_rejection {
            OnRejection::Replay(replay) => {
                is_here = true;
                &mut replay.wait_budget
            }
            OnRejection::Mark(Some(left)) => &mut **left,
            OnRejection::Mark(None) | OnRejection::Nothing => &mut fresh,
        };
        let give_up = wait_budget.begin(settings, self.deadline);
        let again = if is_here { SendAgain::Until(give_up) } else { SendAgain::Once(give_up) };
        let cache = match &on_rejection {
            OnRejection::Replay(replay) => self.cache.for_request(replay.request.extensions()),
            OnRejection::Mark(_) | OnRejection::Nothing => self.cache,
        };
        Some((wait::renew(cache, attempt(again), give_up), on_rejection))
    }
}

/// The challenges of a response, for the source.
fn challenges(headers: &HeaderMap) -> HeaderMap {
    let fields = headers.get_all(WWW_AUTHENTICATE).iter().take(MAX_CHALLENGES);
    fields.map(|field| (WWW_AUTHENTICATE, field.clone())).collect()
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
