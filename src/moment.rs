//! Moments that are cheap to compare and to add to.

use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;

const SECOND: u64 = 1_000_000_000;

/// No span is longer, in seconds.
const FAR: u64 = 1 << 31;

/// The first instant that became a moment in this process.
static BASE: OnceLock<Instant> = OnceLock::new();

/// A moment in whole nanoseconds, since an arbitrary one: an `Instant` has seconds apart, and each comparison and sum takes several
/// times as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(unnameable_types, reason = "only the crate's own tests reach it")]
pub struct Moment(i64);

// === impl Moment ===

impl Moment {
    /// Nanoseconds since an arbitrary moment.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The moment that is this many nanoseconds after the arbitrary one.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The moment plus a span, saturating.
    #[inline]
    #[must_use]
    pub const fn later(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// The moment minus a span, saturating.
    #[inline]
    #[must_use]
    pub const fn ago(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }

    /// The time since an earlier moment; zero if it is a later one.
    #[inline]
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        if self.0 > earlier.0 {
            Duration::from_nanos(self.0.abs_diff(earlier.0))
        } else {
            Duration::ZERO
        }
    }

    /// The time since an earlier moment; `None` if it is a later one.
    #[inline]
    #[must_use]
    pub fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        (self.0 >= earlier.0).then(|| self.saturating_duration_since(earlier))
    }
}

impl From<Instant> for Moment {
    #[inline]
    fn from(instant: Instant) -> Self {
        let base = *BASE.get_or_init(|| instant);
        match instant.checked_duration_since(base) {
            Some(after) => Self(nanos(after)),
            None => Self(-nanos(base.saturating_duration_since(instant))),
        }
    }
}

impl From<Moment> for Instant {
    fn from(moment: Moment) -> Self {
        let base = *BASE.get_or_init(Self::now);
        let span = Duration::from_nanos(moment.0.unsigned_abs());
        let instant = if moment.0 < 0 { base.checked_sub(span) } else { base.checked_add(span) };
        instant.unwrap_or(base)
    }
}

#[inline]
const fn nanos(span: Duration) -> i64 {
    let seconds = if span.as_secs() < FAR { span.as_secs() } else { FAR };
    (seconds * SECOND) as i64 + span.subsec_nanos() as i64
}
