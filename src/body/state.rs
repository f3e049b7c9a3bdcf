use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{
    NotReplayable,
    record::Record,
    source::{Reading, Source},
};
use crate::{BoxError, body::Upload, error::Error};

/// A body and the record of its data.
///
/// Any attempt may read the record. Only the newest one reads the source, so that no frame goes to two attempts or to none.
pub(super) struct State<B> {
    source: Source<B>,
    /// All data read so far; `None` if it exceeds `max_bytes`.
    record: Option<Record>,
    max_bytes: usize,
    /// The number of the newest attempt.
    newest: u64,
    /// Wakes that attempt if it waits for the source.
    waiting: Option<Waker>,
}

/// The position of one attempt.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Given at the first poll.
    number: Option<u64>,
    position: u64,
    /// Whether the last frame or an error was returned.
    ended: bool,
}

/// The next frame of an attempt.
pub(super) enum Next {
    Frame(Frame<Bytes>),
    End,
    Failed(NotReplayable),
    /// Read the source.
    Read,
}

// === impl State ===

impl<B> State<B> {
    pub(super) fn can_replay(&self) -> bool {
        self.record.is_some() && !self.source.is_broken()
    }

    pub(super) fn upload(&self) -> &Upload {
        self.source.upload()
    }

    /// Ends earlier attempts. Returns the waker of one that waits.
    pub(super) fn supersede(&mut self) -> Option<Waker> {
        self.newest += 1;
        self.waiting.take()
    }

    /// Makes an attempt the newest one.
    pub(super) fn begin(&mut self, cursor: &mut Cursor) -> Option<Waker> {
        // Without a record there is only one attempt. Another one fails, and must not end the first.
        if self.record.is_none() && self.newest > 0 {
            cursor.number = Some(0);
            return None;
        }
        let superseded = self.supersede();
        cursor.number = Some(self.newest);
        superseded
    }

    pub(super) fn next(&mut self, cursor: &mut Cursor) -> Next {
        if cursor.ended {
            return Next::End;
        }
        if let Some(data) = self.recorded(cursor.position) {
            cursor.position += data.len() as u64;
            return Next::Frame(Frame::data(data));
        }
        let is_newest = cursor.number == Some(self.newest);
        let next = match self.source.reading() {
            _ if self.record.is_none() && !is_newest => {
                Next::Failed(NotReplayable::TooLarge { max_bytes: self.max_bytes })
            }
            Reading::Open(_) if is_newest => return Next::Read,
            Reading::Open(_) => Next::Failed(NotReplayable::Superseded),
            Reading::Ended => {
                self.trailers().cloned().map_or(Next::End, |it| Next::Frame(Frame::trailers(it)))
            }
            Reading::Broken => Next::Failed(NotReplayable::Broken),
        };
        cursor.ended = true;
        next
    }

    fn recorded(&mut self, position: u64) -> Option<Bytes> {
        self.record.as_mut()?.read(usize::try_from(position).ok()?)
    }

    fn trailers(&self) -> Option<&HeaderMap> {
        self.record.as_ref()?.trailers()
    }
}

impl<B: Body> State<B> {
    pub(super) fn new(body: B, max_bytes: usize) -> Self {
        let source = Source::new(body);
        let fits = source.announced().lower() <= max_bytes as u64;
        let record = fits.then(|| Record::new(max_bytes));
        Self { source, record, max_bytes, newest: 0, waiting: None }
    }

    /// The length of the frames to come.
    pub(super) fn size_hint(&self, cursor: &Cursor) -> SizeHint {
        let given = cursor.position;
        if cursor.ended {
            return SizeHint::with_exact(0);
        }
        if self.is_complete_without_trailers() {
            return SizeHint::with_exact(self.source.read().saturating_sub(given));
        }
        // The announced length, not the source's current one, because some bodies repeat at every point what they announced. With
        // trailers an unknown length stays unknown, because HTTP/1 sends trailers only after a chunked body.
        let announced = self.source.announced();
        let mut hint = SizeHint::new();
        hint.set_lower(announced.lower().saturating_sub(given));
        if let Some(upper) = announced.upper() {
            hint.set_upper(upper.saturating_sub(given));
        }
        hint
    }

    pub(super) fn is_end_stream(&self, cursor: &Cursor) -> bool {
        let may_read_on = cursor.number.is_none_or(|number| number == self.newest);
        let nothing_follows = match self.source.reading() {
            Reading::Open(body) => {
                may_read_on && body.is_end_stream() && self.source.is_as_announced()
            }
            Reading::Ended | Reading::Broken => self.is_complete_without_trailers(),
        };
        cursor.ended || (nothing_follows && cursor.position == self.source.read())
    }

    /// Whether the whole body was read, and has no trailers.
    fn is_complete_without_trailers(&self) -> bool {
        self.source.is_ended()
            && self.record.as_ref().is_some_and(|record| record.trailers().is_none())
    }
}

impl<B> State<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// Reads the source for the newest attempt. A finished source is left in `slot`.
    pub(super) fn read_on(
        &mut self,
        slot: &mut Option<B>,
        cursor: &mut Cursor,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = self.source.poll_frame(slot, cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.record = self.record.take().and_then(|record| record.with(frame));
            cursor.position = self.source.read();
        }
        if polled.is_pending() {
            self.waiting.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        }
        let failed = matches!(polled, Poll::Ready(Some(Err(_))));
        cursor.ended = failed || self.source.is_ended();
        polled
    }
}

// === impl Cursor ===

impl Cursor {
    pub(super) fn has_begun(&self) -> bool {
        self.number.is_some()
    }
}
