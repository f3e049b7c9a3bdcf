use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::state::{Cursor, Next, State};
use crate::{BoxError, body::Upload, error::Error};

/// The state that all attempts with one body share.
///
/// The lock is held while the wrapped body is polled. Wakers are called and bodies dropped without it.
pub(super) struct Shared<B>(Mutex<State<B>>);

// === impl Shared ===

impl<B> Shared<B> {
    // The methods of `ReplayableBody` have other names, because an `Arc` implements that trait itself.

    pub(super) fn can_replay(&self) -> bool {
        self.lock().can_replay()
    }

    pub(super) fn upload(&self) -> Upload {
        self.lock().upload().clone()
    }

    /// Ends earlier attempts if another one can follow, and returns whether it can.
    pub(super) fn supersede(&self) -> bool {
        let mut state = self.lock();
        let can_replay = state.can_replay();
        let superseded = if can_replay { state.supersede() } else { None };
        drop(state);
        wake(superseded);
        can_replay
    }

    fn begin(&self, cursor: &mut Cursor) {
        if !cursor.has_begun() {
            let superseded = self.lock().begin(cursor);
            wake(superseded);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<B>> {
        // After a panic in the wrapped body the state is broken, and says so.
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
        // Declared before the lock, so that a finished body is dropped after its release.
        let mut body = None;
        let mut state = self.lock();
        Poll::Ready(match state.next(cursor) {
            Next::Frame(frame) => Some(Ok(frame)),
            Next::End => None,
            Next::Failed(reason) => Some(Err(Error::replay_body(reason).into())),
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
