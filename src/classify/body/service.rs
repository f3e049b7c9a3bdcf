use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ClassifiedBody, ClassifyBodyFuture, layer::Settings};
use crate::BoxError;

/// The service of [`ClassifyBodyLayer`](super::ClassifyBodyLayer).
#[derive(Clone, Debug)]
pub struct ClassifyBody<S> {
    inner: S,
    settings: Arc<Settings>,
}

// === impl ClassifyBody ===

impl<S> ClassifyBody<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    inner_accessors!();
}

impl<S, B, RB> Service<Request<B>> for ClassifyBody<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    RB: Body<Error: Into<BoxError>>,
{
    type Response = Response<ClassifiedBody<RB>>;
    type Error = BoxError;
    type Future = ClassifyBodyFuture<S::Future, RB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let endpoint = self.settings.endpoints.index_of(&request);
        ClassifyBodyFuture::new(self.inner.call(request), Arc::clone(&self.settings), endpoint)
    }
}
