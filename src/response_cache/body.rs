use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;

pin_project! {
    /// A response body, out of the cache or as the inner service gave it.
    pub struct CacheBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<B> {
        Kept { data: Bytes, trailers: Option<HeaderMap> },
        Passed { #[pin] inner: B },
        // It could not be kept: what was read of it until then, and the rest.
        Part { start: Bytes, inner: Option<Pin<Box<B>>> },
    }
}

// === impl CacheBody ===

impl<B> CacheBody<B> {
    pub(super) const fn kept(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { state: State::Kept { data, trailers } }
    }

    pub(super) const fn passed(inner: B) -> Self {
        Self { state: State::Passed { inner } }
    }

    pub(super) const fn part(start: Bytes, inner: Option<Pin<Box<B>>>) -> Self {
        Self { state: State::Part { start, inner } }
    }
}

impl<B> Body for CacheBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match self.project().state.project() {
            StateProject::Kept { data, trailers } => {
                let frame = take(data).or_else(|| trailers.take().map(Frame::trailers));
                return Poll::Ready(frame.map(Ok));
            }
            StateProject::Part { start, inner } => match (take(start), inner) {
                (Some(frame), _) => return Poll::Ready(Some(Ok(frame))),
                (None, Some(inner)) => inner.as_mut().poll_frame(cx),
                (None, None) => return Poll::Ready(None),
            },
            StateProject::Passed { inner } => inner.poll_frame(cx),
        };
        frame.map(|frame| frame.map(|frame| frame.map(whole).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Kept { data, trailers } => data.is_empty() && trailers.is_none(),
            State::Part { start, inner } => {
                start.is_empty() && inner.as_ref().is_none_or(|inner| inner.is_end_stream())
            }
            State::Passed { inner } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Kept { data, .. } => SizeHint::with_exact(data.len() as u64),
            State::Passed { inner } => inner.size_hint(),
            State::Part { start, inner } => {
                let start = start.len() as u64;
                let ended = || SizeHint::with_exact(0);
                let rest = inner.as_ref().map_or_else(ended, |inner| inner.size_hint());
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(start));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(start)) {
                    hint.set_upper(upper);
                }
                hint
            }
        }
    }
}

/// Prints no data: it is a user's.
impl<B> fmt::Debug for CacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Kept { .. } => "Kept",
            State::Passed { .. } | State::Part { .. } => "Passed",
        };
        f.debug_tuple("CacheBody").field(&format_args!("{state}")).finish()
    }
}

/// What is there, as a frame.
fn take(data: &mut Bytes) -> Option<Frame<Bytes>> {
    (!data.is_empty()).then(|| Frame::data(std::mem::take(data)))
}

fn whole<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}
