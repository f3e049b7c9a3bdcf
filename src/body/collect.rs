use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    Ending,
    read::{Read, Reader},
};

/// Collects at most `max_bytes` of a body's data, also if the body fails half way.
///
/// Memory is allocated for data that has arrived, never for an announced length: a `Content-Length` of 5 GB reserves nothing. A body
/// of one chunk is not copied. Trailers are skipped. A body of exactly `max_bytes` is complete.
///
/// There is no time limit. Dropping the future is safe at any point.
pub fn collect_bounded<B: Body>(body: B, max_bytes: usize) -> CollectBounded<B> {
    CollectBounded { body: Some(body), reader: Reader::new(max_bytes), chunks: Chunks::default() }
}

pin_project! {
    /// The future of [`collect_bounded`]. It drops the body when it is ready.
    #[must_use = "futures do nothing unless polled"]
    pub struct CollectBounded<B> {
        #[pin]
        body: Option<B>,
        reader: Reader,
        chunks: Chunks,
    }
}

/// Concatenates chunks, without a copy as long as there is only one.
#[derive(Default)]
enum Chunks {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

// === impl CollectBounded ===

impl<B: Body> Future for CollectBounded<B> {
    type Output = (Bytes, Ending<B::Error>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        #[allow(clippy::expect_used, reason = "a future that was ready is not polled again")]
        let mut body =
            this.body.as_mut().as_pin_mut().expect("`CollectBounded` polled after it was ready");
        let ending = loop {
            match ready!(this.reader.poll(body.as_mut(), cx)) {
                Read::Fits(data) => this.chunks.push(data),
                Read::Exceeds(data) => {
                    this.chunks.push_start(data, this.reader.left());
                    break Ending::Cut;
                }
                Read::Ended(ending) => break ending,
            }
        };
        this.body.set(None);
        Poll::Ready((this.chunks.take(), ending))
    }
}

impl<B> fmt::Debug for CollectBounded<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectBounded").field("reader", &self.reader).finish_non_exhaustive()
    }
}

// === impl Chunks ===

impl Chunks {
    fn push(&mut self, mut data: impl Buf) {
        let len = data.remaining();
        *self = match mem::take(self) {
            Self::None => Self::One(data.copy_to_bytes(len)),
            Self::One(first) => {
                let mut many = BytesMut::with_capacity(first.len().saturating_add(len));
                many.put(first);
                many.put(data);
                Self::Many(many)
            }
            Self::Many(mut many) => {
                many.put(data);
                Self::Many(many)
            }
        };
    }

    /// Copies the first `len` bytes of a longer chunk, so that the chunk itself is freed.
    fn push_start(&mut self, data: impl Buf, len: usize) {
        let mut start = BytesMut::new();
        start.put(data.take(len));
        self.push(start);
    }

    fn take(&mut self) -> Bytes {
        match mem::take(self) {
            Self::None => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
