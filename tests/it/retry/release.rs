//! What a call holds while it waits: not the rejected response, and nothing once it is dropped.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tokio::time::{Instant, sleep};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{BoxError, RetryOnRateLimit};

use super::api::{api, get, response};

const SECOND: Duration = Duration::from_secs(1);

/// The body of a rate-limited response, which notes how much of it was read and when it was released.
struct Rejection {
    chunks: usize,
    hangs: bool,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    read: usize,
    released: Option<Instant>,
}

impl Body for Rejection {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.chunks == 0 {
            return if self.hangs { Poll::Pending } else { Poll::Ready(None) };
        }
        self.chunks -= 1;
        self.log.lock().unwrap().read += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))))
    }
}

impl Drop for Rejection {
    fn drop(&mut self) {
        self.log.lock().unwrap().released = Some(Instant::now());
    }
}

/// Sends a request that is first rejected for five seconds, with a body of so many KiB. Gives how much of that was read,
/// how long after the rate-limited response it was released, and how long after it the next attempt came.
async fn rejected(
    chunks: usize,
    hangs: bool,
    retry_after: &'static str,
) -> (usize, Duration, Duration) {
    let log = Arc::new(Mutex::new(Log::default()));
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let (seen, sent) = (Arc::clone(&log), Arc::clone(&attempts));
    let server = service_fn(move |_: Request<super::api::Body>| {
        let first = sent.lock().unwrap().is_empty();
        sent.lock().unwrap().push(Instant::now());
        let log = if first { Arc::clone(&seen) } else { Arc::default() };
        let chunks = if first { chunks } else { 0 };
        let response = Response::builder()
            .status(if first { 429 } else { 200 })
            .header("retry-after", retry_after)
            .body(Rejection { chunks, hangs: hangs && first, log });
        async move { response.map_err(BoxError::from) }
    });
    let response = RetryOnRateLimit::new().layer(server).oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 200);
    let attempts = attempts.lock().unwrap();
    let log = log.lock().unwrap();
    (log.read, log.released.unwrap() - attempts[0], attempts[1] - attempts[0])
}

#[tokio::test(start_paused = true)]
async fn a_failing_response_is_read_to_its_end_and_released_before_the_wait() {
    let (read, held, waited) = rejected(3, false, "5").await;
    assert_eq!((read, held), (3, Duration::ZERO));
    assert!(waited >= SECOND * 5);
}

#[tokio::test(start_paused = true)]
async fn a_long_one_is_released_unread() {
    let (read, held, _) = rejected(1000, false, "5").await;
    let kept = RetryOnRateLimit::DRAIN_MAX_BYTES / 1024;
    assert!((kept..=kept + 1).contains(&read), "{read} KiB were read");
    assert_eq!(held, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_waited_for_a_moment_and_that_counts_as_waiting() {
    let (_, held, waited) = rejected(1, true, "5").await;
    assert_eq!(held, RetryOnRateLimit::DRAIN_TIMEOUT);
    assert!((SECOND * 5..=SECOND * 6 + SECOND / 100).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_that_waits_leaves_nothing_held() {
    let inner = api(|_| response(429, &[("retry-after", "60")]));
    let mut client = RetryOnRateLimit::new().layer(inner.clone());
    let mut request = get();
    let held = Arc::new(());
    request.extensions_mut().insert(Arc::clone(&held));
    let before = inner.instances();
    let ready = ServiceExt::<Request<super::api::Body>>::ready(&mut client).await.unwrap();
    let mut call = task::spawn(ready.call(request));
    assert_pending!(call.poll());
    sleep(SECOND * 10).await;
    assert_pending!(call.poll());
    assert!(Arc::strong_count(&held) > 1, "the copy for the next attempt");

    drop(call);
    assert_eq!((inner.instances(), Arc::strong_count(&held)), (before, 1));
    sleep(SECOND * 600).await;
    assert_eq!(inner.count(), 1, "sent after the call was dropped");
}
