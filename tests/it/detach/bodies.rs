//! What is done with the body of a response that no caller waits for.

use std::{
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use tokio::time::sleep;
use tower::{Layer, service_fn};
use tower_heed::BoxError;

use super::{SECOND, detach, reporting, settle};
use crate::support::probe::Body;

/// A body of chunks of a kilobyte, that ends, breaks off, or hangs after them.
struct Chunks {
    left: usize,
    then: Then,
    read: Arc<Mutex<(usize, bool)>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    Ends,
    Breaks,
    Hangs,
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return match self.then {
                Then::Ends => Poll::Ready(None),
                Then::Breaks => Poll::Ready(Some(Err("broke off".into()))),
                Then::Hangs => Poll::Pending,
            };
        }
        self.left -= 1;
        self.read.lock().unwrap().0 += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024])))))
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.read.lock().unwrap().1 = true;
    }
}

/// How many chunks of the response were read, whether its body is gone after three seconds, and when the next request ended.
async fn read(chunks: usize, then: Then) -> (usize, bool, Vec<String>) {
    let read = Arc::new(Mutex::new((0, false)));
    let shared = Arc::clone(&read);
    let (layer, reported) = reporting();
    let layer = layer.max_concurrent(NonZeroUsize::MIN);
    let mut client = layer.layer(service_fn(move |_: Request<Body>| {
        let body = Chunks { left: chunks, then, read: Arc::clone(&shared) };
        async move { Ok::<_, BoxError>(Response::new(body)) }
    }));
    detach(&mut client, "a").await;
    settle().await;
    // The head has decided.
    assert_eq!(reported.take(), ["/events/a succeeded 200"]);
    let before = *read.lock().unwrap();
    assert_eq!(before.1, then != Then::Hangs);
    sleep(3 * SECOND).await;
    let (chunks, gone) = *read.lock().unwrap();
    detach(&mut client, "b").await;
    settle().await;
    (chunks, gone, reported.take())
}

#[tokio::test(start_paused = true)]
async fn the_response_is_read_to_its_end_within_bounds() {
    let next = vec!["/events/b succeeded 200".to_owned()];
    assert_eq!(read(0, Then::Ends).await, (0, true, next.clone()));
    assert_eq!(read(64, Then::Ends).await, (64, true, next.clone()));
    assert_eq!(read(3, Then::Breaks).await, (3, true, next.clone()));
    // Two seconds, and the place is free again.
    assert_eq!(read(3, Then::Hangs).await, (3, true, next.clone()));
    let (chunks, gone, ends) = read(1_000, Then::Ends).await;
    assert!((64..=65).contains(&chunks), "{chunks} of 64 KiB");
    assert_eq!((gone, ends), (true, next));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_reads_an_response_away_does_not_hold_up_others() {
    let read = Arc::new(Mutex::new((0, false)));
    let (layer, reported) = reporting();
    let layer = layer.max_concurrent(NonZeroUsize::new(2).unwrap());
    let mut client = layer.layer(service_fn(move |_: Request<Body>| {
        let body = Chunks { left: 1, then: Then::Hangs, read: Arc::clone(&read) };
        async move { Ok::<_, BoxError>(Response::new(body)) }
    }));
    for kind in ["a", "b"] {
        detach(&mut client, kind).await;
        settle().await;
        assert_eq!(reported.take(), [format!("/events/{kind} succeeded 200")]);
    }
    // Both places are taken: the third waits for the end of the reading.
    detach(&mut client, "c").await;
    settle().await;
    assert!(reported.take().is_empty());
    sleep(3 * SECOND).await;
    assert_eq!(reported.take(), ["/events/c succeeded 200"]);
}
