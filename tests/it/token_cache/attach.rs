//! Which requests carry the token, and where they may go.

use std::time::Duration;

use http::{Request, header::AUTHORIZATION};
use tower::{Layer, ServiceExt};
use tower_heed::{
    EndpointPattern, Error, ErrorKind, TokenCacheLayer,
    error::{TokenErrorKind, find},
    token_cache::{AllowedOrigin, StaticToken, TokenCache},
};

use crate::token_cache::support::{
    Api, Body, Source, cached, get, layer, no_token, settle, status,
};

fn to(address: &str) -> Request<Body> {
    Request::get(address).body(Body::default()).unwrap()
}

async fn rejected(client: &TokenCache<Api>, address: &str) -> Error {
    let error = client.clone().oneshot(to(address)).await.unwrap_err();
    find::<Error>(error.as_ref()).unwrap_or_else(|| panic!("{error}")).clone()
}

/// The origin that the token was not sent to.
fn origin(error: &Error) -> Option<&str> {
    match error.kind() {
        ErrorKind::OriginNotAllowed { origin, .. } => origin.as_deref(),
        kind => panic!("{kind:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn rule_26_nothing_is_sent_to_an_origin_that_is_not_allowed() {
    let (client, api, source) = cached();
    for address in [
        "https://evil.example/users",
        "https://id.example.evil.example/",
        "https://id.example:8443/users",
        "http://id.example/users",
        "http://localhost/users",
    ] {
        let rejected = rejected(&client, address).await;
        let host = address.split('/').nth(2).unwrap();
        assert!(origin(&rejected).unwrap().contains(host), "{rejected}");
    }
    assert_eq!(origin(&rejected(&client, "/users").await), None);
    assert_eq!((api.seen(), source.calls()), (0, 0), "not even a token is fetched");
    assert_eq!(client.oneshot(to("https://ID.example:443/users")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn rule_26_until_an_origin_is_named_nothing_is_sent_and_the_error_says_what_to_do() {
    let api = Api::default();
    let client = TokenCacheLayer::new(Source::default()).layer(api.clone());
    let rejected = rejected(&client, "https://id.example/").await;
    assert!(rejected.to_string().contains("allow_origin"), "{rejected}");
    assert_eq!(api.seen(), 0);
}

#[tokio::test(start_paused = true)]
async fn rule_26_clear_text_is_sent_to_loopback_and_where_an_option_says_so() {
    let api = Api::default();
    let token = StaticToken::new("key").unwrap();
    let client = TokenCacheLayer::new(token)
        .allow_origin("http://127.0.0.1:8080".parse().unwrap())
        .allow_origin(AllowedOrigin::clear_text("http://api.internal").unwrap())
        .layer(api.clone());
    for address in ["http://127.0.0.1:8080/a", "http://api.internal:80/a"] {
        assert_eq!(client.clone().oneshot(to(address)).await.unwrap().status(), 200);
    }
    assert_eq!(api.tokens(), ["key"; 2]);
    let error = "http://api.internal".parse::<AllowedOrigin>();
    assert!(error.unwrap_err().to_string().contains("AllowedOrigin::clear_text"));
}

#[tokio::test(start_paused = true)]
async fn rule_27_the_value_is_sensitive_and_the_only_one() {
    let source = Source::default();
    let inner = tower::service_fn(|request: Request<Body>| async move {
        let values: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().collect();
        assert!(matches!(values[..], [value] if value.is_sensitive() && value == "Bearer token-1"));
        Ok::<_, std::convert::Infallible>(http::Response::new(()))
    });
    let client = layer(&source).layer(inner);
    // Once after a wait, once with the token available.
    for _ in 0..2 {
        client.clone().oneshot(get("/")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_a_token_is_sent_as_it_is() {
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source)
        .endpoint("GET /public/{name}".parse().unwrap(), |config| config.without_token())
        .layer(api.clone());
    for address in ["https://id.example/public/keys", "https://other.example/public/keys"] {
        assert_eq!(client.clone().oneshot(to(address)).await.unwrap().status(), 200);
    }
    assert_eq!((api.authorizations(), source.calls()), (vec![String::new(); 2], 0));

    api.accept(&["token-1"]);
    assert_eq!(status(&client).await, 200);
    let post = Request::post("https://id.example/public/keys").body(Body::default()).unwrap();
    assert_eq!(client.oneshot(post).await.unwrap().status(), 200);
    assert_eq!(api.tokens()[2..], ["token-1", "token-1"], "another method, another endpoint");
}

#[test]
fn what_cannot_be_used_is_rejected_by_name() {
    let origin = "nowhere".parse::<AllowedOrigin>().unwrap_err();
    assert_eq!(origin.what(), "origin `nowhere`");
    let pattern = "GET users".parse::<EndpointPattern>().unwrap_err();
    assert_eq!(pattern.what(), "endpoint pattern `GET users`");
    let rejected = StaticToken::new("sk_live_1\n").unwrap_err();
    assert_eq!(rejected.what(), "static token");
    assert!(!rejected.to_string().contains("sk_live"), "{rejected}");
}

/// A limit, a buffer or a lifetime of zero is the shortest one that works.
#[tokio::test(start_paused = true)]
async fn settings_of_zero_still_give_a_token() {
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source)
        .fetch_timeout(Duration::ZERO)
        .default_lifetime(Duration::ZERO)
        .max_lifetime(Duration::ZERO)
        .refresh_buffer(Duration::ZERO)
        .layer(api.clone());
    assert_eq!(status(&client).await, 200);
    assert_eq!(status(&client).await, 200);
    assert_eq!((api.tokens(), source.calls()), (vec!["token-1".to_owned(); 2], 1));
}

#[tokio::test(start_paused = true)]
async fn a_max_wait_of_zero_does_not_wait_and_the_fetch_goes_on() {
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source).max_wait(Duration::ZERO).layer(api);
    assert_eq!(no_token(&client).await.kind(), TokenErrorKind::Timeout);
    settle().await;
    assert_eq!((status(&client).await, source.calls()), (200, 1));
}
