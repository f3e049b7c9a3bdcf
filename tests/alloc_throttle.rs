//! What a call through `ThrottleLayer` allocates, counted.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail as a test does")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use http::{HeaderName, HeaderValue, Request, Response};
use tower::{Layer, Service};
use tower_heed::ThrottleLayer;

type Fields = &'static [(&'static str, &'static str)];

/// An inner service that answers at once, with these header fields.
#[derive(Clone)]
struct Api(Fields);

impl Service<Request<()>> for Api {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let mut response = Response::new(());
        for (name, value) in self.0 {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        ready(Ok(response))
    }
}

fn request() -> Request<()> {
    Request::get("https://id.example/users/1").body(()).unwrap()
}

fn call<S: Service<Request<()>>>(client: &mut S, request: Request<()>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(client.poll_ready(&mut cx).is_ready());
    let call = pin!(client.call(request));
    assert!(call.poll(&mut cx).is_ready());
}

/// What the layer adds to the allocations of a call with a turn at hand, once its key is known.
fn allocations(fields: Fields) -> u64 {
    let (mut bare, mut client) = (Api(fields), ThrottleLayer::new().layer(Api(fields)));
    (0..20).for_each(|_| call(&mut client, request()));
    let (one, other) = (request(), request());
    let inner = measure(|| call(&mut bare, one)).count_total;
    measure(|| call(&mut client, other)).count_total - inner
}

#[test]
fn a_call_with_a_turn_at_hand_allocates_nothing() {
    assert_eq!(allocations(&[]), 0);
    assert_eq!(allocations(&[("content-type", "application/json")]), 0);
    let counted = &[
        ("x-ratelimit-limit", "1000000"),
        ("x-ratelimit-remaining", "900000"),
        ("x-ratelimit-reset", "3600"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    assert_eq!(allocations(counted), 0);
}
