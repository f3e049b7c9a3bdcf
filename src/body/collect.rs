use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;
use pin_project_lite::pin_project;

use super::Ending;
use super::gather::Gather;
use super::read::{Read, Reader};

/// Collects the data of a body, and no more than `max_bytes` of it.
///
/// Memory is taken for what has arrived, never for what the body says will come: a `Content-Length` of 5 GB reserves nothing. A
/// body that comes in one piece is not copied. Trailers are passed over. A body of exactly `max_bytes` is complete, not cut.
///
/// There is no limit of time; dropping the future is safe at any point.
///
/// # Example
///
/// ```
/// use http_body_util::Full;
/// use tower_heed::body::{Ending, collect_bounded};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer: Full<&[u8]> = Full::from("slow down".as_bytes());
/// let (bytes, ending) = collect_bounded(answer.clone(), 1024).await.into_parts();
/// assert_eq!(bytes, "slow down");
/// assert_eq!(ending, Ending::Complete);
///
/// let piece = collect_bounded(answer, 4).await;
/// assert_eq!(piece.bytes(), "slow");
/// assert!(piece.is_cut());
/// # }
/// ```
pub fn collect_bounded<B: Body>(body: B, max_bytes: usize) -> CollectBounded<B> {
    CollectBounded { body: Some(body), reader: Reader::new(max_bytes), gather: Gather::default() }
}

pin_project! {
    /// Future of [`collect_bounded`].
    ///
    /// The body is dropped the moment this is ready, wherever the future itself is kept.
    ///
    /// # Panics
    ///
    /// When polled again after it was ready.
    #[must_use = "futures do nothing unless polled"]
    pub struct CollectBounded<B> {
        #[pin]
        body: Option<B>,
        reader: Reader,
        gather: Gather,
    }
}

/// What [`collect_bounded`] has read of a body, and how the reading stopped.
#[derive(Clone)]
pub struct Collected<E> {
    bytes: Bytes,
    ending: Ending<E>,
}

// === impl CollectBounded ===

impl<B: Body> Future for CollectBounded<B> {
    type Output = Collected<B::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        #[allow(clippy::expect_used, reason = "a future that was ready is not polled again")]
        let mut body =
            this.body.as_mut().as_pin_mut().expect("`CollectBounded` polled after it was ready");
        let ending = loop {
            match ready!(this.reader.poll(body.as_mut(), cx)) {
                Read::Fits(data) => this.gather.push(data),
                Read::Exceeds(data) => {
                    this.gather.push_start(data, this.reader.left());
                    break Ending::Cut;
                }
                Read::Stopped(ending) => break ending,
            }
        };
        this.body.set(None);
        Poll::Ready(Collected { bytes: this.gather.take(), ending })
    }
}

impl<B> fmt::Debug for CollectBounded<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectBounded").field("reader", &self.reader).finish_non_exhaustive()
    }
}

// === impl Collected ===

impl<E> Collected<E> {
    /// What was read: at most the number of bytes asked for, also when the body broke half way.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How the reading stopped.
    #[must_use]
    pub fn ending(&self) -> &Ending<E> {
        &self.ending
    }

    /// Whether the body is longer than what was asked for.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self.ending, Ending::Cut)
    }

    /// Both parts, for a caller that must have the whole body or the error.
    #[must_use]
    pub fn into_parts(self) -> (Bytes, Ending<E>) {
        (self.bytes, self.ending)
    }
}

/// Prints no data: a body may hold a token.
impl<E: fmt::Debug> fmt::Debug for Collected<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected")
            .field("len", &self.bytes.len())
            .field("ending", &self.ending)
            .finish()
    }
}
