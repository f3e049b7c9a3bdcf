//! How one request is sent for several callers.

use http::{Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;

use super::{
    ResponseCache,
    again::{self, Again},
    fetch::{self, Fetch},
    waiting::{WaitingCall, WaitingFuture},
};
use crate::{BoxError, body::ReplayableBody, single_flight::Running};

type Lead<S, B, RB> = fn(
    <S as Service<Request<B>>>::Future,
    Option<Again<S, B>>,
    Running<Fetch>,
    WaitingCall,
) -> WaitingFuture<RB>;

/// How one request is sent for several callers, as values.
///
/// They are made where the service is known to be `Send + 'static`, and used where the compiler cannot prove it: inside an `async`
/// block it assumes no `'static` for the parameters of a type.
pub(crate) struct Sharing<S, B, RB>
where
    S: Service<Request<B>>,
{
    /// Awaits the response on its own task, for this call and all that join.
    pub(super) lead: Lead<S, B, RB>,
    /// A copy of a request that has no body.
    pub(super) copy: fn(&Request<B>) -> Option<Request<B>>,
    /// Waits for the fetch of another call.
    pub(super) join: fn(ResponseCache<S>, WaitingCall, Request<B>) -> WaitingFuture<RB>,
    /// Whether a request has a body, as far as can be known before it is read.
    pub(super) has_body: fn(&B) -> bool,
}

// === impl Sharing ===

impl<S, B, RB> Sharing<S, B, RB>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    RB: Body + Send + 'static,
    RB::Error: Into<BoxError>,
{
    pub(crate) fn new() -> Self {
        Self {
            lead: |response, again, running, call| {
                let (leader, not_shared) = oneshot::channel();
                fetch::spawn(running, response, again, leader);
                Box::pin(call.lead(not_shared))
            },
            copy: |request| again::copy(request, again::empty()),
            join: |cache, call, request| Box::pin(cache.join(call, request)),
            has_body: |body| !body.is_end_stream() && body.size_hint().exact() != Some(0),
        }
    }

    /// As `new`, for a body of which a copy can be made.
    pub(crate) fn of_replayable() -> Self
    where
        B: ReplayableBody,
    {
        let copy = |request: &Request<B>| again::copy(request, request.body().try_clone());
        Self { copy, ..Self::new() }
    }
}

impl<S, B, RB> Clone for Sharing<S, B, RB>
where
    S: Service<Request<B>>,
{
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, B, RB> Copy for Sharing<S, B, RB> where S: Service<Request<B>> {}
