use std::task::{Context, Poll};

use http::Request;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{ReplayBody, ReplayableBody};

/// Makes every request body replayable, up to a cap. It goes around the layers that retry; see [the module page](super).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ReplayBodyLayer {
    max_bytes: usize,
}

/// The service of [`ReplayBodyLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ReplayBodyService<S> {
    inner: S,
    max_bytes: usize,
}

// === impl ReplayBodyLayer ===

impl ReplayBodyLayer {
    /// 64 KiB: well above any request to sign in or to change a profile, and a thousand of them fit in 64 MiB.
    pub const DEFAULT_MAX_BYTES: usize = 64 * 1024;

    /// Records at most `max_bytes` of each body. A longer body is sent once.
    pub const fn new(max_bytes: usize) -> Self {
        Self { max_bytes }
    }
}

/// Records at most [`ReplayBodyLayer::DEFAULT_MAX_BYTES`].
impl Default for ReplayBodyLayer {
    fn default() -> Self {
        Self::new(Self::DEFAULT_MAX_BYTES)
    }
}

impl<S> Layer<S> for ReplayBodyLayer {
    type Service = ReplayBodyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReplayBodyService { inner, max_bytes: self.max_bytes }
    }
}

// === impl ReplayBodyService ===

impl<S> ReplayBodyService<S> {
    inner_accessors!();
}

impl<S, B> Service<Request<B>> for ReplayBodyService<S>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let body = ReplayBody::new(body, self.max_bytes);
        body.mark(&mut head.extensions);
        self.inner.call(Request::from_parts(head, body))
    }
}
