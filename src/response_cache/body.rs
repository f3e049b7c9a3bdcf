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
        // The part that was read, with the trailers, or the rest of a body that cannot be stored.
        Read { data: Bytes, trailers: Option<HeaderMap>, rest: Option<Pin<Box<B>>> },
        Passed { #[pin] inner: B },
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
        Self { state: State::Read { data, trailers, rest: None } }
    }

    pub(super) const fn partial(data: Bytes, rest: Option<Pin<Box<B>>>) -> Self {
        Self { state: State::Read { data, trailers: None, rest } }
    }

    pub(super) const fn passed(inner: B) -> Self {
        Self { state: State::Passed { inner } }
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
            StateProject::Passed { inner } => inner.poll_frame(cx),
            StateProject::Read { data, trailers, rest } => match (take(data), rest) {
                (Some(frame), _) => return Poll::Ready(Some(Ok(frame))),
                (None, Some(rest)) => rest.as_mut().poll_frame(cx),
                (None, None) => return Poll::Ready(trailers.take().map(Frame::trailers).map(Ok)),
            },
        };
        frame.map(|frame| frame.map(|frame| frame.map(contiguous).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Passed { inner } => inner.is_end_stream(),
            State::Read { data, trailers, rest } => {
                let is_rest_empty = rest.as_ref().is_none_or(|rest| rest.is_end_stream());
                data.is_empty() && trailers.is_none() && is_rest_empty
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Passed { inner } => inner.size_hint(),
            State::Read { data, rest, .. } => {
                let data = data.len() as u64;
                let Some(rest) = rest else { return SizeHint::with_exact(data) };
                let (rest, mut hint) = (rest.size_hint(), SizeHint::new());
                hint.set_lower(rest.lower().saturating_add(data));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(data)) {
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
        f.debug_struct("CacheBody").finish_non_exhaustive()
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
