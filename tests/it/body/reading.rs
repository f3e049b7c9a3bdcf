//! Bodies read up to a bound: `drain` and `collect_bounded`.

use std::convert::Infallible;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{Channel, Empty, Full};
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready, task};
use tower_heed::__internals::{Ending, collect_bounded, drain};

use crate::body::script::{Script, Step};

/// Announces more than any machine can reserve, sends a few chunks, and then nothing.
fn liar(piece: &'static str, times: usize) -> Script {
    let steps = std::iter::repeat_n(Step::Data(piece.into()), times);
    Script::new(steps.chain([Step::Hang])).promising(u64::MAX / 2)
}

fn full(data: &'static str) -> Full<Bytes> {
    Full::new(Bytes::from_static(data.as_bytes()))
}

#[tokio::test]
async fn drain_reads_to_the_end() {
    let (mut send, body) = Channel::<Bytes, Infallible>::new(8);
    let mut draining = task::spawn(drain(body, 10));
    assert_pending!(draining.poll());
    send.send_data("hello".into()).await.unwrap();
    assert!(draining.is_woken());
    assert_pending!(draining.poll());
    drop(send);
    assert_eq!(assert_ready!(draining.poll()), Ending::Complete);

    let trailers = Step::Trailers(HeaderMap::new());
    assert_eq!(
        drain(Script::new([Step::Data("hello".into()), trailers]), 5).await,
        Ending::Complete
    );
    assert_eq!(drain(full("hello"), 5).await, Ending::Complete);
    assert_eq!(drain(Empty::<Bytes>::new(), 0).await, Ending::Complete);
}

#[tokio::test]
async fn drain_stops_at_its_limit() {
    let (mut send, body) = Channel::<Bytes, Infallible>::new(8);
    send.send_data("hello".into()).await.unwrap();
    send.send_data("world".into()).await.unwrap();
    assert_eq!(drain(body, 9).await, Ending::Cut);
    assert!(send.send_data("!".into()).await.is_err(), "the body must have been dropped");
}

#[tokio::test]
async fn drain_does_not_begin_a_body_that_says_it_is_too_long() {
    let body = liar("x", 1);
    let polls = body.polls();
    assert_eq!(drain(body, 1024).await, Ending::Cut);
    assert_eq!(polls.load(Ordering::Relaxed), 0, "nothing was to be read");
}

#[tokio::test]
async fn a_body_that_fails_is_reported() {
    let broken = || Script::new([Step::Data("half".into()), Step::Pause, Step::Fail("reset")]);
    assert_eq!(drain(broken(), 1024).await, Ending::Failed("reset"));

    let read = collect_bounded(broken(), 1024).await;
    assert_eq!(read, ("half".into(), Ending::Failed("reset")));
}

#[tokio::test]
async fn the_body_is_dropped_once_it_was_read() {
    let (mut send, body) = Channel::<Bytes, Infallible>::new(8);
    send.send_data("hello".into()).await.unwrap();
    let mut collecting = task::spawn(collect_bounded(body, 4));
    assert_eq!(assert_ready!(collecting.poll()).1, Ending::Cut);
    assert!(send.send_data("more".into()).await.is_err(), "kept by a future that is ready");
}

#[tokio::test]
async fn collect_keeps_exactly_the_bound() {
    let whole = collect_bounded(full("hello"), 5).await;
    assert_eq!(whole, ("hello".into(), Ending::Complete));

    let piece = collect_bounded(full("hello!"), 5).await;
    assert_eq!(piece, ("hello".into(), Ending::Cut));

    let nothing = collect_bounded(full("hello"), 0).await;
    assert_eq!(nothing, (Bytes::new(), Ending::Cut));

    let empty = collect_bounded(Empty::<Bytes>::new(), 0).await;
    assert_eq!(empty, (Bytes::new(), Ending::Complete));
}

#[tokio::test]
async fn collect_does_not_copy_a_body_in_one_piece() {
    let data = Bytes::from(vec![7; 4096]);
    let read = collect_bounded(Full::new(data.clone()), 1 << 16).await;
    assert_eq!(read.0.as_ptr(), data.as_ptr());
}

/// Reserving the announced length or the whole bound would end this process.
#[tokio::test]
async fn collect_reserves_nothing_for_an_announced_length() {
    let mut collecting = task::spawn(collect_bounded(liar("0123456789", 3), usize::MAX));
    assert_pending!(collecting.poll());

    let piece = collect_bounded(liar("0123456789", 3), 25).await;
    assert_eq!(piece, ("0123456789012345678901234".into(), Ending::Cut));
}

/// At the bound the next frame may never come. The announced length is enough to stop.
#[tokio::test]
async fn collect_does_not_wait_for_what_it_would_cut() {
    let mut collecting = task::spawn(collect_bounded(liar("01234", 1), 5));
    assert_eq!(assert_ready!(collecting.poll()), ("01234".into(), Ending::Cut));
}

#[tokio::test]
async fn empty_frames_without_end_are_not_read_without_end() {
    struct Endless;
    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }
    assert_eq!(drain(Endless, 10).await, Ending::Cut);
    assert_eq!(collect_bounded(Endless, 10).await.1, Ending::Cut);
}

/// Neither future asks for `Unpin`.
#[test]
fn a_body_that_is_not_unpin_will_do() {
    fn needs_future<F: Future + Send>(_: F) {}
    struct NotUnpin(PhantomPinned);
    impl Body for NotUnpin {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }
    }
    needs_future(drain(NotUnpin(PhantomPinned), 1));
    needs_future(collect_bounded(NotUnpin(PhantomPinned), 1));
}

proptest! {
    #[test]
    fn collect_gives_the_start_of_any_body(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20),
        limit in 0_usize..200,
    ) {
        let whole = chunks.concat();
        let (data, ending) = assert_ready!(task::spawn(collect_bounded(Script::of_data(chunks), limit)).poll());
        prop_assert_eq!(data.as_ref(), &whole[..whole.len().min(limit)]);
        prop_assert_eq!(ending == Ending::Cut, whole.len() > limit);
    }
}
