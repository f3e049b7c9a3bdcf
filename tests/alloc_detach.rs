//! What a call that passes through `DetachLayer` allocates, counted.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail as a test does")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service};
use tower_heed::DetachLayer;

type Body = Empty<Bytes>;

/// An inner service that answers at once.
#[derive(Clone)]
struct Api;

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

fn call<S: Service<Request<Body>>>(client: &mut S, request: Request<Body>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(client.poll_ready(&mut cx).is_ready());
    let call = pin!(client.call(request));
    assert!(call.poll(&mut cx).is_ready());
}

#[test]
fn a_call_that_passes_through_allocates_nothing() {
    let layer = DetachLayer::new()
        .endpoint("POST /login-events", |config| config)
        .unwrap()
        .endpoint("POST /users/{id}", |config| config.attached())
        .unwrap();
    let mut client = layer.layer(Api);
    for (method, path) in [("GET", "/login-events"), ("POST", "/other"), ("POST", "/users/1")] {
        let request = Request::builder().method(method).uri(format!("https://id.example{path}"));
        let request = request.body(Body::new()).unwrap();
        assert_eq!(measure(|| call(&mut client, request)).count_total, 0, "{method} {path}");
    }
}
