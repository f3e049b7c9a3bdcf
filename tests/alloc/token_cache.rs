//! `TokenCacheLayer`.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    TokenCacheLayer,
    error::TokenError,
    token_cache::{StaticToken, Token, TokenRequest},
};

use crate::{api, counted};

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

/// The allocations of one call with a fresh token available.
async fn allocations(layer: TokenCacheLayer) -> u64 {
    let layer = layer.allow_origin("https://id.example".parse().unwrap());
    let layer =
        layer.endpoint("GET /public/{name}".parse().unwrap(), |config| config.without_token());
    let mut client = layer.layer(api(|_: Request<Full<Bytes>>| Response::new(())));
    // The first call waits for the token; the second has this thread's first look at it.
    for _ in 0..2 {
        client.ready().await.unwrap().call(request()).await.unwrap();
    }
    counted(&mut client, request()).count_total
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
