//! Bodies that are sent twice, whole, and those that cannot be.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Empty, Full, channel::Channel};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_heed::{
    BoxError, RetryOnRateLimit,
    body::{ReplayBody, ReplayBodyLayer},
    extensions::{Attempt, Idempotent, NoRetry},
    retry::Stopped,
};

use super::{
    api::{Api, Reply, api, get, outcome, response, script, stopped},
    stops::with_purse,
};

type Streaming = ReplayBody<Channel<Bytes, BoxError>>;

/// A body that comes in these chunks, kept up to `max_bytes`.
fn streaming(chunks: &'static [&str], max_bytes: usize) -> Request<Streaming> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for chunk in chunks {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if sender.send_data(Bytes::from_static(chunk.as_bytes())).await.is_err() {
                return;
            }
        }
    });
    Request::post("https://id.example/users").body(ReplayBody::new(body, max_bytes)).unwrap()
}

async fn send_streaming(api: &Api, request: Request<Streaming>) -> Reply {
    RetryOnRateLimit::new().layer(api.clone()).oneshot(request).await
}

fn bodies(api: &Api) -> Vec<Bytes> {
    api.attempts().into_iter().map(|sent| sent.body.unwrap()).collect()
}

/// A retry that sent an empty body (octocrab), and one that doubled the first chunk (linkerd2 #15649).
#[tokio::test(start_paused = true)]
async fn a_streaming_body_is_sent_whole_each_time() {
    let api = script(&[(429, &[]), (429, &[])]);
    let response = send_streaming(&api, streaming(&["one ", "two ", "three"], 64)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(bodies(&api), ["one two three"; 3]);
}

/// A server that responds before it has read the request leaves half of the body with the connection.
#[tokio::test(start_paused = true)]
async fn a_body_is_sent_whole_after_an_attempt_that_got_its_response_half_way() {
    let rest = api(|_| response(200, &[]));
    let early = rest.clone();
    let held = Arc::new(Mutex::new(Vec::new()));
    let server = service_fn(move |request: Request<Streaming>| {
        let (held, early) = (Arc::clone(&held), early.clone());
        async move {
            if request.extensions().get::<Attempt>().is_some() {
                return early.oneshot(request).await;
            }
            let mut body = request.into_body();
            body.frame().await.unwrap()?;
            // The connection lives on with it.
            held.lock().unwrap().push(body);
            response(429, &[])
        }
    });
    let request = streaming(&["one ", "two ", "three"], 64);
    let response = RetryOnRateLimit::new().layer(server).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(bodies(&rest), ["one two three"]);
}

/// More of one name than a map can be made with room for at once.
#[tokio::test(start_paused = true)]
async fn all_values_of_a_header_field_are_sent_again_in_their_order() {
    let api = script(&[(429, &[])]);
    let mut request = get();
    let mut secret = HeaderValue::from_static("secret");
    secret.set_sensitive(true);
    request.headers_mut().append("x-kept", secret);
    for number in 0..40_000 {
        request.headers_mut().append("x-number", number.into());
    }
    let sent = request.headers().clone();
    RetryOnRateLimit::new().layer(api.clone()).oneshot(request).await.unwrap();
    let attempts = api.attempts();
    assert_eq!(attempts.len(), 2);
    assert!(attempts.iter().all(|send| send.headers == sent));
    let is_sensitive = |value: &HeaderValue| value.is_sensitive();
    assert!(attempts[1].headers.get_all("x-kept").iter().map(is_sensitive).eq([false, true]));
}

#[tokio::test(start_paused = true)]
async fn the_layer_for_bodies_goes_around_this_one() {
    let api = script(&[(429, &[])]);
    let client = ServiceBuilder::new()
        .layer(ReplayBodyLayer::new(64))
        .layer(RetryOnRateLimit::new())
        .service(api.clone());
    client.oneshot(Request::new(axum::body::Body::from("a login"))).await.unwrap();
    assert_eq!(bodies(&api), ["a login"; 2]);
}

#[tokio::test(start_paused = true)]
async fn one_over_its_cap_is_sent_once_and_whole() {
    let api = script(&[(429, &[("retry-after", "3")])]);
    let response = send_streaming(&api, streaming(&["one ", "two ", "three"], 6)).await.unwrap();
    assert_eq!(bodies(&api), ["one two three"]);
    assert_eq!((response.status().as_u16(), stopped(&response)), (429, Stopped::BodyNotReplayable));
    assert_eq!(outcome(&response).retry_after(), Some(Duration::from_secs(3)));
    let response = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(response, "the response");
}

#[tokio::test(start_paused = true)]
async fn a_body_over_its_cap_takes_nothing_from_the_budget() {
    let (layer, purse) = with_purse(1);
    let api = api(|_| response(500, &[]));
    for (max_bytes, stopped_by, left) in
        [(2, Stopped::BodyNotReplayable, 1), (64, Stopped::Budget, 0)]
    {
        let mut request = streaming(&["too ", "long"], max_bytes);
        request.extensions_mut().insert(Idempotent);
        let response = layer.layer(api.clone()).oneshot(request).await.unwrap();
        assert_eq!((stopped(&response), purse.left()), (stopped_by, left));
    }
}

#[tokio::test(start_paused = true)]
async fn one_known_to_be_too_long_is_sent_once_and_whole() {
    let long = ReplayBody::new(Full::new(Bytes::from_static(&[b'x'; 100])), 99);
    let api = script(&[(429, &[])]);
    let response =
        RetryOnRateLimit::new().layer(api.clone()).oneshot(Request::new(long)).await.unwrap();
    assert_eq!((bodies(&api)[0].len(), api.count()), (100, 1));
    assert_eq!(stopped(&response), Stopped::BodyNotReplayable);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_final_says_so_although_the_body_could_not_be_sent_again() {
    let api = api(|_| response(404, &[]));
    let response = send_streaming(&api, streaming(&["too long"], 2)).await.unwrap();
    assert_eq!(stopped(&response), Stopped::Final);
}

/// It was said to be the body, or the mark, or the number of retries, although a `POST` is not repeated after a 500 in any case.
#[tokio::test(start_paused = true)]
async fn a_post_that_must_not_be_repeated_says_so_whatever_else_forbids_it() {
    let api = api(|_| response(500, &[]));
    let too_long = || streaming(&["too long"], 2);
    let mut marked = streaming(&["short"], 64);
    marked.extensions_mut().insert(NoRetry);
    for (layer, request) in [
        (RetryOnRateLimit::new(), too_long()),
        (RetryOnRateLimit::new(), marked),
        (RetryOnRateLimit::new().max_retries(0), streaming(&["short"], 64)),
    ] {
        assert_eq!(request.method(), "POST");
        let response = layer.layer(api.clone()).oneshot(request).await.unwrap();
        assert_eq!(stopped(&response), Stopped::NotRepeatable);
    }
}

/// It is `Clone`, and its clones take each other's data.
#[derive(Clone)]
struct Drains {
    left: Arc<Mutex<Vec<Bytes>>>,
    knows_its_length: bool,
}

impl http_body::Body for Drains {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        std::task::Poll::Ready(
            self.left.lock().unwrap().pop().map(|data| Ok(http_body::Frame::data(data))),
        )
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let len = self.left.lock().unwrap().iter().map(|data| data.len() as u64).sum();
        match self.knows_its_length {
            true => http_body::SizeHint::with_exact(len),
            false => http_body::SizeHint::default(),
        }
    }
}

/// The second attempt sent an empty body, and the caller got its 200.
#[tokio::test(start_paused = true)]
async fn a_clone_that_has_less_than_the_body_had_is_not_sent() {
    for knows_its_length in [false, true] {
        let api = script(&[(429, &[("retry-after", "3")])]);
        let left = Arc::new(Mutex::new(vec!["the body".into()]));
        let request = Request::new(Drains { left, knows_its_length });
        let response = RetryOnRateLimit::new().layer(api.clone()).oneshot(request).await.unwrap();
        assert_eq!(bodies(&api), ["the body"]);
        assert_eq!(
            (response.status().as_u16(), stopped(&response)),
            (429, Stopped::BodyNotReplayable)
        );
        // Recorded, it can.
        let api = script(&[(429, &[("retry-after", "3")])]);
        let left = Arc::new(Mutex::new(vec!["the body".into()]));
        let request = Request::new(Drains { left, knows_its_length });
        let client =
            ServiceBuilder::new().layer(ReplayBodyLayer::new(64)).layer(RetryOnRateLimit::new());
        client.service(api.clone()).oneshot(request).await.unwrap();
        assert_eq!(bodies(&api), ["the body"; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_clone_need_nothing_around_them() {
    let api = script(&[(429, &[])]);
    let client = RetryOnRateLimit::new().layer(api.clone());
    client.clone().oneshot(Request::new(Empty::<Bytes>::new())).await.unwrap();
    client.oneshot(Request::new(Full::from("whole"))).await.unwrap();
    assert_eq!(bodies(&api), ["", "", "whole"]);
}
