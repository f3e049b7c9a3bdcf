//! A source that acts for the user who calls, behind the cache.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_heed::{
    TokenCacheLayer,
    oauth::{ClientCredentials, SubjectToken, TokenExchange},
    token_cache::{TokenCache, TokenKey, TokenRequest, TokenScope},
};

use super::grants::{URL, endpoint};
use crate::token_cache::support::{Api, SECOND};

#[derive(Clone)]
struct User(&'static str);

async fn call(client: &TokenCache<Api>, user: &'static str) -> u16 {
    let request = Request::get("https://id.example/orders")
        .extension(User(user))
        .extension(TokenScope::new(TokenKey::new().with_subject(user)));
    let request = request.body(Full::<Bytes>::default()).unwrap();
    client.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn rule_48_a_source_gets_the_extensions_of_the_request_that_needs_the_token() {
    let count = Arc::new(Mutex::new(0));
    let (http, seen) = endpoint(move |request| {
        let mut fields = form_urlencoded::parse(request.body()).into_owned();
        let (_, user) = fields.find(|(name, _)| name == "subject_token").unwrap();
        let mut count = count.lock().unwrap();
        *count += 1;
        let body = serde_json::json!({
            "access_token": format!("{user}-{count}"), "token_type": "Bearer", "expires_in": 100,
        });
        http::Response::new(Full::from(body.to_string()))
    });
    let client = ClientCredentials::new(http, URL, "app", "hush").unwrap();
    let source = TokenExchange::new(client, |request: TokenRequest| async move {
        let User(user) = request.extensions().get().ok_or("the request has no user")?;
        Ok(SubjectToken::access_token(*user))
    });
    let api = Api::default();
    let client = TokenCacheLayer::new(source).allow_any_https_origin().layer(api.clone());
    for user in ["ann", "bob", "ann"] {
        assert_eq!(call(&client, user).await, 200);
    }
    assert_eq!(api.tokens(), ["ann-1", "bob-2", "ann-1"]);

    // Rejected: for the user who was rejected.
    tokio::time::advance(10 * SECOND).await;
    api.accept(&["ann-1", "bob-3"]);
    assert_eq!(call(&client, "bob").await, 200);
    assert_eq!(api.tokens()[3..], ["bob-2", "bob-3"]);

    // Due, in the background: for the user whose call found it due.
    tokio::time::advance(70 * SECOND).await;
    api.accept(&["ann-1", "ann-4"]);
    assert_eq!(call(&client, "ann").await, 200);
    tokio::time::advance(SECOND).await;
    tokio::task::yield_now().await;
    assert_eq!(call(&client, "ann").await, 200);
    assert_eq!(api.tokens()[5..], ["ann-1", "ann-4"]);
    assert_eq!(seen.0.lock().unwrap().len(), 4);
}
