use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

use super::ReplayError;
use super::state::{Cursor, Next, State};

/// The state that all sends of one body share, behind its lock.
///
/// The lock is held while the wrapped body is polled, which does not wait; wakers are called, and bodies dropped, after its
/// release.
pub(super) struct Shared<B>(Mutex<State<B>>);

// === impl Shared ===

impl<B> Shared<B> {
    // Not named as the methods of `ReplayableBody`: an `Arc` is `Clone`, so it has those itself and they would be called instead.

    pub(super) fn can_be_sent_again(&self) -> bool {
        self.lock().can_be_sent_again()
    }

    /// Ends the sends that were begun, unless no other could follow. Tells whether one can.
    pub(super) fn take_back(&self) -> bool {
        let mut state = self.lock();
        let possible = state.can_be_sent_again();
        let stopped = if possible { state.supersede() } else { None };
        drop(state);
        wake(stopped);
        possible
    }

    fn begin(&self, cursor: &mut Cursor) {
        if !cursor.has_begun() {
            let stopped = self.lock().begin(cursor);
            wake(stopped);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<B>> {
        // A panic in the wrapped body leaves a state that says so.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Body> Shared<B> {
    pub(super) fn new(body: B, max_bytes: usize) -> Self {
        Self(Mutex::new(State::new(body, max_bytes)))
    }

    pub(super) fn size_hint(&self, cursor: &Cursor) -> SizeHint {
        self.lock().size_hint(cursor)
    }

    pub(super) fn is_end_stream(&self, cursor: &Cursor) -> bool {
        self.lock().is_end_stream(cursor)
    }
}

impl<B> Shared<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    pub(super) fn poll_frame(
        &self,
        cursor: &mut Cursor,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.begin(cursor);
        // Declared before the lock, so that a body that is done with is dropped after its release.
        let mut body = None;
        let mut state = self.lock();
        Poll::Ready(match state.next(cursor) {
            Next::Frame(frame) => Some(Ok(frame)),
            Next::End => None,
            Next::Failed(kind) => Some(Err(ReplayError::new(kind).into())),
            Next::Read => {
                ready!(state.read_on(&mut body, cursor, cx)).map(|frame| frame.map_err(Into::into))
            }
        })
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
