//! What one process has found out about the limit, for the others of its fleet.

use std::time::Duration;

use tokio::time::Instant;

/// What a quota knows for certain of the limit that binds first in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Knowledge {
    /// Many requests were accepted, and no limit was seen.
    Open,
    /// A window that ends for all at once.
    Window {
        /// How many requests it lets through, and how many are left, less those in flight.
        limit: u64,
        /// See above.
        left: u64,
        /// From one end to the next, if two were seen.
        length: Option<Duration>,
        /// The earliest and the latest end.
        end: (Instant, Instant),
    },
    /// An even rate.
    Rate {
        /// How many can be saved up, if the server says so.
        limit: Option<u64>,
        /// How many a second.
        per_second: f64,
        /// How many are left now, if the server says so.
        left: Option<u64>,
    },
}

impl Knowledge {
    /// How many requests a second it lets through in the long run, as far as that is known.
    pub(super) fn rate(&self) -> f64 {
        match *self {
            Self::Open => f64::INFINITY,
            Self::Window { limit, length: Some(length), .. } => limit as f64 / length.as_secs_f64(),
            Self::Window { .. } => 0.0,
            Self::Rate { per_second, .. } => per_second,
        }
    }
}
