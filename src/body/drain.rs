use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    Ending,
    read::{Read, Reader},
};

/// Reads a body to its end and discards it, so that its connection can be used again.
///
/// An HTTP/1 connection returns to its pool only when its response was read to the end. Dropping a response unread costs the
/// connection.
///
/// Reading stops after `max_bytes`, or at once if the body announces a longer length: a long body costs more than a new connection.
/// There is no time limit. Dropping the future is safe at any point.
pub fn drain<B: Body>(body: B, max_bytes: usize) -> Drain<B> {
    Drain { body: Some(body), reader: Reader::new(max_bytes) }
}

pin_project! {
    /// The future of [`drain`]. It drops the body when it is ready.
    #[must_use = "futures do nothing unless polled"]
    pub struct Drain<B> {
        #[pin]
        body: Option<B>,
        reader: Reader,
    }
}

// === impl Drain ===

impl<B: Body> Future for Drain<B> {
    type Output = Ending<B::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        #[allow(clippy::expect_used, reason = "a future that was ready is not polled again")]
        let mut body = this.body.as_mut().as_pin_mut().expect("`Drain` polled after it was ready");
        let ending = loop {
            if body.size_hint().lower() > this.reader.left() as u64 {
                break Ending::Cut;
            }
            match ready!(this.reader.poll(body.as_mut(), cx)) {
                Read::Fits(_) => {}
                Read::Exceeds(_) => break Ending::Cut,
                Read::Ended(ending) => break ending,
            }
        };
        this.body.set(None);
        Poll::Ready(ending)
    }
}

impl<B> fmt::Debug for Drain<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("reader", &self.reader).finish_non_exhaustive()
    }
}
