use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::Body;
use pin_project_lite::pin_project;

use super::Ending;
use super::read::{Read, Reader};

/// Reads a body to its end and throws it away, so that its connection can be used again.
///
/// An HTTP/1 connection goes back to its pool only when the answer on it was read to the end. An answer that nobody will use, such
/// as a 429 before a retry, is therefore drained before it is let go; dropping it unread costs the connection.
///
/// Reading stops after `max_bytes`, and at once, with nothing read, where the body says beforehand that it is longer: a long body
/// costs more than a new connection. There is no limit of time: whoever must not wait for a slow server drops the future, which is
/// safe at any point.
///
/// # Example
///
/// ```
/// use http_body_util::Full;
/// use tower_heed::body::{Ending, drain};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer: Full<&[u8]> = Full::from("slow down".as_bytes());
/// assert_eq!(drain(answer.clone(), 1024).await, Ending::Complete);
/// assert_eq!(drain(answer, 4).await, Ending::Cut);
/// # }
/// ```
pub fn drain<B: Body>(body: B, max_bytes: usize) -> Drain<B> {
    Drain { body: Some(body), reader: Reader::new(max_bytes) }
}

pin_project! {
    /// Future of [`drain`].
    ///
    /// The body is dropped the moment this is ready, wherever the future itself is kept.
    ///
    /// # Panics
    ///
    /// When polled again after it was ready.
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
                Read::Stopped(ending) => break ending,
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
