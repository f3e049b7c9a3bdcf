//! Sending the request of a fetch once more.

use std::{any::Any, future::poll_fn, pin::pin};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower_service::Service;

use super::shared::CachedEndpoint;
use crate::{
    BoxError,
    clock::Clock,
    extensions::{Attempt, Deadline, NoRetry, ambient::Scope},
    ready::make_ready,
};

/// A copy of a request without a body, and a service to send it by: if the body of the response breaks off, or the server says that
/// another response than the stored one has not changed.
pub(super) struct Again<S, B> {
    pub(super) service: S,
    pub(super) request: Request<B>,
}

// === impl Again ===

impl<S, B, RB> Again<S, B>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
{
    pub(super) async fn send(
        mut self,
        deadline: Deadline,
        clock: &Clock,
        endpoint: &CachedEndpoint,
    ) -> Result<Response<RB>, BoxError> {
        let readied = make_ready(&mut self.service, Some(deadline)).await;
        readied.unwrap_or_else(|not_ready| Err(endpoint.not_ready(not_ready).into()))?;
        Attempt::add(self.request.extensions_mut(), 1);
        let response = {
            let _scope = Scope::around_call(deadline, clock.now());
            self.service.call(self.request)
        };
        by(deadline, response).await.map_err(Into::into)
    }
}

/// Awaits a response, with a deadline in force for the layers inside.
pub(super) async fn by<F: Future>(deadline: Deadline, response: F) -> F::Output {
    let mut response = pin!(response);
    poll_fn(|cx| {
        let _scope = Scope::around_poll(deadline);
        response.as_mut().poll(cx)
    })
    .await
}

/// A copy of a request, unless it is to be sent once.
pub(super) fn copy<B>(request: &Request<B>, body: Option<B>) -> Option<Request<B>> {
    let may_send_again = request.extensions().get::<NoRetry>().is_none();
    let mut copy = Request::new(body.filter(|_| may_send_again)?);
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

/// An empty body, of the types that can be made here. In a [`Stack`](crate::Stack) every body can be copied.
pub(super) fn empty<B: 'static>() -> Option<B> {
    let bodies: &[fn() -> Box<dyn Any>] = &[
        || Box::new(Empty::<Bytes>::new()),
        || Box::new(Full::<Bytes>::default()),
        || Box::new(String::new()),
        #[cfg(feature = "axum")]
        || Box::new(axum_core::body::Body::empty()),
        #[cfg(feature = "reqwest")]
        || Box::new(reqwest::Body::default()),
    ];
    bodies.iter().find_map(|body| body().downcast().ok()).map(|body| *body)
}
