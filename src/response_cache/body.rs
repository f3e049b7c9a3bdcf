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
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::store_policy::NotStorable;
use crate::BoxError;

/// The number of frames without data that one fetch reads. A server may send them without end, and reading them never waits.
const MAX_EMPTY_FRAMES: u32 = 1024;

/// The room that a body takes at least.
const FIRST_BYTES: usize = 4 << 10;

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
    /// A body that cannot be stored, as it is passed on, and the reason.
    Passed(CacheBody<B>, NotStorable),
}

/// How much of a body a fetch reads.
pub(super) struct ReadLimits<'a> {
    pub(super) max_bytes: usize,
    /// The KiB that fetches may hold together.
    pub(super) room: &'a Semaphore,
    /// When a body of unknown length that goes on counts as a stream.
    pub(super) stream_from: Option<Instant>,
}

// === impl CacheBody ===

impl<B> CacheBody<B> {
    pub(super) const fn complete(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { state: State::Read { data, trailers, rest: None } }
    }

    const fn partial(data: Bytes, rest: Option<Pin<Box<B>>>) -> Self {
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

/// Reads a body up to the limits. Of a longer one it reads up to the frame that shows the excess, and nothing if the body announces
/// its length.
pub(super) async fn read_body<B: Body>(
    body: B,
    limits: ReadLimits<'_>,
) -> Result<ReadBody<B>, B::Error> {
    let ReadLimits { max_bytes, room, stream_from } = limits;
    let hint = body.size_hint();
    if hint.lower() > max_bytes as u64 {
        return Ok(ReadBody::Passed(CacheBody::passed(body), NotStorable::TooLong));
    }
    let mut held = None;
    // Before it is read: a body that is passed on unread stays with the server.
    let first = usize::try_from(hint.lower()).unwrap_or(max_bytes).max(FIRST_BYTES);
    if !body.is_end_stream() && !hold(&mut held, room, first) {
        return Ok(ReadBody::Passed(CacheBody::passed(body), NotStorable::Busy));
    }
    let stream_from = stream_from.filter(|_| hint.exact().is_none());
    let mut body = Box::pin(body);
    let mut data = Vec::new();
    let mut trailers = None;
    let mut empty_frames = 0;
    let partial = |data: Vec<u8>, body, reason| {
        Ok(ReadBody::Passed(CacheBody::partial(data.into(), Some(body)), reason))
    };
    while !body.is_end_stream() {
        if empty_frames > MAX_EMPTY_FRAMES {
            return partial(data, body, NotStorable::TooLong);
        }
        let frame = poll_fn(|cx| body.as_mut().poll_frame(cx));
        let frame = match stream_from {
            None => frame.await,
            Some(from) => match timeout_at(from, frame).await {
                Ok(frame) => frame,
                Err(_) => return partial(data, body, NotStorable::Stream),
            },
        };
        let Some(frame) = frame else { break };
        match frame?.into_data() {
            Ok(piece) => {
                empty_frames += u32::from(!piece.has_remaining());
                let exceeds = piece.remaining() > max_bytes.saturating_sub(data.len());
                data.put(piece);
                if exceeds {
                    return partial(data, body, NotStorable::TooLong);
                }
                if !hold(&mut held, room, data.capacity()) {
                    return partial(data, body, NotStorable::Busy);
                }
            }
            // Trailers are the last frame, also of a body that never ends.
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                break;
            }
        }
    }
    if (data.len() as u64) < hint.lower() {
        let body = CacheBody::partial(data.into(), None);
        return Ok(ReadBody::Passed(body, NotStorable::Incomplete));
    }
    Ok(ReadBody::Complete(data.into(), trailers))
}

/// Takes room for so many bytes in all; false if there is none.
fn hold<'a>(held: &mut Option<SemaphorePermit<'a>>, room: &'a Semaphore, bytes: usize) -> bool {
    let has = held.as_ref().map_or(0, SemaphorePermit::num_permits);
    let lacks = bytes.div_ceil(1024).saturating_sub(has);
    let Some(more) = u32::try_from(lacks).ok().and_then(|lacks| room.try_acquire_many(lacks).ok())
    else {
        return false;
    };
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
    true
}
