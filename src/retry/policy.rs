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
    saved::{Sent, copy},
};
use crate::{
    BoxError,
    body::ReplayableBody,
    extensions::{Deadline, ambient::held_back},
};

/// The decisions of [`RetryOnRateLimit`] for tower's own [`Retry`](tower::retry::Retry).
///
/// Made from a layer by [`Policy::from`], with the same settings and the same budget. The errors of the service must be
/// [`BoxError`] (`tower::util::MapErrLayer` makes them so).
///
/// What tower's service does differently:
///
/// * It drops a refused answer unread, which closes an HTTP/1 connection whose answer has not come in whole.
/// * It leaves no [`RetryOutcome`](super::RetryOutcome) on answers to requests that it may not send twice (`NoRetry`,
///   no retries allowed, a body that can be sent once), and they pay nothing into the budget: it does not ask about
///   those.
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
/// assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().sends(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    call: Call,
}

pin_project! {
    /// The pause that [`Policy`] makes before a retry.
    pub struct PauseFuture {
        #[pin]
        sleep: Option<Sleep>,
    }
}

// === impl Policy ===

impl From<RetryOnRateLimit> for Policy {
    fn from(layer: RetryOnRateLimit) -> Self {
        Self { call: Call::new(layer.into_rules(), None) }
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
        let Some(failure) = self.call.failure(result) else {
            if let Ok(response) = result {
                self.call.end(response);
            }
            return None;
        };
        let rewind = || request.body().rewind();
        let (pause, body) = self.call.decide(&failure, &Sent::of(request), result, rewind)?;
        *request.body_mut() = body;
        self.call.begin_send(request);
        Some(PauseFuture::new(pause))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        // Asked before every send; before the first one it runs inside of `Service::call`, where the deadline is known.
        if self.call.sends() == 1 {
            self.call.begin(Deadline::of(request));
        }
        copy(request, self.call.config_of(request))
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
