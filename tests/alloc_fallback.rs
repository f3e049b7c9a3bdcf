//! What a call through `FallbackLayer` allocates, counted.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail as a test does")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use tower::{Layer, Service};
use tower_heed::FallbackLayer;

/// An inner service that allocates nothing.
#[derive(Clone)]
struct Api;

impl Service<Request<Full<Bytes>>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(Full::default())))
    }
}

fn allocations(layer: &FallbackLayer, uri: Uri) -> u64 {
    let mut client = layer.layer(Api);
    let mut request = Request::new(Full::default());
    *request.uri_mut() = uri;
    let counted = measure(|| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(client.poll_ready(&mut cx).is_ready());
        let call = pin!(client.call(request));
        assert!(call.poll(&mut cx).is_ready());
    });
    counted.count_total
}

#[test]
fn a_success_allocates_nothing() {
    let open = FallbackLayer::fail_open(|_| Response::new("[]"));
    let closed = FallbackLayer::fail_closed();
    let with_endpoint = |layer: FallbackLayer| {
        layer.endpoint("/{*path}", |config| config).unwrap().endpoint("/b", |c| c).unwrap()
    };
    for layer in [open.clone(), closed.clone(), with_endpoint(open), with_endpoint(closed)] {
        assert_eq!(allocations(&layer, Uri::from_static("https://id.example/users")), 0);
    }
}

#[test]
fn keeping_an_address_allocates_at_most_once() {
    let open = FallbackLayer::fail_open(|_| Response::new("[]"));
    // `http` cuts the parts of a parsed address out of one buffer, which is shared from then on.
    for (uri, most) in [("https://id.example/users/1?a=b", 0), ("/users/1", 1)] {
        assert!(allocations(&open, uri.parse().unwrap()) <= most, "{uri}");
        assert_eq!(allocations(&FallbackLayer::fail_closed(), uri.parse().unwrap()), 0, "{uri}");
    }
}
