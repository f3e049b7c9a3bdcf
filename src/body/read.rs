use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::Body;

use super::Ending;

/// Frames without data that one reading puts up with. A server may send them without end, and reading them never waits.
const MAX_EMPTY_FRAMES: u16 = 1024;

/// What is still to be read of a body that is read up to a number of bytes.
#[derive(Debug)]
pub(super) struct Reader {
    left: usize,
    empty_frames_left: u16,
}

/// What one poll of a body brought.
pub(super) enum Read<D, E> {
    /// Data, never empty, that fits.
    Fits(D),
    /// Data that begins within the limit and ends outside it. Nothing more is read.
    Exceeds(D),
    Stopped(Ending<E>),
}

impl Reader {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { left: max_bytes, empty_frames_left: MAX_EMPTY_FRAMES }
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn poll<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Read<B::Data, B::Error>> {
        loop {
            if body.is_end_stream() {
                return Poll::Ready(Read::Stopped(Ending::Complete));
            }
            if self.left == 0 && body.size_hint().lower() > 0 {
                return Poll::Ready(Read::Stopped(Ending::Cut));
            }
            let frame = match ready!(body.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(Read::Stopped(Ending::Complete)),
                Some(Err(error)) => return Poll::Ready(Read::Stopped(Ending::Failed(error))),
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
                // Trailers, or data without a byte.
                _ => match self.empty_frames_left.checked_sub(1) {
                    Some(left) => self.empty_frames_left = left,
                    None => return Poll::Ready(Read::Stopped(Ending::Cut)),
                },
            }
        }
    }
}
