//! What tower and tower-http offer for the same purposes.

use std::{
    future::{Ready, ready},
    sync::Arc,
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tower::{
    retry::{
        Policy,
        budget::{Budget, TpsBudget},
    },
    util::MapResponseLayer,
};
use tower_http::{auth::AddAuthorizationLayer, timeout::TimeoutLayer as HttpTimeoutLayer};

use super::{Body, TOKEN};

const LIMIT: Duration = Duration::from_secs(10);

/// Retries on a failing status, within tower's budget. It has no backoff, so this is the least that tower's retry costs.
#[derive(Clone)]
pub(crate) struct WithinBudget(Arc<TpsBudget>);

/// What `ErrorClassifyLayer` leaves on a response that failed.
#[derive(Clone, Copy, Debug)]
struct Failed;

// === impl WithinBudget ===

impl<RB, E> Policy<Request<Body>, Response<RB>, E> for WithinBudget {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<RB>, E>,
    ) -> Option<Ready<()>> {
        if let Ok(response) = result
            && !failed(response.status())
        {
            self.0.deposit();
            return None;
        }
        self.0.withdraw().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

pub(crate) fn timeout() -> tower::timeout::TimeoutLayer {
    tower::timeout::TimeoutLayer::new(LIMIT)
}

#[allow(dead_code, reason = "not all benches measure it")]
pub(crate) fn http_timeout() -> HttpTimeoutLayer {
    HttpTimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LIMIT)
}

pub(crate) fn retry() -> tower::retry::RetryLayer<WithinBudget> {
    tower::retry::RetryLayer::new(WithinBudget(Arc::new(TpsBudget::default())))
}

pub(crate) fn bearer() -> AddAuthorizationLayer {
    AddAuthorizationLayer::bearer(TOKEN)
}

pub(crate) fn classify<B>() -> MapResponseLayer<fn(Response<B>) -> Response<B>> {
    MapResponseLayer::new(annotate)
}

fn annotate<B>(mut response: Response<B>) -> Response<B> {
    if failed(response.status()) {
        response.extensions_mut().insert(Failed);
    }
    response
}

fn failed(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}
