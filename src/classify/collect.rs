//! Turning a failing answer into an error: the beginning of its body is read, within bounds of bytes and time.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Response, response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{ClassifiedError, call::Bounds};
use crate::{
    body::{CollectBounded, Ending, collect_bounded},
    classify::Classification,
};

pin_project! {
    pub(super) struct Collect<B> {
        head: Option<(Classification, response::Parts)>,
        #[pin]
        body: CollectBounded<Until<B>>,
    }
}

pin_project! {
    /// A body that breaks off at `end`. What has come before is not lost.
    struct Until<B> {
        #[pin]
        body: B,
        end: Option<Instant>,
        #[pin]
        timer: Option<Sleep>,
    }
}

/// The body failed or was late: which of them is of no use to anyone.
struct BrokenOff;

// === impl Collect ===

impl<B: Body> Collect<B> {
    pub(super) fn new(failure: Classification, answer: Response<B>, bounds: Bounds) -> Self {
        let (head, body) = answer.into_parts();
        let body = Until { body, end: bounds.until, timer: None };
        Self { head: Some((failure, head)), body: collect_bounded(body, bounds.bytes) }
    }
}

impl<B: Body> Future for Collect<B> {
    type Output = ClassifiedError;

    #[allow(clippy::expect_used, reason = "a future that was ready is not polled again")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ClassifiedError> {
        let this = self.project();
        let (body, ending) = ready!(this.body.poll(cx)).into_parts();
        let (failure, head) = this.head.take().expect("`Collect` polled after it was ready");
        let is_whole = matches!(ending, Ending::Complete);
        Poll::Ready(ClassifiedError::new(failure, head, body, is_whole))
    }
}

// === impl Until ===

impl<B: Body> Body for Until<B> {
    type Data = B::Data;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BrokenOff>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| BrokenOff)));
        }
        let Some(end) = *this.end else { return Poll::Pending };
        // A body that is there at once, as most are, needs no timer.
        if this.timer.is_none() {
            this.timer.set(Some(sleep_until(end)));
        }
        match this.timer.as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Some(Err(BrokenOff))),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
