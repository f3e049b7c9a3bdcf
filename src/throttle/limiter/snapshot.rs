//! What is known of a quota, to be shown.

use std::time::Duration;

/// What kind of limiter the server keeps, as far as its answers have shown.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Nothing was refused and no counter was shown.
    Unknown,
    /// Something was refused, and what is allowed is being found out.
    Learning,
    /// A window that ends at a moment the server names.
    FixedWindow {
        /// From one of the moments to the next, if two were named.
        length: Option<Duration>,
    },
    /// At most the limit in any span of this length, if it is known yet.
    Window {
        /// From a request to the moment its unit is back.
        length: Option<Duration>,
    },
    /// A bucket that fills steadily.
    Bucket {
        /// Units that come back in a second.
        per_second: f64,
    },
}

/// What is known of a quota at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// What kind of limiter it is.
    pub kind: Kind,
    /// How many requests it lets through at once or in a window, if known.
    pub limit: Option<u64>,
    /// How many may be sent now, those that are out taken off; `None` if no counter was shown.
    pub remaining: Option<u64>,
    /// When more comes back, from now.
    pub reset: Option<Duration>,
    /// How many are out, or may be.
    pub in_flight: u64,
}

// === impl Snapshot ===

impl Snapshot {
    /// How many requests a second the limit comes to in the long run, if that is known.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        match self.kind {
            Kind::Bucket { per_second } => Some(per_second),
            Kind::FixedWindow { length } | Kind::Window { length } => {
                let length = length.filter(|length| !length.is_zero())?;
                Some(self.limit? as f64 / length.as_secs_f64())
            }
            Kind::Unknown | Kind::Learning => None,
        }
    }
}
