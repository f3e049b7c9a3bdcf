use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::Upload;
use crate::{BoxError, error::Error};

/// The wrapped body, which is read once.
pub(super) struct Source<B> {
    reading: Reading<B>,
    /// The length that the body announced before anything was read.
    announced: SizeHint,
    /// The number of bytes read.
    read: u64,
    upload: Upload,
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

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.reading, Reading::Ended)
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.reading, Reading::Broken)
    }

    pub(super) fn upload(&self) -> &Upload {
        &self.upload
    }

    /// Whether the body may end here.
    pub(super) fn is_as_announced(&self) -> bool {
        let announced = &self.announced;
        announced.lower() <= self.read && announced.upper().is_none_or(|upper| self.read <= upper)
    }

    fn end(&mut self) {
        self.reading = if self.is_as_announced() {
            self.upload.finish();
            Reading::Ended
        } else {
            Reading::Broken
        };
    }
}

impl<B: Body> Source<B> {
    pub(super) fn new(body: B) -> Self {
        let upload = Upload::default();
        if body.is_end_stream() {
            upload.finish();
        }
        Self { announced: body.size_hint(), reading: Reading::Open(body), read: 0, upload }
    }
}

impl<B> Source<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// Reads a frame. The body moves to `slot` and stays there once it is finished.
    pub(super) fn poll_frame(
        &mut self,
        slot: &mut Option<B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // The body counts as broken until it is put back, in case it panics.
        let Reading::Open(body) = mem::replace(&mut self.reading, Reading::Broken) else {
            return Poll::Ready(None);
        };
        self.upload.begin();
        let body = slot.insert(body);
        let polled = Pin::new(&mut *body)
            .poll_frame(cx)
            .map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            .map_err(|error| Error::request_body(error.into()));
        match &polled {
            Poll::Pending => self.put_back(slot),
            Poll::Ready(Some(Ok(frame))) => {
                self.upload.advance();
                self.read += frame.data_ref().map_or(0, Bytes::len) as u64;
                // A client that has sent the announced length need not poll again.
                if self.announced.exact() == Some(self.read) {
                    self.upload.finish();
                }
                // Trailers are the last frame. A client may call `is_end_stream` instead of polling again.
                if frame.is_trailers() || body.is_end_stream() {
                    self.end();
                } else {
                    self.put_back(slot);
                }
            }
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => {
                self.end();
                if self.is_broken() {
                    return Poll::Ready(Some(Err(ended_early())));
                }
            }
        }
        polled
    }

    fn put_back(&mut self, slot: &mut Option<B>) {
        if let Some(body) = slot.take() {
            self.reading = Reading::Open(body);
        }
    }
}

/// A client would send what it has got, and the server would answer to half of a request.
fn ended_early() -> Error {
    let why = "it did not have its announced length";
    Error::request_body(io::Error::new(io::ErrorKind::UnexpectedEof, why).into())
}
