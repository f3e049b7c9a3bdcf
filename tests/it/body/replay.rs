//! `ReplayBody`: what is sent again, by whom, and what happens at the cap.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use http_body_util::{BodyExt, Channel, Empty, Full};
use tokio_test::{assert_pending, assert_ready, task};
use tower::BoxError;
use tower_heed::{
    Error as LayerError, ErrorKind,
    body::{ReplayBody, ReplayableBody},
    classify::Classification,
    error::NotReplayable,
};

use crate::body::script::{Script, Step};

/// All that a body gave until it ended or failed.
#[derive(Debug, Default)]
struct Given {
    data: Vec<u8>,
    trailers: Vec<HeaderMap>,
    error: Option<BoxError>,
}

async fn read<B: Body<Data = Bytes, Error = BoxError> + Unpin>(mut body: B) -> Given {
    let mut given = Given::default();
    while let Some(frame) = body.frame().await {
        match frame.map(|frame| frame.into_data().map_err(|frame| frame.into_trailers().unwrap())) {
            Ok(Ok(data)) => given.data.extend(data),
            Ok(Err(trailers)) => given.trailers.push(trailers),
            Err(error) => given.error = Some(error),
        }
    }
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    given
}

async fn read_whole<B>(body: ReplayBody<B>) -> String
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    let given = read(body).await;
    assert!(given.error.is_none(), "{given:?}");
    String::from_utf8(given.data).unwrap()
}

/// The data of one frame.
async fn next<B>(body: &mut ReplayBody<B>) -> Bytes
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

fn kind(error: &(dyn Error + 'static)) -> NotReplayable {
    match error.downcast_ref::<LayerError>().map(LayerError::kind) {
        Some(ErrorKind::ReplayBody { reason, .. }) => *reason,
        _ => panic!("{error:?}"),
    }
}

async fn read_error<B>(body: ReplayBody<B>) -> NotReplayable
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    kind(&*read(body).await.error.expect("the body ended as if it were whole"))
}

fn is_too_large(kind: NotReplayable) -> bool {
    matches!(kind, NotReplayable::TooLarge { .. })
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"sum\""))])
}

fn words() -> Script {
    Script::of_data(["one ", "two ", "three"])
}

/// A body and the clone that a layer keeps of it.
fn kept<B: Body>(body: B, max_bytes: usize) -> (ReplayBody<B>, ReplayBody<B>) {
    let first = ReplayBody::new(body, max_bytes);
    let kept = first.try_clone().unwrap();
    (first, kept)
}

#[tokio::test]
async fn a_body_that_was_sent_can_be_sent_again_and_again() {
    let (first, kept) = kept(words(), 64);
    assert_eq!(read_whole(first).await, "one two three");
    assert_eq!(read_whole(kept.rewind().unwrap()).await, "one two three");
    assert_eq!(read_whole(kept.try_clone().unwrap()).await, "one two three");
    assert_eq!(read_whole(kept).await, "one two three");
}

/// A proxy's replay body doubled the first chunk when an attempt failed before it had read anything (linkerd2 issue 15649).
#[tokio::test]
async fn a_body_that_was_never_read_is_not_doubled() {
    let (first, kept_one) = kept(words(), 64);
    drop(first);
    assert_eq!(read_whole(kept_one.rewind().unwrap()).await, "one two three");

    let (_first, kept_two) = kept(words(), 64);
    assert_eq!(read_whole(kept_two).await, "one two three");

    let (mut first, kept_three) = kept(Script::new([Step::Pause, Step::Data("late".into())]), 64);
    assert_pending!(task::spawn(first.frame()).poll());
    drop(first);
    assert_eq!(read_whole(kept_three).await, "late");
}

#[tokio::test]
async fn a_later_attempt_goes_on_where_an_earlier_one_was_dropped() {
    let (mut first, kept) = kept(words(), 64);
    assert_eq!(next(&mut first).await, "one ");
    drop(first);

    let mut second = kept.try_clone().unwrap();
    assert_eq!(next(&mut second).await, "one ");
    assert_eq!(next(&mut second).await, "two ");
    drop(second);

    assert_eq!(read_whole(kept).await, "one two three");
}

#[tokio::test]
async fn nothing_is_read_ahead() {
    let body = words();
    let polls = body.polls();
    let (mut first, kept) = kept(body, 64);
    assert_eq!(polls.load(Ordering::Relaxed), 0);
    next(&mut first).await;
    assert_eq!(polls.load(Ordering::Relaxed), 1);

    let mut second = kept.rewind().unwrap();
    next(&mut second).await;
    assert_eq!(polls.load(Ordering::Relaxed), 1, "the first chunk was recorded");
    next(&mut second).await;
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

/// A connection may hold the body of the first attempt while its response, and with it the next attempt, is there already.
#[tokio::test]
async fn a_later_attempt_takes_over_from_one_that_is_still_alive() {
    let (mut first, kept) = kept(words(), 64);
    assert_eq!(next(&mut first).await, "one ");

    let mut second = kept.try_clone().unwrap();
    assert_eq!(next(&mut second).await, "one ");
    assert_eq!(read_error(first).await, NotReplayable::Superseded);
    assert_eq!(read_whole(second).await, "two three");
}

#[tokio::test]
async fn an_attempt_that_waits_for_the_body_is_woken_when_it_is_superseded() {
    let (mut send, body) = Channel::<Bytes, BoxError>::new(4);
    let (mut first, kept) = kept(body, 64);
    let mut waiting = task::spawn(first.frame());
    assert_pending!(waiting.poll());

    let mut second = kept.try_clone().unwrap();
    let mut taking_over = task::spawn(second.frame());
    assert_pending!(taking_over.poll());
    assert!(waiting.is_woken(), "nothing else would ever wake it");
    let error = assert_ready!(waiting.poll()).unwrap().unwrap_err();
    assert_eq!(kind(&*error), NotReplayable::Superseded);

    send.send_data("data".into()).await.unwrap();
    assert!(taking_over.is_woken());
    assert_eq!(assert_ready!(taking_over.poll()).unwrap().unwrap().into_data().unwrap(), "data");
}

/// Otherwise an upload that nobody needs any more could grow over the cap during the wait, and the next attempt would fail.
#[tokio::test]
async fn rewinding_ends_the_attempt_that_was_begun() {
    let (mut first, kept) = kept(words(), 13);
    assert_eq!(next(&mut first).await, "one ");

    let second = kept.rewind().unwrap();
    assert_eq!(read_error(first).await, NotReplayable::Superseded);
    assert_eq!(read_whole(second).await, "one two three");
    assert_eq!(read_whole(kept.rewind().unwrap()).await, "one two three");
}

#[tokio::test]
async fn rewinding_wakes_the_attempt_that_waits() {
    let (_send, body) = Channel::<Bytes, BoxError>::new(4);
    let (mut first, kept) = kept(body, 64);
    let mut waiting = task::spawn(first.frame());
    assert_pending!(waiting.poll());
    let _second = kept.rewind().unwrap();
    assert!(waiting.is_woken());
    assert!(assert_ready!(waiting.poll()).unwrap().is_err());
}

#[tokio::test]
async fn cloning_alone_ends_nothing() {
    let (mut first, kept) = kept(words(), 64);
    assert_eq!(next(&mut first).await, "one ");
    let second = kept.try_clone().unwrap();
    let third = first.try_clone().unwrap();
    assert_eq!(read_whole(first).await, "two three");
    drop(second);
    assert_eq!(read_whole(third).await, "one two three");
}

#[tokio::test]
async fn a_superseded_attempt_still_finishes_what_is_recorded() {
    let (mut first, kept) = kept(words(), 64);
    assert_eq!(next(&mut first).await, "one ");
    assert_eq!(read_whole(kept).await, "one two three");
    assert_eq!(read_whole(first).await, "two three");
}

/// `is_end_stream` once said so because the wrapped body did, which another send was reading by then.
#[tokio::test]
async fn a_superseded_attempt_foresees_no_end_that_it_does_not_reach() {
    let (mut first, mut kept) =
        kept(Script::new([Step::Data("data".into()), Step::Pause]).foreseeing_its_end(), 64);
    next(&mut first).await;
    assert_pending!(task::spawn(first.frame()).poll());
    next(&mut kept).await;
    assert!(kept.is_end_stream() && !first.is_end_stream());
    assert_eq!(read_error(first).await, NotReplayable::Superseded);

    let (mut first, mut kept) =
        self::kept(Script::new([Step::Data("data".into()), Step::Trailers(trailers())]), 6);
    next(&mut first).await;
    next(&mut kept).await;
    assert_eq!(read(kept).await.trailers, [trailers()]);
    assert!(!first.is_end_stream());
    assert!(is_too_large(read_error(first).await));
}

#[tokio::test]
async fn over_the_cap_the_first_attempt_goes_on_and_no_other_begins() {
    let (mut first, kept) = kept(words(), 7);
    assert_eq!(next(&mut first).await, "one ");
    assert!(first.is_replayable() && kept.is_replayable());
    assert_eq!(next(&mut first).await, "two ");

    for body in [&first, &kept] {
        assert!(!body.is_replayable());
        assert!(body.try_clone().is_none());
        assert!(body.rewind().is_none());
    }
    assert!(is_too_large(read_error(kept).await));
    assert_eq!(read_whole(first).await, "three", "the attempt on its way was disturbed");
}

#[tokio::test]
async fn a_replay_may_grow_over_the_cap_as_well() {
    let (mut first, kept) = kept(words(), 8);
    next(&mut first).await;
    let second = kept.rewind().unwrap();
    assert_eq!(read_whole(second).await, "one two three");
    assert!(is_too_large(read_error(first).await));
    assert!(is_too_large(read_error(kept).await));
}

#[tokio::test]
async fn a_body_as_long_as_the_cap_is_kept() {
    let (first, kept) = kept(words(), 13);
    read_whole(first).await;
    assert_eq!(read_whole(kept).await, "one two three");

    let (first, kept) = self::kept(words(), 12);
    read_whole(first).await;
    assert!(!kept.is_replayable());
}

#[tokio::test]
async fn a_body_known_to_be_too_long_is_sent_once_and_not_kept() {
    let data = Bytes::from(vec![b'x'; 2048]);
    let body = ReplayBody::new(Full::new(data.clone()), 2047);
    assert!(!body.is_replayable());
    assert!(body.try_clone().is_none());
    assert_eq!(body.size_hint().exact(), Some(2048));
    let sent = read(body).await;
    assert_eq!((sent.data.len(), sent.error.is_none()), (2048, true));

    let mut body = ReplayBody::new(Full::new(Bytes::from(vec![b'x'; 2048])), 2047);
    assert!(next(&mut body).await.is_unique(), "the body holds on to data that it cannot use");
}

#[tokio::test]
async fn the_record_is_dropped_at_the_cap() {
    let (mut first, _kept) = kept(Script::of_data([vec![1; 2048], vec![2; 2048]]), 4000);
    let chunk = next(&mut first).await;
    assert!(!chunk.is_unique());
    next(&mut first).await;
    assert!(chunk.is_unique());
}

#[tokio::test]
async fn long_chunks_are_kept_without_a_copy() {
    let (mut first, mut kept) = kept(Full::new(Bytes::from(vec![7; 4096])), 1 << 16);
    assert_eq!(next(&mut first).await.as_ptr(), next(&mut kept).await.as_ptr());
}

#[tokio::test]
async fn trailers_are_sent_again() {
    let steps = [Step::Data("data".into()), Step::Trailers(trailers())];
    let (first, kept) = kept(Script::new(steps), 64);
    for body in [first, kept.try_clone().unwrap(), kept] {
        let given = read(body).await;
        assert_eq!((&given.data[..], &given.trailers[..]), (&b"data"[..], &[trailers()][..]));
        assert!(given.error.is_none());
    }

    let (first, kept) = self::kept(Script::new([Step::Trailers(trailers())]), 64);
    drop(first);
    assert_eq!(read(kept).await.trailers, [trailers()]);
}

#[tokio::test]
async fn trailers_count_towards_the_cap() {
    for data in ["", "data"] {
        let (first, kept) = kept(
            Script::new([Step::Data(data.into()), Step::Trailers(trailers())]),
            data.len() + 3,
        );
        assert_eq!(read(first).await.trailers, [trailers()]);
        assert!(!kept.is_replayable());
        assert!(is_too_large(read_error(kept).await), "sent again without its trailers");
    }
}

#[tokio::test]
async fn an_error_of_the_body_reaches_the_attempt_that_met_it_and_ends_replays() {
    let (first, kept) =
        kept(Script::new([Step::Data("half".into()), Step::Fail("disk on fire")]), 64);
    let given = read(first).await;
    assert_eq!(
        (&given.data[..], given.error.unwrap().to_string()),
        (&b"half"[..], "the body of the request failed: disk on fire".into())
    );
    assert!(!kept.is_replayable());
    assert!(kept.rewind().is_none());
    assert_eq!(read_error(kept).await, NotReplayable::Broken);
}

/// Sent again with its real length, half a body would be taken for a whole one.
#[tokio::test]
async fn a_body_that_ends_before_its_promised_length_is_not_sent_again() {
    for foresees_end in [false, true] {
        let mut body = Script::of_data(["half"]).promising(8);
        if foresees_end {
            body = body.foreseeing_its_end();
        }
        let (first, kept) = kept(body, 64);
        assert_eq!(first.size_hint().exact(), Some(8));
        let given = read(first).await;
        assert_eq!(&given.data[..], b"half");
        let error = given.error.expect("half a body ended as if it were whole");
        assert_eq!(Classification::of_error(&*error), None);
        assert!(!kept.is_replayable());
        assert_eq!(kept.size_hint().exact(), Some(8));
        assert_eq!(read_error(kept).await, NotReplayable::Broken);
    }
}

#[tokio::test]
async fn a_body_that_panics_is_not_polled_again() {
    let (mut first, kept) = kept(Script::new([Step::Data("half".into()), Step::Panic]), 64);
    next(&mut first).await;
    catch_unwind(AssertUnwindSafe(|| task::spawn(first.frame()).poll())).unwrap_err();
    assert!(!kept.is_replayable());
    assert_eq!(read_error(kept).await, NotReplayable::Broken);
}

#[tokio::test]
async fn the_wrapped_body_is_dropped_at_its_end() {
    for body in [words(), words().foreseeing_its_end(), Script::new([Step::Trailers(trailers())])] {
        let alive = body.polls();
        let (first, kept) = kept(body, 64);
        read(first).await;
        assert_eq!(Arc::strong_count(&alive), 1);
        assert!(kept.is_replayable());
    }
}

#[tokio::test]
async fn the_length_is_that_of_what_is_left() {
    let (mut first, kept) =
        kept(Script::of_data(["one ", "two"]).promising(7).foreseeing_its_end(), 64);
    let lengths = |first: &ReplayBody<_>| [first.size_hint().exact(), kept.size_hint().exact()];
    assert_eq!(lengths(&first), [Some(7), Some(7)]);
    next(&mut first).await;
    assert_eq!(lengths(&first), [Some(3), Some(7)]);
    assert!(!first.is_end_stream() && !kept.is_end_stream());
    next(&mut first).await;
    assert_eq!(lengths(&first), [Some(0), Some(7)]);
    assert!(first.is_end_stream() && !kept.is_end_stream());

    let mut second = kept.try_clone().unwrap();
    next(&mut second).await;
    assert!(second.is_end_stream(), "both chunks are one piece by now, and the last one");
}

#[tokio::test]
async fn a_length_that_was_unknown_is_known_once_the_body_was_read() {
    let (first, kept) = kept(words(), 64);
    assert_eq!((first.size_hint().lower(), first.size_hint().upper()), (0, None));
    read_whole(first).await;
    assert_eq!(kept.size_hint().exact(), Some(13));
}

/// HTTP/1 sends trailers only after a body of unknown length.
#[tokio::test]
async fn a_length_stays_unknown_where_trailers_follow() {
    let (first, mut kept) =
        kept(Script::new([Step::Data("data".into()), Step::Trailers(trailers())]), 64);
    read(first).await;
    assert_eq!(kept.size_hint().exact(), None);
    next(&mut kept).await;
    assert!(!kept.is_end_stream());
    assert!(kept.frame().await.unwrap().unwrap().is_trailers());
    assert!(kept.is_end_stream());
}

#[tokio::test]
async fn an_empty_body_stays_an_empty_body() {
    let (first, kept) = kept(Empty::<Bytes>::new(), 0);
    for body in [first, kept.try_clone().unwrap(), kept] {
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert_eq!(read_whole(body).await, "");
    }
}

#[tokio::test]
async fn data_stays_out_of_debug() {
    let (mut first, kept) = kept(Script::of_data(["the secret"]), 64);
    next(&mut first).await;
    let text = format!("{first:?} {kept:?}");
    assert!(!text.contains("secret") && text.contains("ReplayBody"), "{text}");
}

#[test]
fn bodies_that_are_clone_are_replayable_as_they_are() {
    let body = Full::new(Bytes::from_static(b"data"));
    assert!(body.is_replayable());
    assert_eq!(body.try_clone().unwrap().size_hint().exact(), Some(4));
    assert_eq!(body.rewind().unwrap().size_hint().exact(), Some(4));
}

/// Clients ask for `Send` and `Unpin`; axum's body is not `Sync`, the wrapped one may be shared all the same.
#[test]
fn auto_traits() {
    fn check<B: Send + Sync + Unpin + 'static>() {}
    check::<ReplayBody<axum::body::Body>>();
    check::<ReplayBody<hyper::body::Incoming>>();
}
