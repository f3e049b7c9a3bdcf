//! What is released: the failed response before the fallback response is made, and everything when the call is dropped.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::channel::Channel;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{BoxError, FallbackLayer, TimeoutLayer, extensions::Deadline};

use crate::support::{probe::Body, scripted::get};

/// A 503 whose body hangs, and how many of such bodies there are.
fn hangs() -> (
    impl Service<Request<Body>, Response = Response<Hanging>, Error = BoxError> + Clone,
    Arc<AtomicU32>,
) {
    let alive = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&alive);
    let http = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::Relaxed);
        let body = Hanging(Arc::clone(&count), 0);
        async move { Ok(Response::builder().status(503).body(body)?) }
    });
    (http, alive)
}

/// It says that it has at least so many bytes, and gives none.
struct Hanging(Arc<AtomicU32>, u64);

impl http_body::Body for Hanging {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.1);
        hint
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Its connection is used again only when it was read to its end.
#[tokio::test(start_paused = true)]
async fn a_failed_response_is_drained_before_the_fallback_is_made() {
    let (mut sender, body) = Channel::<Bytes>::new(4);
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let http = service_fn(move |_: Request<Body>| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, BoxError>(Response::builder().status(503).body(body)?) }
    });
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let layer = FallbackLayer::fail_open(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Response::new("")
    });
    let mut client = layer.layer(http);
    let call = client.ready().await.unwrap().call(get("/"));
    let mut call = tokio_test::task::spawn(call);
    assert!(call.poll().is_pending(), "there may be more of it");
    sender.send_data(Bytes::from_static(b"down")).await.unwrap();
    assert!(call.is_woken());
    assert!(call.poll().is_pending());
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    drop(sender);
    assert!(call.is_woken());
    assert!(call.poll().is_ready());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn draining_a_response_that_hangs_is_given_up() {
    for layer in [FallbackLayer::fail_open(|_| Response::new("")), FallbackLayer::fail_closed()] {
        let (sender, body) = Channel::<Bytes>::new(4);
        let body = Arc::new(std::sync::Mutex::new(Some(body)));
        let http = service_fn(move |_: Request<Body>| {
            let body = body.lock().unwrap().take().unwrap();
            async move { Ok::<_, BoxError>(Response::builder().status(503).body(body)?) }
        });
        let start = Instant::now();
        let mut client = layer.layer(http);
        drop(client.ready().await.unwrap().call(get("/")).await);
        let took = Instant::now() - start;
        assert!(took >= FallbackLayer::DRAIN_TIMEOUT, "{took:?}");
        assert!(took < 2 * FallbackLayer::DRAIN_TIMEOUT, "{took:?}");
        drop(sender);
    }
}

/// Its caller would have given up before it was given up, and never have seen what came in the upstream's place.
#[tokio::test(start_paused = true)]
async fn draining_ends_with_the_deadline() {
    for (limit, took) in [(50, 0), (100, 0), (150, 100)] {
        let limit = Duration::from_millis(limit);
        let open = FallbackLayer::fail_open(|_| Response::new(""));
        let start = Instant::now();
        let client = TimeoutLayer::new(limit).layer(open.layer(hangs().0));
        assert_eq!(client.oneshot(get("/")).await.unwrap().status(), 200);
        assert_eq!((Instant::now() - start).as_millis() / 10 * 10, took, "{limit:?}");

        let mut request = get("/");
        request.extensions_mut().insert(Deadline::at(Instant::now() + limit));
        let start = Instant::now();
        assert_eq!(open.layer(hangs().0).oneshot(request).await.unwrap().status(), 200);
        assert_eq!((Instant::now() - start).as_millis() / 10 * 10, took, "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_response_that_announces_a_long_body_is_dropped_unread() {
    let max = FallbackLayer::DRAIN_MAX_BYTES as u64;
    for (len, took) in [(max, FallbackLayer::DRAIN_TIMEOUT), (max + 1, Duration::ZERO)] {
        let http = service_fn(move |_: Request<Body>| async move {
            let body = Hanging(Arc::new(AtomicU32::new(1)), len);
            Ok::<_, BoxError>(Response::builder().status(503).body(body)?)
        });
        let start = Instant::now();
        let open = FallbackLayer::fail_open(|_| Response::new(""));
        open.layer(http).oneshot(get("/")).await.map(drop).unwrap();
        assert_eq!((Instant::now() - start).as_millis() / 10 * 10, took.as_millis(), "{len}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_holds_nothing_wherever_it_was() {
    let waited_for = Arc::new(());
    let held = Arc::clone(&waited_for);
    let open = FallbackLayer::fail_open_async(move |_| {
        let held = Arc::clone(&held);
        async move {
            sleep(Duration::from_secs(60)).await;
            drop(held);
            Response::new("")
        }
    });
    let (http, alive) = hangs();
    let polled = async |advance: Duration| {
        let mut call = tokio_test::task::spawn(open.layer(http.clone()).oneshot(get("/")));
        assert!(call.poll().is_pending());
        tokio::time::advance(advance).await;
        assert!(call.poll().is_pending());
        (alive.load(Ordering::Relaxed), Arc::strong_count(&waited_for), call)
    };
    // While the failed response is drained, and while the other one is waited for.
    for (advance, bodies, responses) in
        [(Duration::ZERO, 1, 2), (2 * FallbackLayer::DRAIN_TIMEOUT, 0, 3)]
    {
        let (alive_then, held_then, call) = polled(advance).await;
        assert_eq!((alive_then, held_then), (bodies, responses), "{advance:?}");
        drop(call);
        assert_eq!((alive.load(Ordering::Relaxed), Arc::strong_count(&waited_for)), (0, 2));
    }
}
