use std::mem;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// Shorter chunks are copied together, because an entry for each would cost as much as its data.
const SMALL: usize = 1024;

/// The size at which copied data becomes a piece.
const PIECE: usize = 8 * 1024;

/// The frames read from a body, up to a number of bytes.
///
/// The overhead is a fraction of the data, however small its chunks are.
pub(super) struct Record {
    max_bytes: usize,
    pieces: Vec<Piece>,
    /// Small chunks after the last piece.
    small: Vec<u8>,
    trailers: Option<HeaderMap>,
}

struct Piece {
    /// The end of the piece within the body.
    end: usize,
    data: Bytes,
}

// === impl Record ===

impl Record {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, pieces: Vec::new(), small: Vec::new(), trailers: None }
    }

    /// Records a frame. Drops the record if the frame does not fit.
    pub(super) fn with(mut self, frame: &Frame<Bytes>) -> Option<Self> {
        let room = self.max_bytes - self.len();
        if let Some(data) = frame.data_ref() {
            (data.len() <= room).then(|| self.push(data))?;
        } else {
            // A frame is data or trailers.
            let trailers = frame.trailers_ref()?;
            let len: usize =
                trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            (len <= room).then(|| self.trailers = Some(trailers.clone()))?;
        }
        Some(self)
    }

    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// The data from `position` to the end of its piece; `None` at the end of the record.
    pub(super) fn read(&mut self, position: usize) -> Option<Bytes> {
        if position >= self.len() {
            return None;
        }
        if position >= self.sealed() {
            self.seal();
        }
        let index = self.pieces.partition_point(|piece| piece.end <= position);
        let piece = self.pieces.get(index)?;
        let start = piece.end - piece.data.len();
        Some(piece.data.slice(position - start..))
    }

    fn push(&mut self, data: &Bytes) {
        if data.len() < SMALL {
            self.small.extend_from_slice(data);
            if self.small.len() >= PIECE {
                self.seal();
            }
        } else {
            self.seal();
            self.push_piece(data.clone());
        }
    }

    fn len(&self) -> usize {
        self.sealed() + self.small.len()
    }

    fn sealed(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    fn seal(&mut self) {
        if !self.small.is_empty() {
            let small = mem::take(&mut self.small);
            self.push_piece(small.into());
        }
    }

    fn push_piece(&mut self, data: Bytes) {
        self.pieces.push(Piece { end: self.sealed() + data.len(), data });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list entry for each byte would cost forty times the cap.
    #[test]
    fn tiny_chunks_are_kept_together() {
        let mut record = Record::new(1 << 20);
        for byte in 0..64 * 1024_u32 {
            assert_eq!(record.read(record.len()), None);
            record.push(&Bytes::copy_from_slice(&byte.to_le_bytes()[..1]));
        }
        assert_eq!(record.len(), 64 * 1024);
        assert!(record.pieces.len() <= 8, "{}", record.pieces.len());
    }

    #[test]
    fn large_chunks_are_kept_as_they_are() {
        let mut record = Record::new(1 << 20);
        let large = Bytes::from(vec![1; SMALL]);
        record.push(&Bytes::from_static(b"small"));
        record.push(&large);
        assert_eq!(record.read(0).as_deref(), Some(&b"small"[..]));
        assert_eq!(record.read(5).map(|data| data.as_ptr()), Some(large.as_ptr()));
        assert_eq!(record.read(5 + SMALL), None);
    }

    #[test]
    fn reading_from_any_position_gives_the_rest() {
        let mut record = Record::new(1 << 20);
        let mut whole = Vec::new();
        for (index, len) in [3, SMALL, 1, 1, PIECE, 7].into_iter().enumerate() {
            let chunk = vec![index as u8; len];
            record.push(&chunk.clone().into());
            whole.extend(chunk);
            for start in 0..whole.len() {
                let mut at = start;
                while let Some(data) = record.read(at) {
                    assert_eq!(data, whole[at..at + data.len()]);
                    at += data.len();
                }
                assert_eq!(at, whole.len());
            }
        }
    }
}
