use std::{
    fmt,
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    cached::Cached,
    pending::{OnRejection, PendingRequest, ReplayGuard},
    rejection::Tried,
    wait::{Acquire, Renew},
    watch::is_rejected_by_body,
};
use crate::{
    BoxError,
    body::ReplayableBody,
    extensions::{TokenReplaced, ambient::held_back},
    ready::ReadyWait,
};

const POLLED_AGAIN: &str = "a future that has ended is not polled again";

pin_project! {
    /// The future of a call through [`TokenCache`](super::TokenCache).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        // Until the response arrives.
        pub(super) guard: Option<ReplayGuard<S, B>>,
        #[pin]
        pub(super) state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProject]
    pub(super) enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        // The request is in flight. A call with a usable token begins here, and nearly always ends here.
        Sending { #[pin] future: S::Future },
        // The request is not in flight.
        Held { held: Held<S, B> },
    }
}

/// The response that rejected the token, and what follows from it.
type Rejected<S, B> = (<S as Service<Request<B>>>::Response, OnRejection<S, B>);

/// A call whose request is not in flight. What is taken out is taken once, at the end of a state.
pub(super) enum Held<S, B>
where
    S: Service<Request<B>>,
{
    /// There is no token: the call waits for a fetch.
    Waiting { token: Acquire, pending: Option<Box<PendingRequest<S, B>>> },
    /// There is one, and the service is being made ready.
    Readying {
        token: Arc<Cached>,
        pending: Option<Box<PendingRequest<S, B>>>,
        readiness: ReadyWait,
    },
    /// The response rejected the token: the call waits for the next one.
    Renewing { token: Renew, rejected: Option<Box<Rejected<S, B>>> },
    /// Nothing is sent.
    Failed { error: Option<BoxError> },
}

/// What a call goes on with: another state, or its end.
type Next<S, B, R> = ControlFlow<Result<R, BoxError>, State<S, B>>;

// === impl ResponseFuture ===

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn waiting(pending: Box<PendingRequest<S, B>>) -> Self {
        Self { guard: None, state: State::waiting(pending) }
    }

    pub(super) const fn failed(error: BoxError) -> Self {
        Self { guard: None, state: State::Held { held: Held::Failed { error: Some(error) } } }
    }
}

impl<S, B, ResponseBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResponseBody>> + Clone,
    S::Error: Into<BoxError>,
    B: ReplayableBody,
{
    type Output = Result<Response<ResponseBody>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProject::Sending { future } => {
                    let polled = future.poll(cx);
                    let is_watched = this.guard.as_ref().is_some_and(ReplayGuard::is_watched);
                    if !is_watched && !is_unauthorized(&polled) {
                        if polled.is_ready() {
                            *this.guard = None;
                        }
                        return polled.map_err(Into::into);
                    }
                    let result = ready!(polled).map_err(Into::into);
                    let guard = this.guard.take().filter(|guard| guard.rejects(&result));
                    let response = result?;
                    let renewal = guard.and_then(|guard| guard.rejected(response.headers()));
                    let Some((token, then)) = renewal else {
                        return Poll::Ready(Ok(response));
                    };
                    let rejected = Some(Box::new((response, then)));
                    State::Held { held: Held::Renewing { token, rejected } }
                }
                StateProject::Held { held } => match ready!(held.poll(this.guard, cx)) {
                    ControlFlow::Continue(next) => next,
                    ControlFlow::Break(result) => return Poll::Ready(result),
                },
            };
            this.state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// === impl State ===

impl<S, B> State<S, B>
where
    S: Service<Request<B>>,
{
    fn waiting(mut pending: Box<PendingRequest<S, B>>) -> Self {
        let token = pending.acquire();
        Self::Held { held: Held::Waiting { token, pending: Some(pending) } }
    }

    fn readying(token: Arc<Cached>, pending: Box<PendingRequest<S, B>>) -> Self {
        let pending = Some(pending.acquired());
        Self::Held { held: Held::Readying { token, pending, readiness: ReadyWait::default() } }
    }
}

// === impl Held ===

impl<S, B, ResponseBody> Held<S, B>
where
    S: Service<Request<B>, Response = Response<ResponseBody>> + Clone,
    S::Error: Into<BoxError>,
    B: ReplayableBody,
{
    #[allow(clippy::expect_used, reason = "a future that has ended is not polled again")]
    fn poll(
        &mut self,
        guard: &mut Option<ReplayGuard<S, B>>,
        cx: &mut Context<'_>,
    ) -> Poll<Next<S, B, S::Response>> {
        Poll::Ready(match self {
            Self::Waiting { token, pending } => {
                let token = ready!(held_back(token.as_mut().poll(cx)));
                let pending = pending.take().expect(POLLED_AGAIN);
                match token {
                    Ok(token) => ControlFlow::Continue(State::readying(token, pending)),
                    Err(error) => ControlFlow::Break(Err(pending.unavailable(error))),
                }
            }
            Self::Readying { token, pending, readiness } => {
                let mut ready = pending.take().expect(POLLED_AGAIN);
                let (limit, deadline) = (&mut ready.ready_limit, ready.deadline);
                let readied = readiness.poll(limit, &mut ready.service, deadline, cx);
                let Poll::Ready(readied) = held_back(readied) else {
                    *pending = Some(ready);
                    return Poll::Pending;
                };
                match (readied, ready.newest(token, readiness.has_waited())) {
                    (Err(not_ready), _) => ControlFlow::Break(Err(ready.not_ready(not_ready))),
                    (Ok(Err(error)), _) => ControlFlow::Break(Err(error)),
                    (Ok(Ok(())), Some(newest)) => {
                        let (future, new_guard) = ready.send(&newest);
                        *guard = new_guard;
                        ControlFlow::Continue(State::Sending { future })
                    }
                    (Ok(Ok(())), None) => {
                        ready.release();
                        ControlFlow::Continue(State::waiting(ready))
                    }
                }
            }
            Self::Renewing { token, rejected } => {
                let token = ready!(held_back(token.as_mut().poll(cx)));
                let (response, then) = *rejected.take().expect(POLLED_AGAIN);
                renewed(token, response, then)
            }
            Self::Failed { error } => ControlFlow::Break(Err(error.take().expect(POLLED_AGAIN))),
        })
    }
}

/// What follows on a rejected token when the wait for another one has ended.
fn renewed<S, B, ResponseBody>(
    token: Option<(Arc<Cached>, Tried)>,
    mut response: Response<ResponseBody>,
    then: OnRejection<S, B>,
) -> Next<S, B, Response<ResponseBody>>
where
    S: Service<Request<B>>,
{
    match (token, then) {
        (Some((token, tried)), OnRejection::Replay(mut pending)) => {
            pending.tried = Some(tried);
            return ControlFlow::Continue(State::readying(token, pending));
        }
        (Some(_), OnRejection::Mark(_)) => {
            response.extensions_mut().insert(TokenReplaced);
        }
        (Some(_), OnRejection::Nothing) | (None, _) => {}
    }
    ControlFlow::Break(Ok(response))
}

fn is_unauthorized<B, E>(polled: &Poll<Result<Response<B>, E>>) -> bool {
    matches!(polled, Poll::Ready(Ok(response))
        if response.status() == StatusCode::UNAUTHORIZED || is_rejected_by_body(response))
}
