//! What is known of a quota, for display.

use std::time::Duration;

/// The kind of limiter that the server seems to have, judged by its responses.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum LimiterKind {
    /// No request was rate limited and no response showed a counter.
    Unknown,
    /// A request was rate limited, and the throttle is finding out what is allowed.
    Learning,
    /// A window that ends at a moment the server names.
    #[non_exhaustive]
    FixedWindow {
        /// The time from one reset to the next; `None` until the server has named two.
        length: Option<Duration>,
    },
    /// At most the limit in any span of this length.
    #[non_exhaustive]
    SlidingWindow {
        /// The time from a request to the moment its unit is back; `None` until it is known.
        length: Option<Duration>,
    },
    /// A token bucket, which refills steadily.
    #[non_exhaustive]
    Bucket {
        /// The units that come back each second.
        per_second: f64,
    },
}

/// What is known of a quota at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// The kind of limiter.
    pub kind: LimiterKind,
    /// How many requests it lets through at once or in a window, if known.
    pub limit: Option<u64>,
    /// How many may be sent now, less those in flight; `None` if no counter was shown.
    pub remaining: Option<u64>,
    /// When more comes back, from now.
    pub reset: Option<Duration>,
    /// How many are in flight, or may be.
    pub in_flight: u64,
}

// === impl Snapshot ===

impl Snapshot {
    /// The limit in requests a second in the long run, if known.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        match self.kind {
            LimiterKind::Bucket { per_second } => Some(per_second),
            LimiterKind::FixedWindow { length } | LimiterKind::SlidingWindow { length } => {
                let length = length.filter(|length| !length.is_zero())?;
                Some(self.limit? as f64 / length.as_secs_f64())
            }
            LimiterKind::Unknown | LimiterKind::Learning => None,
        }
    }
}
