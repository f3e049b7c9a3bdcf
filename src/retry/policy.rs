use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::{
    RetryOnRateLimit,
    call::{Call, Pause},
    saved::{Eligibility, copy},
};
use crate::{
    BoxError, body::ReplayableBody, classify::Classification, endpoint::EndpointIndex,
    extensions::ambient::held_back,
};

/// The decisions of [`RetryOnRateLimit`] for tower's own [`Retry`](tower::retry::Retry).
///
/// [`Policy::from`] makes it from a layer, with the same settings and the same budget. The errors of the service must be
/// [`BoxError`] (`tower::util::MapErrLayer` converts them).
///
/// tower's service differs in two points:
///
/// * It drops a failing response unread, which closes an HTTP/1 connection if part of the response is still to come.
/// * It does not ask the policy about requests that it may not send twice (`NoRetry`, no retries allowed, a body that can be sent
///   once), so their responses carry no [`RetryOutcome`](super::RetryOutcome) and deposit nothing into the budget.
///
/// # Example
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Empty;
/// use tower::{Service, ServiceBuilder, ServiceExt};
/// use tower_heed::{BoxError, RetryOnRateLimit, retry::{Policy, RetryOutcome}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// let api = tower::service_fn(|request: Request<Empty<&'static [u8]>>| async move {
///     let again = request.extensions().get::<tower_heed::extensions::Attempt>().is_some();
///     let status = if again { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
///     Ok::<_, BoxError>(Response::builder().status(status).body(Empty::<&[u8]>::new())?)
/// });
/// let policy = Policy::from(RetryOnRateLimit::new().max_retries(2));
/// let mut client = ServiceBuilder::new().retry(policy).service(api);
///
/// let response = client.ready().await?.call(Request::new(Empty::new())).await?;
/// assert_eq!(response.status(), StatusCode::OK);
/// assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    call: Call,
}

pin_project! {
    /// The wait of a [`Policy`] before a retry.
    pub struct PauseFuture {
        #[pin]
        sleep: Option<Sleep>,
    }
}

// === impl Policy ===

impl From<RetryOnRateLimit> for Policy {
    fn from(layer: RetryOnRateLimit) -> Self {
        Self { call: Call::new(layer.into_settings(), EndpointIndex::default(), None) }
    }
}

impl<B, RB> tower::retry::Policy<Request<B>, Response<RB>, BoxError> for Policy
where
    B: ReplayableBody,
{
    type Future = PauseFuture;

    fn retry(
        &mut self,
        request: &mut Request<B>,
        result: &mut Result<Response<RB>, BoxError>,
    ) -> Option<Self::Future> {
        let failure = match result {
            Ok(response) => self.call.classify(response),
            Err(error) => Classification::of_error(&**error),
        };
        let Some(failure) = failure else {
            if let Ok(response) = result {
                self.call.succeed(response);
            }
            return None;
        };
        let rewind = || request.body().rewind();
        let (pause, body) = self.call.decide(&failure, Eligibility::of(request), result, rewind)?;
        *request.body_mut() = body;
        self.call.begin_attempt(request);
        Some(PauseFuture::new(pause))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        // tower asks before every attempt; before the first one inside of `Service::call`, where the deadline is known.
        copy(request, self.call.config(request))
    }
}

// === impl PauseFuture ===

impl PauseFuture {
    fn new(pause: Pause) -> Self {
        Self { sleep: (!pause.is_empty()).then(|| sleep_until(pause.end)) }
    }
}

impl Future for PauseFuture {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project().sleep.as_pin_mut() {
            Some(sleep) => held_back(sleep.poll(cx)),
            None => Poll::Ready(()),
        }
    }
}

impl fmt::Debug for PauseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PauseFuture").finish_non_exhaustive()
    }
}
