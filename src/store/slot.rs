//! What a store is asked about one shared value, and what it replies.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::StoreName;

/// Identifies one fetch of one process, and the record that it leaves. It is drawn at random, and is no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FetchId([u8; 8]);

/// Why a fetch begins, as far as it matters to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Intent {
    /// A record is missing, or about to expire.
    Fetch,
    /// A server rejected the record: all processes together may fetch twice for this reason, at least ten seconds apart, and
    /// then once every five minutes.
    Reject,
    /// A person wants another one in spite of a cooldown.
    Force,
}

/// One atomic step on a slot: the record, the lease of the process that fetches, and the cooldown of one shared value.
///
/// `Debug` does not show the record.
#[derive(Clone)]
#[non_exhaustive]
pub enum SlotRequest {
    /// Asks for the record, or for the lease.
    ///
    /// The first of these that holds is the reply:
    ///
    /// 1. the value is not of this layout: [`SlotReply::Foreign`];
    /// 2. there is a record, and not that of `unlike`: [`SlotReply::Record`];
    /// 3. a cooldown is on, and the intent is not [`Intent::Force`]: [`SlotReply::Cooldown`];
    /// 4. another fetch holds the lease: [`SlotReply::Wait`];
    /// 5. the intent is [`Intent::Reject`], and its budget is spent: [`SlotReply::Keep`];
    /// 6. [`SlotReply::Lead`], and this fetch holds the lease.
    Begin {
        /// The slot.
        slot: StoreName,
        /// The fetch that asks.
        id: FetchId,
        /// The fetch whose record is not wanted.
        unlike: Option<FetchId>,
        /// Why another one is wanted.
        intent: Intent,
        /// How long the lease is.
        lease: Duration,
    },
    /// Extends the lease: [`SlotReply::Done`], or [`SlotReply::Lost`] if the fetch does not hold it any more.
    Renew {
        /// The slot.
        slot: StoreName,
        /// The fetch that holds the lease.
        id: FetchId,
        /// How long the lease is from now on.
        lease: Duration,
    },
    /// Stores the record, ends the cooldown with all that is known about failures, and ends the lease if the fetch still holds it:
    /// [`SlotReply::Done`], whoever holds the lease by now.
    ///
    /// [`SlotReply::Newer`] if the record of a fetch that began later is there, which stays. [`SlotReply::Lost`] if the record would
    /// have no time left to live.
    Complete {
        /// The slot.
        slot: StoreName,
        /// The fetch.
        id: FetchId,
        /// As [`SlotReply::Lead`] gave it.
        fence: u64,
        /// What to store, at most [1 MiB](super::MAX_RECORD_LEN).
        record: Bytes,
        /// How long the record may live, from the moment at which the lease was given.
        lifetime: Duration,
        /// How much of it has passed by the clock of the process. A store with a clock of its own takes the larger of both.
        elapsed: Duration,
    },
    /// Ends the lease if the fetch still holds it, and begins a cooldown if it was given one: [`SlotReply::Done`]. A cooldown that
    /// ends later goes on, and tells the new note.
    Fail {
        /// The slot.
        slot: StoreName,
        /// The fetch.
        id: FetchId,
        /// What all processes are told, at most [64 bytes](super::MAX_NOTE_LEN), and for how long. The note is kept for ten more
        /// minutes, for [`SlotReply::Lead`].
        cooldown: Option<(Bytes, Duration)>,
    },
    /// Drops the record, or that of one fetch alone: [`SlotReply::Done`].
    Forget {
        /// The slot.
        slot: StoreName,
        /// Whose record; none is whatever there is.
        id: Option<FetchId>,
    },
}

/// A store's reply to a [`SlotRequest`]. `Debug` does not show the record.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotReply {
    /// There is a record.
    Record {
        /// The fetch that it is from.
        id: FetchId,
        /// The record.
        record: Bytes,
        /// How long it has to live.
        left: Duration,
    },
    /// This fetch has the lease.
    Lead {
        /// A number that is larger for each later fetch.
        fence: u64,
        /// The note of the last failure, if there was no success since and it is not older than ten minutes after its cooldown.
        failure: Option<Bytes>,
    },
    /// Another fetch has the lease.
    Wait {
        /// How long it has the lease, unless it is extended.
        left: Duration,
    },
    /// Nothing may be fetched.
    Cooldown {
        /// What [`SlotRequest::Fail`] told.
        note: Bytes,
        /// How long the cooldown lasts.
        left: Duration,
    },
    /// The budget for rejected records is spent: what there is stays in use.
    Keep,
    /// The value is of another layout, and was left alone.
    Foreign,
    /// It is done.
    Done,
    /// The lease is not this fetch's any more, or the record would have no time to live.
    Lost,
    /// The record of a later fetch is there.
    Newer,
}

// === impl FetchId ===

impl FetchId {
    /// The id of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Debug for FetchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An id stands for a token: logs that repeat it would tell which processes share one.
        f.write_str("FetchId(..)")
    }
}

// === impl SlotRequest ===

impl SlotRequest {
    /// The slot that is asked about.
    #[must_use]
    pub const fn slot(&self) -> &StoreName {
        match self {
            Self::Begin { slot, .. }
            | Self::Renew { slot, .. }
            | Self::Complete { slot, .. }
            | Self::Fail { slot, .. }
            | Self::Forget { slot, .. } => slot,
        }
    }
}

impl fmt::Debug for SlotRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self {
            Self::Begin { .. } => "Begin",
            Self::Renew { .. } => "Renew",
            Self::Complete { .. } => "Complete",
            Self::Fail { .. } => "Fail",
            Self::Forget { .. } => "Forget",
        };
        f.debug_struct(step).field("slot", self.slot()).finish_non_exhaustive()
    }
}

// === impl SlotReply ===

impl fmt::Debug for SlotReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { left, .. } => {
                f.debug_struct("Record").field("left", left).finish_non_exhaustive()
            }
            Self::Lead { fence, failure } => {
                f.debug_struct("Lead").field("fence", fence).field("failure", failure).finish()
            }
            Self::Wait { left } => f.debug_struct("Wait").field("left", left).finish(),
            Self::Cooldown { note, left } => {
                f.debug_struct("Cooldown").field("note", note).field("left", left).finish()
            }
            Self::Keep => f.write_str("Keep"),
            Self::Foreign => f.write_str("Foreign"),
            Self::Done => f.write_str("Done"),
            Self::Lost => f.write_str("Lost"),
            Self::Newer => f.write_str("Newer"),
        }
    }
}
