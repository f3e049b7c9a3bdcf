//! What a store is asked about the shared quota, and what it replies.

use std::time::Duration;

use bytes::Bytes;

use super::StoreName;

/// One atomic step on the record of a quota. The store compares and sets, and tells its time; the processes do the rest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum QuotaRequest {
    /// Asks for the record: [`QuotaReply::Record`].
    Read {
        /// The name of the record.
        name: StoreName,
    },
    /// Replaces the record, if it is still the same and the deadline has not passed: [`QuotaReply::Swapped`], else
    /// [`QuotaReply::Record`] with what is there.
    Swap {
        /// The name of the record.
        name: StoreName,
        /// What was read; `None` if nothing was there.
        was: Option<Bytes>,
        /// What to write: less than two kilobytes.
        record: Bytes,
        /// How long the record is kept, if it is not written again.
        ttl: Duration,
        /// The store's time after which nothing is written: nobody waits for the reply any more.
        deadline: Duration,
    },
}

/// A store's reply to a [`QuotaRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuotaReply {
    /// What is there.
    Record {
        /// The store's time, from any origin. Only differences count.
        now: Duration,
        /// The record, if there is one.
        record: Option<Bytes>,
    },
    /// The record was replaced.
    Swapped,
}

// === impl QuotaRequest ===

impl QuotaRequest {
    /// The name of the record.
    #[must_use]
    pub const fn name(&self) -> &StoreName {
        match self {
            Self::Read { name } | Self::Swap { name, .. } => name,
        }
    }
}
