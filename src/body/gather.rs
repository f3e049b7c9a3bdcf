use std::mem;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Puts pieces of data together, without a copy as long as there is only one.
#[derive(Default)]
pub(super) enum Gather {
    #[default]
    Empty,
    One(Bytes),
    Many(BytesMut),
}

impl Gather {
    pub(super) fn push(&mut self, mut data: impl Buf) {
        let len = data.remaining();
        *self = match mem::take(self) {
            Self::Empty => Self::One(data.copy_to_bytes(len)),
            Self::One(first) => {
                let mut many = BytesMut::with_capacity(first.len().saturating_add(len));
                many.put(first);
                many.put(data);
                Self::Many(many)
            }
            Self::Many(mut many) => {
                many.put(data);
                Self::Many(many)
            }
        };
    }

    /// Copies the first `len` bytes of a longer piece, so that the piece itself is not kept for them.
    pub(super) fn push_start(&mut self, data: impl Buf, len: usize) {
        let mut start = BytesMut::new();
        start.put(data.take(len));
        self.push(start);
    }

    pub(super) fn take(&mut self) -> Bytes {
        match mem::take(self) {
            Self::Empty => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
