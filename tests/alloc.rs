//! What a call through `TokenCacheLayer` allocates, counted.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test's helpers fail as a test does")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    TokenCacheLayer,
    token_cache::{StaticToken, Token, TokenCache, TokenError, TokenRequest},
};

/// An inner service that allocates nothing.
#[derive(Clone)]
struct Api;

impl Service<Request<Full<Bytes>>> for Api {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

/// A request whose header map has room for one more, and whose parts are shared: the first clone of a part that is not
/// allocates once, whoever clones it.
fn request() -> Request<Full<Bytes>> {
    let json = HeaderValue::from_static("application/json");
    Request::patch(Uri::from_static("https://id.example/users/1"))
        .header(CONTENT_TYPE, json.clone())
        .header(ACCEPT, json)
        .header(USER_AGENT, HeaderValue::from_static("test"))
        .body(Full::from(Bytes::from_static(b"{}")))
        .unwrap()
}

/// The allocations of one call with a fresh token at hand.
async fn allocations(layer: TokenCacheLayer) -> u64 {
    let layer = layer.allow_origin("https://id.example").unwrap();
    let layer = layer.endpoint("GET /public/{name}", |config| config.without_token()).unwrap();
    let mut client: TokenCache<Api> = layer.layer(Api);
    // The first call waits for the token; the second has this thread's first look at it.
    for _ in 0..2 {
        client.ready().await.unwrap().call(request()).await.unwrap();
    }
    let request = request();
    let counted = measure(|| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(client.poll_ready(&mut cx).is_ready());
        let call = pin!(client.call(request));
        assert!(call.poll(&mut cx).is_ready());
    });
    counted.count_total
}

fn source() -> TokenCacheLayer {
    TokenCacheLayer::new(service_fn(|_: TokenRequest| async {
        Ok::<_, TokenError>(Token::bearer("token")?.expires_in(Duration::from_secs(3600)))
    }))
}

#[tokio::test]
async fn rule_4_a_hit_allocates_nothing() {
    assert_eq!(allocations(source().leave_replay_to_retry()).await, 0);
}

#[tokio::test]
async fn rule_4_a_static_token_allocates_nothing() {
    assert_eq!(allocations(TokenCacheLayer::new(StaticToken::new("key").unwrap())).await, 0);
}

/// The copy of the request, its header map's entries and its index, and nothing else.
#[tokio::test]
async fn a_hit_that_keeps_a_copy_for_the_replay_allocates_three_times() {
    assert_eq!(allocations(source()).await, 3);
}
