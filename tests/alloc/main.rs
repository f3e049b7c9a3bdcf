//! What a call through each layer allocates, counted.

#![allow(
    unreachable_pub,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test binary has no public items, and its helpers fail as a test does"
)]

mod classify;
mod detach;
mod fallback;
#[cfg(feature = "response-cache")]
mod response_cache;
mod stack;
mod throttle;
mod token_cache;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::{AllocationInfo, measure};
use tower::{Service, service_fn};

/// An inner service that responds at once, and allocates nothing by itself.
fn api<Request, Response>(
    response: impl Fn(Request) -> Response + Clone,
) -> impl Service<
    Request,
    Response = Response,
    Error = Infallible,
    Future = Ready<Result<Response, Infallible>>,
> + Clone {
    service_fn(move |request| ready(Ok(response(request))))
}

/// What one call takes from asking for readiness to dropping its response. It has to be answered when it is first polled.
fn counted<Request>(client: &mut impl Service<Request>, request: Request) -> AllocationInfo {
    measure(|| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(client.poll_ready(&mut cx).is_ready(), "not ready");
        let call = pin!(client.call(request));
        let Poll::Ready(response) = call.poll(&mut cx) else { panic!("not answered at once") };
        assert!(response.is_ok(), "an error");
    })
}
