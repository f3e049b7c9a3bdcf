use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    cached::Cached,
    pending::{Passage, Then, Watch},
    wait::{Acquire, Renew},
};
use crate::{
    BoxError,
    body::ReplayableBody,
    extensions::{TokenReplaced, ambient::held_back},
    headers::BearerChallenge,
};

const POLLED_AGAIN: &str = "a future that has ended is not polled again";

pin_project! {
    /// The future of a call through [`TokenCache`](super::TokenCache).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        // Until the answer comes.
        pub(super) watch: Option<Watch<S, B>>,
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
        // The request is on its way. With a token at hand a call begins here, and nearly always ends here.
        Sending { #[pin] future: S::Future },
        // There is no token: a flight is waited for.
        Waiting { token: Acquire, passage: Option<Box<Passage<S, B>>> },
        // There is one, and the service is being made ready.
        Readying { token: Arc<Cached>, passage: Option<Box<Passage<S, B>>>, stalled: bool },
        // The answer rejected the token: the next one is waited for.
        Renewing { token: Renew, rejected: Option<Box<(S::Response, Then<S, B>)>> },
        // Nothing is sent.
        Failed { error: Option<BoxError> },
    }
}

// === impl ResponseFuture ===

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn waiting(passage: Box<Passage<S, B>>) -> Self {
        Self { watch: None, state: State::waiting(passage) }
    }

    pub(super) const fn failed(error: BoxError) -> Self {
        Self { watch: None, state: State::Failed { error: Some(error) } }
    }
}

impl<S, B, ResponseBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResponseBody>> + Clone,
    S::Error: Into<BoxError>,
    B: ReplayableBody,
{
    type Output = Result<Response<ResponseBody>, BoxError>;

    #[allow(clippy::expect_used, reason = "a future that has ended is not polled again")]
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProject::Sending { future } => {
                    let polled = future.poll(cx);
                    if !is_unauthorized(&polled) {
                        if polled.is_ready() {
                            *this.watch = None;
                        }
                        return polled.map_err(Into::into);
                    }
                    let response = ready!(polled).map_err(Into::into)?;
                    let rejected = this.watch.take().filter(|_| rejects_token(&response));
                    let Some((token, then)) = rejected.and_then(Watch::rejected) else {
                        return Poll::Ready(Ok(response));
                    };
                    State::Renewing { token, rejected: Some(Box::new((response, then))) }
                }
                StateProject::Waiting { token, passage } => {
                    let token = ready!(held_back(token.as_mut().poll(cx)))?;
                    let passage = passage.take().map(Passage::acquired);
                    State::Readying { token, passage, stalled: false }
                }
                StateProject::Readying { token, passage, stalled } => {
                    let mut ready = passage.take().expect(POLLED_AGAIN);
                    match held_back(ready.service.poll_ready(cx)) {
                        Poll::Ready(result) => result.map_err(Into::into)?,
                        Poll::Pending => {
                            *passage = Some(ready);
                            *stalled = true;
                            return Poll::Pending;
                        }
                    }
                    match ready.newest(token, *stalled) {
                        Some(newest) => {
                            let (future, watch) = ready.send(&newest);
                            *this.watch = watch;
                            State::Sending { future }
                        }
                        None => {
                            ready.let_go();
                            State::waiting(ready)
                        }
                    }
                }
                StateProject::Renewing { token, rejected } => {
                    let token = ready!(held_back(token.as_mut().poll(cx)));
                    let (mut response, then) = *rejected.take().expect(POLLED_AGAIN);
                    match (token, then) {
                        (Some(token), Then::Send(passage)) => {
                            let passage = Some(passage.acquired());
                            State::Readying { token, passage, stalled: false }
                        }
                        (Some(_), Then::Mark(_)) => {
                            response.extensions_mut().insert(TokenReplaced);
                            return Poll::Ready(Ok(response));
                        }
                        (_, _) => return Poll::Ready(Ok(response)),
                    }
                }
                StateProject::Failed { error } => {
                    return Poll::Ready(Err(error.take().expect(POLLED_AGAIN)));
                }
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
    fn waiting(mut passage: Box<Passage<S, B>>) -> Self {
        Self::Waiting { token: passage.acquire(), passage: Some(passage) }
    }
}

fn is_unauthorized<B, E>(polled: &Poll<Result<Response<B>, E>>) -> bool {
    matches!(polled, Poll::Ready(Ok(response)) if response.status() == StatusCode::UNAUTHORIZED)
}

/// Whether a 401 says that the token it was sent with was not accepted.
fn rejects_token<B>(response: &Response<B>) -> bool {
    BearerChallenge::from_headers(response.headers()) == BearerChallenge::TokenRejected
}
