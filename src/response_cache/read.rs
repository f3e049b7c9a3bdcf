//! Reading a body that is to be kept, and giving it on whole if it is too long.

use std::{future::poll_fn, pin::Pin};

use bytes::{Buf, BufMut, Bytes};
use http::HeaderMap;
use http_body::Body;

use crate::response_cache::NotKept;

/// Frames without data that one reading puts up with. A server may send them without end, and reading them never waits.
const MAX_EMPTY_FRAMES: u32 = 1024;

/// What became of a body that was read.
pub(super) enum Read<B> {
    /// All of it.
    Whole(Bytes, Option<HeaderMap>),
    /// It is not to be kept: what was read, the rest unless it has ended, and why.
    Part(Bytes, Option<Pin<Box<B>>>, NotKept),
}

/// Reads a body of at most `max_bytes`. Of a longer one no more is read than the frame in which that shows, and nothing if
/// it says so beforehand.
pub(super) async fn read<B: Body>(body: B, max_bytes: usize) -> Result<Read<B>, B::Error> {
    let mut body = Box::pin(body);
    let promised = body.size_hint().lower();
    let mut data = Vec::new();
    let mut trailers = None;
    let mut empty_frames = 0;
    while !body.is_end_stream() {
        let room = max_bytes.saturating_sub(data.len());
        if promised > max_bytes as u64 || empty_frames > MAX_EMPTY_FRAMES {
            return Ok(Read::Part(data.into(), Some(body), NotKept::TooLong));
        }
        let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await else { break };
        match frame?.into_data() {
            Ok(piece) => {
                empty_frames += u32::from(!piece.has_remaining());
                let is_long = piece.remaining() > room;
                data.put(piece);
                if is_long {
                    return Ok(Read::Part(data.into(), Some(body), NotKept::TooLong));
                }
            }
            // Trailers are the last frame, also of a body that goes on without end.
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                break;
            }
        }
    }
    if (data.len() as u64) < promised {
        return Ok(Read::Part(data.into(), None, NotKept::Incomplete));
    }
    Ok(Read::Whole(data.into(), trailers))
}
