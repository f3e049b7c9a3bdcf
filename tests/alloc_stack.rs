//! What a call through the recommended stack allocates, counted.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail as a test does")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::ACCEPT};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{BoxError, SendSpanLayer, Stack, TokenCacheLayer, token_cache::StaticToken};

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

fn request() -> Request<Full<Bytes>> {
    Request::post(Uri::from_static("https://id.example/users"))
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Full::from(Bytes::from_static(b"{}")))
        .unwrap()
}

/// The allocations of one call that nothing stops.
async fn allocations<L>(layer: &L) -> u64
where
    L: Layer<Api, Service: Service<Request<Full<Bytes>>, Error = BoxError>>,
{
    let mut client = layer.layer(Api);
    client.ready().await.unwrap().call(request()).await.map(drop).unwrap();

    let request = request();
    let counted = measure(|| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(client.poll_ready(&mut cx).is_ready());
        let call = pin!(client.call(request));
        assert!(call.poll(&mut cx).is_ready());
    });
    counted.count_total
}

fn token() -> TokenCacheLayer {
    let token = TokenCacheLayer::new(StaticToken::new("key").unwrap());
    token.allow_origin("https://id.example").unwrap()
}

/// The copy of the request's header map, its entries and its index, and nothing else.
#[tokio::test]
async fn a_call_that_nothing_stops_allocates_twice() {
    assert_eq!(allocations(&Stack::new().token_cache(token())).await, 2);
}

#[tokio::test]
async fn a_span_that_no_subscriber_wants_allocates_nothing() {
    let spans = SendSpanLayer::new().endpoint("POST /users", |config| config).unwrap();
    assert_eq!(allocations(&spans).await, 0);
    assert_eq!(allocations(&Stack::new().token_cache(token()).send_span(spans)).await, 2);
}
