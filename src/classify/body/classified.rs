use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A response body, whole, whose beginning may have been looked at.
    pub struct ClassifiedBody<B: Body> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B: Body> {
        Unread { #[pin] body: B },
        // The frames that were read come first. No body follows if the last of them was its end.
        Read { frames: VecDeque<Result<Frame<Bytes>, B::Error>>, rest: Option<Pin<Box<B>>> },
    }
}

// === impl ClassifiedBody ===

impl<B: Body> ClassifiedBody<B> {
    pub(super) const fn unread(body: B) -> Self {
        Self { state: State::Unread { body } }
    }

    pub(super) fn read(
        frames: VecDeque<Result<Frame<Bytes>, B::Error>>,
        body: Pin<Box<B>>,
        is_over: bool,
    ) -> Self {
        Self { state: State::Read { frames, rest: (!is_over).then_some(body) } }
    }
}

impl<B: Body> Body for ClassifiedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = match self.project().state.project() {
            StateProj::Unread { body } => body.poll_frame(cx),
            StateProj::Read { frames, rest } => match (frames.pop_front(), rest) {
                (Some(frame), _) => return Poll::Ready(Some(frame)),
                (None, Some(rest)) => rest.as_mut().poll_frame(cx),
                (None, None) => return Poll::Ready(None),
            },
        };
        polled.map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Unread { body } => body.is_end_stream(),
            State::Read { frames, rest } => {
                frames.is_empty() && rest.as_ref().is_none_or(|rest| rest.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let (frames, rest) = match &self.state {
            State::Unread { body } => return body.size_hint(),
            State::Read { frames, rest } => (frames, rest),
        };
        let data = frames.iter().flatten().filter_map(Frame::data_ref);
        let read: u64 = data.map(|data| data.len() as u64).sum();
        let rest = rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |rest| rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B: Body> fmt::Debug for ClassifiedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifiedBody").finish_non_exhaustive()
    }
}
