//! The layer in a `Stack`.

use tokio::time::Instant;
use tower_heed::{
    Stack, TokenCacheLayer, classify::ErrorClass, retry::RetryOutcome, token_cache::StaticToken,
};

use super::*;

fn stack() -> Stack {
    let token = TokenCacheLayer::new(StaticToken::new("key").unwrap());
    let token = token.allow_origin("https://id.example".parse().unwrap());
    Stack::new().token_cache(token).response_cache(layer())
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_fetched_once_and_served_during_a_minute_of_429() {
    let api = Api::new();
    let client = stack().service(api.clone());
    for _ in 0..3 {
        let mut client = client.clone();
        let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "/users/1 1");
    }
    advance(60 * SECOND).await;
    api.responds(429, &[("retry-after", "5")]);
    let begun = Instant::now();
    while Instant::now() - begun < 60 * SECOND {
        let mut client = client.clone();
        let sent_at = Instant::now();
        let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
        assert!(Instant::now() - sent_at <= SECOND, "no call waits for the server");
        assert_eq!(response.status(), 200);
        let stale = response.extensions().get::<Stale>().unwrap();
        // The throttle delays the refresh, or it is sent and rate limited.
        let out = [ErrorClass::Timeout, ErrorClass::RateLimited, ErrorClass::Throttled];
        assert!(out.contains(&stale.class()), "{:?}", stale.class());
        sleep(SECOND / 5).await;
    }
    assert!(api.requests() <= 20, "{} requests", api.requests());
}

/// The call gets the 429 at once, instead of a timeout at its deadline.
#[tokio::test(start_paused = true)]
async fn a_cold_call_does_not_begin_a_wait_that_passes_its_deadline() {
    let api = Api::new();
    api.responds(429, &[("retry-after", "60")]);
    let mut client = stack().service(api.clone());
    let begun = Instant::now();
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!((response.status().as_u16(), Instant::now()), (429, begun));
    let outcome = response.extensions().get::<RetryOutcome>().unwrap();
    assert_eq!(outcome.retry_after(), Some(60 * SECOND));
}
