use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::Body;

/// The frames without data that one read accepts. A server may send any number of them, and reading them never waits.
const MAX_EMPTY_FRAMES: u16 = 1024;

/// How the reading of a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "it is not part of the public API")]
pub enum Ending<E> {
    /// The body was read to its end, so its connection can be used again.
    Complete,
    /// The body is longer than the bound. The rest was not read.
    Cut,
    /// The body failed.
    Failed(E),
}

/// Reads a body up to a number of bytes.
#[derive(Debug)]
pub(super) struct Reader {
    left: usize,
    empty_frames_left: u16,
}

/// The result of one read.
pub(super) enum Read<D, E> {
    /// Data within the bound, never empty.
    Fits(D),
    /// Data that begins within the bound and ends beyond it. Nothing more is read.
    Exceeds(D),
    Ended(Ending<E>),
}

// === impl Reader ===

impl Reader {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { left: max_bytes, empty_frames_left: MAX_EMPTY_FRAMES }
    }

    pub(super) const fn left(&self) -> usize {
        self.left
    }

    pub(super) fn poll<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Read<B::Data, B::Error>> {
        loop {
            if body.is_end_stream() {
                return Poll::Ready(Read::Ended(Ending::Complete));
            }
            if self.left == 0 && body.size_hint().lower() > 0 {
                return Poll::Ready(Read::Ended(Ending::Cut));
            }
            let frame = match ready!(body.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(Read::Ended(Ending::Complete)),
                Some(Err(error)) => return Poll::Ready(Read::Ended(Ending::Failed(error))),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) if data.has_remaining() => {
                    return Poll::Ready(match self.left.checked_sub(data.remaining()) {
                        Some(left) => {
                            self.left = left;
                            Read::Fits(data)
                        }
                        None => Read::Exceeds(data),
                    });
                }
                // Trailers or empty data.
                _ => match self.empty_frames_left.checked_sub(1) {
                    Some(left) => self.empty_frames_left = left,
                    None => return Poll::Ready(Read::Ended(Ending::Cut)),
                },
            }
        }
    }
}
