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

#[tokio::test(start_paused = true)]
async fn a_stream_arrives_event_by_event() {
    let senders: Arc<Mutex<Vec<_>>> = Arc::default();
    let sending = Arc::clone(&senders);
    let api = tower::service_fn(move |_: Request<Body>| {
        let (sender, body) = http_body_util::channel::Channel::<Bytes, BoxError>::new(8);
        sending.lock().unwrap().push(sender);
        let response = Response::builder().header("content-type", "text/event-stream");
        async move { Ok::<_, BoxError>(response.body(body).unwrap()) }
    });
    let mut client = stack().service(api);
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    let mut body = response.into_body();
    let mut sender = senders.lock().unwrap().pop().unwrap();
    for event in ["data: 1", "data: 2", "data: 3"] {
        sender.send_data(event.into()).await.unwrap();
        let begun = Instant::now();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!((frame.into_data().unwrap(), begun), (Bytes::from(event), Instant::now()));
        sleep(SECOND).await;
    }
}

/// A whole response, though the connection broke in the first one.
#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_fetched_once_more() {
    use crate::body::script::{Script, Step};
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let api = tower::service_fn(move |_: Request<Body>| {
        let body = match count.fetch_add(1, Ordering::SeqCst) {
            0 => Script::new([Step::Data("half".into()), Step::Fail("the connection broke")]),
            _ => Script::of_data(["whole"]),
        };
        async move { Ok::<_, BoxError>(Response::new(body)) }
    });
    let mut client = stack().service(api);
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "whole");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
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
