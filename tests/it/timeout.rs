//! `TimeoutLayer`: one clock from the call to the end of the body, which the layers inside know.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, channel::Channel};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    BoxError, RetryOnRateLimit, TimeoutLayer,
    body::{ReplayBody, ReplayBodyLayer},
    classify::{Classification, ErrorClass},
    error::Phase,
    extensions::Deadline,
};

use crate::support::error::{ours, timeout};

const SECOND: Duration = Duration::from_secs(1);

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("https://id.example{path}")).body(Empty::new()).unwrap()
}

fn layer(seconds: u32) -> TimeoutLayer {
    TimeoutLayer::new(SECOND * seconds)
}

/// Responds 200 after `delay`, with this body.
fn responds_after<B: Clone + Send + 'static>(
    delay: Duration,
    body: B,
) -> impl tower::Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible, Future: Send>
+ Clone {
    service_fn(move |_| {
        let body = body.clone();
        async move {
            sleep(delay).await;
            Ok(Response::new(body))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_fails_every_call_that_is_not_ready_at_once() {
    let layer = TimeoutLayer::new(Duration::ZERO);
    let slow = layer.layer(responds_after(Duration::from_millis(1), Empty::<Bytes>::new()));
    let error = slow.oneshot(get("/")).await.unwrap_err();
    assert_eq!(timeout(error.as_ref()), (Duration::ZERO, Phase::Headers));
    let ready = service_fn(async |_: Request<Empty<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("ready")))
    });
    let response = layer.layer(ready).oneshot(get("/")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ready");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_in_time_fails_at_the_limit() {
    let start = Instant::now();
    let client = layer(2).layer(responds_after(SECOND * 3, Empty::<Bytes>::new()));
    let error = client.oneshot(get("/")).await.unwrap_err();
    assert_eq!(Instant::now() - start, SECOND * 2);
    assert_eq!(timeout(error.as_ref()), (SECOND * 2, Phase::Headers));
    assert_eq!(error.to_string(), "time limit of 2s exceeded while waiting for the response head");
    let class = Classification::of_error(error.as_ref()).unwrap().class();
    assert_eq!(class, ErrorClass::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_in_time_passes() {
    let client = layer(2).layer(responds_after(SECOND, Full::<Bytes>::from("in time")));
    let response = client.oneshot(get("/")).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "in time");
}

#[tokio::test(start_paused = true)]
async fn head_and_body_share_one_clock() {
    let start = Instant::now();
    let held = Arc::new(());
    let body = Stalls { first: Some("a"), held: Arc::clone(&held) };
    let client = layer(5).layer(responds_after(SECOND * 3, body));
    let mut body = client.oneshot(get("/")).await.unwrap().into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "a");

    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(Instant::now() - start, SECOND * 5);
    assert_eq!(timeout(error.as_ref()).1, Phase::Body);
    assert_eq!(Arc::strong_count(&held), 1, "the body inside is still held");
    assert!(body.frame().await.is_none(), "the error comes once");
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_always_has_more_ends_at_the_limit() {
    let client = layer(5).layer(responds_after(SECOND, Endless));
    let mut body = client.oneshot(get("/")).await.unwrap().into_body();
    for _ in 0..100 {
        body.frame().await.unwrap().unwrap();
    }
    sleep(SECOND * 4).await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(timeout(error.as_ref()).1, Phase::Body);
}

/// Real time, because a task that is always busy never lets paused time move.
#[tokio::test]
async fn an_inner_service_that_is_always_busy_cannot_starve_the_timer() {
    let busy = service_fn(|_: Request<Empty<Bytes>>| async {
        loop {
            tokio::task::coop::consume_budget().await;
        }
        #[allow(unreachable_code, reason = "gives the block its type")]
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let client = TimeoutLayer::new(Duration::from_millis(20)).layer(busy);
    let error = client.oneshot(get("/")).await.unwrap_err();
    assert_eq!(timeout(error.as_ref()).1, Phase::Headers);
}

/// An inner service that responds with the time left as it sees it.
fn time_left() -> impl tower::Service<
    Request<Empty<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone {
    service_fn(|request| {
        let in_call = Deadline::of(&request);
        async move {
            assert_eq!(Deadline::ambient(), in_call.and(Deadline::ambient()));
            let left = in_call.map(|deadline| deadline.remaining(Instant::now()));
            Ok(Response::new(Full::from(format!("{left:?}"))))
        }
    })
}

async fn ask<S, B>(client: S, request: Request<Empty<Bytes>>) -> String
where
    S: tower::Service<Request<Empty<Bytes>>, Response = Response<B>, Error: std::fmt::Debug>,
    B: Body<Error: std::fmt::Debug>,
{
    let response = client.oneshot(request).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_layers_inside_see_the_earliest_deadline() {
    let nested = layer(9).layer(layer(3).layer(time_left()));
    assert_eq!(ask(nested, get("/")).await, "Some(3s)");
    let nested = layer(3).layer(layer(9).layer(time_left()));
    assert_eq!(ask(nested, get("/")).await, "Some(3s)");

    let mut hurried = get("/");
    hurried.extensions_mut().insert(Deadline::at(Instant::now() + SECOND));
    assert_eq!(ask(layer(9).layer(time_left()), hurried).await, "Some(1s)");
    assert_eq!(Deadline::ambient(), None, "the deadline outlives the call");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_ambient_while_the_inner_future_is_polled() {
    let polled = service_fn(|_: Request<Empty<Bytes>>| async {
        sleep(SECOND).await;
        let left = Deadline::ambient().unwrap().remaining(Instant::now());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!("{left:?}"))))
    });
    assert_eq!(ask(layer(9).layer(polled), get("/")).await, "8s");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_request_applies_to_an_unlimited_endpoint() {
    let unlimited = layer(1).endpoint("/slow".parse().unwrap(), |config| config.unlimited());
    let client = unlimited.layer(responds_after(SECOND * 60, Empty::<Bytes>::new()));
    client.clone().oneshot(get("/slow")).await.unwrap();

    let start = Instant::now();
    let mut hurried = get("/slow");
    hurried.extensions_mut().insert(Deadline::at(start + SECOND * 7));
    let error = client.oneshot(hurried).await.unwrap_err();
    assert_eq!(Instant::now() - start, SECOND * 7);
    assert_eq!(timeout(error.as_ref()).0, SECOND * 7);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_has_its_own_limit_and_is_named() {
    let layer =
        layer(9).endpoint("POST /oauth/token".parse().unwrap(), |config| config.limit(SECOND));
    let client = layer.layer(responds_after(SECOND * 20, Empty::<Bytes>::new()));

    let mut post = get("/oauth/token?client_id=hidden");
    *post.method_mut() = http::Method::POST;
    let error = client.clone().oneshot(post).await.unwrap_err();
    assert_eq!(timeout(error.as_ref()).0, SECOND);
    assert_eq!(ours(error.as_ref()).endpoint(), Some("POST /oauth/token"));
    assert!(!error.to_string().contains("hidden"), "{error}");

    let error = client.oneshot(get("/oauth/token")).await.unwrap_err();
    assert_eq!(timeout(error.as_ref()).0, SECOND * 9, "another method has the layer's own");
    assert_eq!(ours(error.as_ref()).endpoint(), None);
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_the_clock_is_never_exceeded() {
    let client = TimeoutLayer::new(Duration::MAX);
    let client = client.layer(responds_after(SECOND * 86_400, Empty::<Bytes>::new()));
    client.oneshot(get("/")).await.unwrap();
}

/// One frame, then nothing, for ever.
#[derive(Clone)]
struct Stalls {
    first: Option<&'static str>,
    #[allow(dead_code, reason = "counted")]
    held: Arc<()>,
}

impl Body for Stalls {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.first.take() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(text))))),
            None => Poll::Pending,
        }
    }
}

#[derive(Clone)]
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
    }
}

/// Sends an event, waits for `gap`, and so on; or nothing but the head.
fn stream(
    events: u32,
    gap: Duration,
) -> impl tower::Service<
    Request<Empty<Bytes>>,
    Response = Response<Channel<Bytes, BoxError>>,
    Error = BoxError,
    Future: Send,
> + Clone {
    service_fn(move |_: Request<Empty<Bytes>>| async move {
        let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
        tokio::spawn(async move {
            for _ in 0..events {
                sleep(gap).await;
                if sender.send_data("event".into()).await.is_err() {
                    return;
                }
            }
        });
        Ok::<_, BoxError>(Response::new(body))
    })
}

/// A stream that takes an hour and says something each minute, and one that falls silent.
#[tokio::test(start_paused = true)]
async fn a_stream_may_take_any_time_as_long_as_something_comes() {
    let minute = SECOND * 60;
    for (gap, is_idle) in [(minute, false), (minute * 3, true)] {
        let layer = TimeoutLayer::new(minute)
            .endpoint("GET /events".parse().unwrap(), |config| config.unlimited().idle(minute * 2));
        let client = layer.layer(stream(60, gap));
        let start = Instant::now();
        let response = client.oneshot(get("/events")).await.unwrap();
        let read = response.into_body().collect().await;
        let took = if is_idle { minute * 2 } else { minute * 60 };
        assert_eq!(Instant::now() - start, took);
        match read {
            Ok(body) => assert!(!is_idle, "{body:?}"),
            Err(error) => {
                assert!(is_idle, "{error}");
                assert_eq!(timeout(&*error), (minute * 2, Phase::Body));
                assert_eq!(ours(&*error).endpoint(), Some("GET /events"));
                let class = Classification::of_error(&*error).unwrap().class();
                assert_eq!(class, ErrorClass::Timeout);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_reads_slowly_does_not_make_a_stream_idle() {
    let client = TimeoutLayer::new(SECOND * 600).idle(SECOND * 5).layer(stream(3, SECOND * 3));
    let mut body = client.oneshot(get("/")).await.unwrap().into_body();
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
        sleep(SECOND * 60).await;
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_whole_call_holds_beside_idle() {
    let client = layer(60).idle(SECOND * 5).layer(stream(1_000, SECOND));
    let start = Instant::now();
    let response = client.oneshot(get("/")).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(timeout(&*error), (SECOND * 60, Phase::Body));
    assert_eq!(Instant::now() - start, SECOND * 60);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_idle_and_a_wait_before_it_is_not() {
    let hangs = service_fn(|_: Request<Empty<Bytes>>| {
        std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>()
    });
    let start = Instant::now();
    let error = layer(60).idle(SECOND * 5).layer(hangs).oneshot(get("/")).await.unwrap_err();
    assert_eq!(timeout(&*error), (SECOND * 5, Phase::Headers));
    assert_eq!(Instant::now() - start, SECOND * 5);

    // Rate limited for half a minute, then four seconds for the head.
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let limited = service_fn(move |_: Request<Empty<Bytes>>| {
        let is_first = counter.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let response = Response::builder();
            let response = if is_first {
                response.status(429).header("retry-after", "30")
            } else {
                sleep(SECOND * 4).await;
                response
            };
            Ok::<_, BoxError>(response.body(Empty::<Bytes>::new())?)
        }
    });
    let retried = layer(600).idle(SECOND * 5).layer(RetryOnRateLimit::new().layer(limited));
    assert_eq!(retried.oneshot(get("/")).await.unwrap().status(), 200);
    assert_eq!(tries.load(Ordering::Relaxed), 2);
}

/// Pieces of the caller's upload count, and the caller's own silence is no failure of the server.
#[tokio::test(start_paused = true)]
async fn an_upload_that_goes_on_is_not_idle_and_one_that_stops_has_no_class() {
    for stops in [false, true] {
        let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
        tokio::spawn(async move {
            for _ in 0..20 {
                sender.send_data("piece".into()).await.unwrap();
                sleep(SECOND * 3).await;
            }
            if stops {
                std::future::pending::<()>().await;
            }
        });
        // As hyper does, on a task of its own.
        let reads = service_fn(|request: Request<ReplayBody<_>>| async move {
            let read = tokio::spawn(request.into_body().collect());
            read.await??;
            Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
        });
        let client = ReplayBodyLayer::default().layer(layer(600).idle(SECOND * 5).layer(reads));
        let start = Instant::now();
        let request = Request::post("https://id.example/files").body(body).unwrap();
        let ended = client.oneshot(request).await;
        let took = Instant::now() - start;
        let Err(error) = ended else {
            assert!(!stops);
            assert_eq!(took, SECOND * 60);
            continue;
        };
        assert!(stops, "{error}");
        assert_eq!(timeout(&*error), (SECOND * 5, Phase::Uploading));
        assert_eq!(Classification::of_error(&*error), None);
        // The last piece came after 57 seconds.
        assert!(SECOND * 62 <= took && took <= SECOND * 67, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exception_from_a_wider_pattern_has_no_idle_limit() {
    let layer = layer(3_600)
        .idle(SECOND)
        .endpoint("/jobs/{id}".parse().unwrap(), |config| config.without_idle());
    let client = layer.layer(responds_after(SECOND * 60, Empty::<Bytes>::new()));
    client.clone().oneshot(get("/jobs/1")).await.unwrap();
    let error = client.oneshot(get("/")).await.unwrap_err();
    assert_eq!(timeout(&*error), (SECOND, Phase::Headers));
}
