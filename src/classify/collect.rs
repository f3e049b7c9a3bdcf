//! Turns a failing response into an error, with the beginning of its body.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Response, response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Classification, call::Bounds};
use crate::{
    Error, ErrorKind,
    body::{CollectBounded, Ending, collect_bounded},
    error::Details,
};

pin_project! {
    pub(super) struct Collect<B> {
        head: Option<Head>,
        #[pin]
        body: CollectBounded<Until<B>>,
    }
}

struct Head {
    classification: Classification,
    endpoint: Option<Arc<str>>,
    parts: response::Parts,
}

pin_project! {
    /// A body that breaks off at `end`, so that what arrived before is not lost.
    struct Until<B> {
        #[pin]
        body: B,
        end: Option<Instant>,
        #[pin]
        timer: Option<Sleep>,
    }
}

/// The body failed or was late.
struct BrokenOff;

// === impl Collect ===

impl<B: Body> Collect<B> {
    pub(super) fn new(
        classification: Classification,
        endpoint: Option<Arc<str>>,
        response: Response<B>,
        bounds: Bounds,
    ) -> Self {
        let (parts, body) = response.into_parts();
        let body = Until { body, end: bounds.until, timer: None };
        Self {
            head: Some(Head { classification, endpoint, parts }),
            body: collect_bounded(body, bounds.bytes),
        }
    }
}

impl<B: Body> Future for Collect<B> {
    type Output = Error;

    #[allow(clippy::expect_used, reason = "a future that was ready is not polled again")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        let this = self.project();
        let (body, ending) = ready!(this.body.poll(cx));
        let head = this.head.take().expect("`Collect` polled after it was ready");
        let kind = ErrorKind::Response { is_body_complete: matches!(ending, Ending::Complete) };
        let details = Details {
            classification: Some(head.classification),
            endpoint: head.endpoint,
            response: Some(Response::from_parts(head.parts, body)),
            source: None,
        };
        Poll::Ready(Error::new(kind, details))
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
