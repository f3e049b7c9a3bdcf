//! A body that plays a script, for the tests of bodies.

#![allow(clippy::panic, reason = "helpers of tests are no tests to Clippy")]

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// `Pending` once, woken right away.
    Pause,
    /// `Pending` for good; the waker is kept and never called.
    Hang,
    Fail(&'static str),
    Panic,
}

/// Plays its steps, then ends. Panics when polled after its end, as some bodies do.
#[derive(Debug, Default)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    exact: Option<u64>,
    /// Whether `is_end_stream` tells the end before it was polled for.
    foresees_end: bool,
    polls: Arc<AtomicUsize>,
    waker: Option<Waker>,
    ended: bool,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn of_data<D: Into<Bytes>>(chunks: impl IntoIterator<Item = D>) -> Self {
        Self::new(chunks.into_iter().map(|chunk| Step::Data(chunk.into())))
    }

    /// Promises this number of bytes, before and during the play.
    pub(crate) fn promising(self, exact: u64) -> Self {
        Self { exact: Some(exact), ..self }
    }

    pub(crate) fn foreseeing_its_end(self) -> Self {
        Self { foresees_end: true, ..self }
    }

    /// Counts the polls, from outside and after the body is gone. Its other end tells whether the body still lives.
    pub(crate) fn polls(&self) -> Arc<AtomicUsize> {
        self.polls.clone()
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        assert!(!self.ended, "polled after its end");
        match self.steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Fail(error)) => Poll::Ready(Some(Err(error))),
            Some(Step::Panic) => panic!("as the script says"),
            Some(Step::Pause) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.foresees_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
