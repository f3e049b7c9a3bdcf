use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

/// The wrapped body, which is read once.
pub(super) struct Source<B> {
    reading: Reading<B>,
    /// The length that the body announced before anything was read.
    announced: SizeHint,
    /// The number of bytes read.
    read: u64,
}

/// The state of the wrapped body.
pub(super) enum Reading<B> {
    Open(B),
    Ended,
    /// The body failed, panicked, or did not have its announced length.
    Broken,
}

// === impl Source ===

impl<B> Source<B> {
    pub(super) fn reading(&self) -> &Reading<B> {
        &self.reading
    }

    pub(super) fn announced(&self) -> &SizeHint {
        &self.announced
    }

    pub(super) fn read(&self) -> u64 {
        self.read
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.reading, Reading::Open(_))
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.reading, Reading::Ended)
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.reading, Reading::Broken)
    }

    fn end(&mut self) {
        let announced = &self.announced;
        let is_as_announced = announced.lower() <= self.read
            && announced.upper().is_none_or(|upper| self.read <= upper);
        self.reading = if is_as_announced { Reading::Ended } else { Reading::Broken };
    }
}

impl<B: Body> Source<B> {
    pub(super) fn new(body: B) -> Self {
        Self { announced: body.size_hint(), reading: Reading::Open(body), read: 0 }
    }
}

impl<B: Body + Unpin> Source<B> {
    /// Reads a frame. The body moves to `slot` and stays there once it is finished.
    pub(super) fn poll_frame(
        &mut self,
        slot: &mut Option<B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        // The body counts as broken until it is put back, in case it panics.
        let Reading::Open(body) = mem::replace(&mut self.reading, Reading::Broken) else {
            return Poll::Ready(None);
        };
        let body = slot.insert(body);
        let polled = Pin::new(&mut *body)
            .poll_frame(cx)
            .map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())));
        match &polled {
            Poll::Pending => self.put_back(slot),
            Poll::Ready(Some(Ok(frame))) => {
                self.read += frame.data_ref().map_or(0, Bytes::len) as u64;
                // Trailers are the last frame. A client may call `is_end_stream` instead of polling again.
                if frame.is_trailers() || body.is_end_stream() {
                    self.end();
                } else {
                    self.put_back(slot);
                }
            }
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => self.end(),
        }
        polled
    }

    fn put_back(&mut self, slot: &mut Option<B>) {
        if let Some(body) = slot.take() {
            self.reading = Reading::Open(body);
        }
    }
}
