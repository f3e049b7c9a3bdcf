use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::store_policy::NotStorable;
use crate::BoxError;

/// The number of frames without data that one fetch reads. A server may send them without end, and reading them never waits.
const MAX_EMPTY_FRAMES: u32 = 1024;

pin_project! {
    /// A response body, from the cache or from the inner service.
    pub struct CacheBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<B> {
        Complete { data: Bytes, trailers: Option<HeaderMap> },
        Passed { #[pin] inner: B },
        // A body that cannot be stored: the part that was read, and the rest.
        Partial { start: Bytes, inner: Option<Pin<Box<B>>> },
    }
}

/// A body as far as a fetch has read it.
pub(super) enum ReadBody<B> {
    /// All of it, with its trailers.
    Complete(Bytes, Option<HeaderMap>),
    /// A body that cannot be stored: the part that was read, the rest unless it has ended, and the reason.
    Partial(Bytes, Option<Pin<Box<B>>>, NotStorable),
}

// === impl CacheBody ===

impl<B> CacheBody<B> {
    pub(super) const fn complete(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { state: State::Complete { data, trailers } }
    }

    pub(super) const fn passed(inner: B) -> Self {
        Self { state: State::Passed { inner } }
    }

    pub(super) const fn partial(start: Bytes, inner: Option<Pin<Box<B>>>) -> Self {
        Self { state: State::Partial { start, inner } }
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
            StateProject::Complete { data, trailers } => {
                let frame = take(data).or_else(|| trailers.take().map(Frame::trailers));
                return Poll::Ready(frame.map(Ok));
            }
            StateProject::Partial { start, inner } => match (take(start), inner) {
                (Some(frame), _) => return Poll::Ready(Some(Ok(frame))),
                (None, Some(inner)) => inner.as_mut().poll_frame(cx),
                (None, None) => return Poll::Ready(None),
            },
            StateProject::Passed { inner } => inner.poll_frame(cx),
        };
        frame.map(|frame| frame.map(|frame| frame.map(contiguous).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Complete { data, trailers } => data.is_empty() && trailers.is_none(),
            State::Partial { start, inner } => {
                start.is_empty() && inner.as_ref().is_none_or(|inner| inner.is_end_stream())
            }
            State::Passed { inner } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Complete { data, .. } => SizeHint::with_exact(data.len() as u64),
            State::Passed { inner } => inner.size_hint(),
            State::Partial { start, inner } => {
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

/// Shows no data, which is a user's.
impl<B> fmt::Debug for CacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Complete { .. } => "Stored",
            State::Passed { .. } | State::Partial { .. } => "Passed",
        };
        f.debug_tuple("CacheBody").field(&format_args!("{state}")).finish()
    }
}

/// The data as a frame, unless it is empty.
fn take(data: &mut Bytes) -> Option<Frame<Bytes>> {
    (!data.is_empty()).then(|| Frame::data(std::mem::take(data)))
}

fn contiguous<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

/// Reads a body of at most `max_bytes`. Of a longer one it reads up to the frame that shows the excess, and nothing if the
/// body announces its length.
pub(super) async fn read_body<B: Body>(body: B, max_bytes: usize) -> Result<ReadBody<B>, B::Error> {
    let mut body = Box::pin(body);
    let announced = body.size_hint().lower();
    let mut data = Vec::new();
    let mut trailers = None;
    let mut empty_frames = 0;
    while !body.is_end_stream() {
        let room = max_bytes.saturating_sub(data.len());
        if announced > max_bytes as u64 || empty_frames > MAX_EMPTY_FRAMES {
            return Ok(ReadBody::Partial(data.into(), Some(body), NotStorable::TooLong));
        }
        let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await else { break };
        match frame?.into_data() {
            Ok(piece) => {
                empty_frames += u32::from(!piece.has_remaining());
                let exceeds = piece.remaining() > room;
                data.put(piece);
                if exceeds {
                    return Ok(ReadBody::Partial(data.into(), Some(body), NotStorable::TooLong));
                }
            }
            // Trailers are the last frame, also of a body that never ends.
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                break;
            }
        }
    }
    if (data.len() as u64) < announced {
        return Ok(ReadBody::Partial(data.into(), None, NotStorable::Incomplete));
    }
    Ok(ReadBody::Complete(data.into(), trailers))
}
