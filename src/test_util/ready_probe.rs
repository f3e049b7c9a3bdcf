use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

/// Panics if the layer around it calls an instance that was not made ready.
///
/// Readiness belongs to one instance and is good for one call: a clone of a ready service is not ready. Many services do not mind
/// (an HTTP client, `service_fn`), until a `ConcurrencyLimit` or a `Buffer` in between panics or hangs. This probe always minds.
///
/// ```should_panic
/// use std::{convert::Infallible, task::{Context, Poll}};
/// use tower::{Layer, Service, ServiceExt, service_fn};
/// use tower_heed::test_util::ReadyProbeLayer;
///
/// /// Calls a clone, as many hand-written services do.
/// struct Faulty<S>(S);
///
/// impl<S: Service<u32> + Clone> Service<u32> for Faulty<S> {
///     type Response = S::Response;
///     type Error = S::Error;
///     type Future = S::Future;
///
///     fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
///         self.0.poll_ready(cx)
///     }
///
///     fn call(&mut self, number: u32) -> S::Future {
///         self.0.clone().call(number)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let inner = service_fn(async |number: u32| Ok::<_, Infallible>(number));
/// let _ = Faulty(ReadyProbeLayer::new().layer(inner)).oneshot(7).await;
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ReadyProbeLayer;

/// The service of [`ReadyProbeLayer`]. A clone is not ready.
#[derive(Debug)]
pub struct ReadyProbe<S> {
    inner: S,
    ready: bool,
}

// === impl ReadyProbeLayer ===

impl ReadyProbeLayer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for ReadyProbeLayer {
    type Service = ReadyProbe<S>;

    fn layer(&self, inner: S) -> ReadyProbe<S> {
        ReadyProbe { inner, ready: false }
    }
}

// === impl ReadyProbe ===

impl<S> ReadyProbe<S> {
    inner_accessors!();
}

impl<S: Clone> Clone for ReadyProbe<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), ready: false }
    }
}

impl<S, Request> Service<Request> for ReadyProbe<S>
where
    S: Service<Request>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let polled = self.inner.poll_ready(cx);
        self.ready = matches!(polled, Poll::Ready(Ok(())));
        polled
    }

    /// # Panics
    ///
    /// If this instance was not made ready since its last call.
    fn call(&mut self, request: Request) -> S::Future {
        assert!(self.ready, "called an instance that was not made ready");
        self.ready = false;
        self.inner.call(request)
    }
}
