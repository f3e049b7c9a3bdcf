use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::ReplayErrorKind;
use super::record::Record;
use super::source::{Reading, Source};

/// A body, what was read of it, and who may read on.
///
/// Any send may read what is recorded. Only the newest reads on from the source, so no frame can go to two of them or to none.
pub(super) struct State<B> {
    source: Source<B>,
    /// All that was read; `None` where that is more than `max_bytes`.
    record: Option<Record>,
    max_bytes: usize,
    /// The number of the newest send.
    newest: u64,
    /// Wakes that send where it waits for the source.
    waiting: Option<Waker>,
}

/// How far one send has come.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Given at the first poll.
    number: Option<u64>,
    position: u64,
    /// Gave its last frame, or an error.
    ended: bool,
}

/// What a send gives next.
pub(super) enum Next {
    Frame(Frame<Bytes>),
    End,
    Failed(ReplayErrorKind),
    /// Whatever the source gives.
    Read,
}

// === impl State ===

impl<B> State<B> {
    pub(super) fn can_be_sent_again(&self) -> bool {
        self.record.is_some() && !self.source.is_broken()
    }

    /// Ends the sends that were begun. The one that waits must be woken.
    pub(super) fn supersede(&mut self) -> Option<Waker> {
        self.newest += 1;
        self.waiting.take()
    }

    /// Makes a send the newest one.
    pub(super) fn begin(&mut self, cursor: &mut Cursor) -> Option<Waker> {
        // Without a record the first send is the only one. Another can only fail, and must not end the first.
        if self.record.is_none() && self.newest > 0 {
            cursor.number = Some(0);
            return None;
        }
        let stopped = self.supersede();
        cursor.number = Some(self.newest);
        stopped
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
                Next::Failed(ReplayErrorKind::TooLarge { max_bytes: self.max_bytes })
            }
            Reading::Open(_) if is_newest => return Next::Read,
            Reading::Open(_) => Next::Failed(ReplayErrorKind::Superseded),
            Reading::Ended => {
                self.trailers().cloned().map_or(Next::End, |it| Next::Frame(Frame::trailers(it)))
            }
            Reading::Broken => Next::Failed(ReplayErrorKind::Broken),
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
        let fits = source.promised().lower() <= max_bytes as u64;
        let record = fits.then(|| Record::new(max_bytes));
        Self { source, record, max_bytes, newest: 0, waiting: None }
    }

    /// The length of what a send has not given yet.
    pub(super) fn size_hint(&self, cursor: &Cursor) -> SizeHint {
        let given = cursor.position;
        if cursor.ended {
            return SizeHint::with_exact(0);
        }
        if self.data_is_all() {
            return SizeHint::with_exact(self.source.read().saturating_sub(given));
        }
        // The promise, not what the source says by now: some bodies repeat at every point what they said at first. Nor is it made
        // exact where trailers follow, since HTTP/1 has room for them only after a body of unknown length.
        let promised = self.source.promised();
        let mut hint = SizeHint::new();
        hint.set_lower(promised.lower().saturating_sub(given));
        if let Some(upper) = promised.upper() {
            hint.set_upper(upper.saturating_sub(given));
        }
        hint
    }

    pub(super) fn is_end_stream(&self, cursor: &Cursor) -> bool {
        let may_read_on = cursor.number.is_none_or(|number| number == self.newest);
        let nothing_follows = match self.source.reading() {
            Reading::Open(body) => may_read_on && body.is_end_stream(),
            Reading::Ended | Reading::Broken => self.data_is_all(),
        };
        cursor.ended || (nothing_follows && cursor.position == self.source.read())
    }

    /// Whether the body is known to its end, and its data is all there is to it.
    fn data_is_all(&self) -> bool {
        self.source.is_ended()
            && self.record.as_ref().is_some_and(|record| record.trailers().is_none())
    }
}

impl<B: Body + Unpin> State<B> {
    /// Reads on from the source for the newest send. A source that is done with is left in `slot`.
    pub(super) fn read_on(
        &mut self,
        slot: &mut Option<B>,
        cursor: &mut Cursor,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = self.source.poll_frame(slot, cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.record = self.record.take().and_then(|record| record.with(frame));
            cursor.position = self.source.read();
        }
        if polled.is_pending() {
            self.waiting.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        }
        cursor.ended = !self.source.is_open();
        polled
    }
}

// === impl Cursor ===

impl Cursor {
    pub(super) fn has_begun(&self) -> bool {
        self.number.is_some()
    }
}
