//! The clock, read nowhere else.
//!
//! Spans are measured on tokio's monotonic [`Instant`], which a test can pause. Dates in headers and the ends of tokens are on the wall
//! clock, which tokio does not pause; a test sets it with a [`Clock`].

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// Where a layer reads the time. The default reads the machine's clocks.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_heed::clock::Clock;
///
/// let newyear = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
/// let clock = Clock::from_system_time(move || newyear);
/// assert_eq!(clock.system_time(), newyear);
/// ```
#[derive(Clone, Default)]
pub struct Clock {
    system_time: Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>,
}

// === impl Clock ===

impl Clock {
    /// A clock whose wall time `system_time` returns. Its monotonic time is tokio's.
    pub fn from_system_time<F>(system_time: F) -> Self
    where
        F: Fn() -> SystemTime + Send + Sync + 'static,
    {
        Self { system_time: Some(Arc::new(system_time)) }
    }

    /// A clock whose wall time is `start` now and moves with tokio's time, paused or not.
    #[must_use]
    pub fn starting_at(start: SystemTime) -> Self {
        let begun = Instant::now();
        Self::from_system_time(move || {
            start.checked_add(Instant::now().saturating_duration_since(begun)).unwrap_or(start)
        })
    }

    /// The monotonic time.
    #[inline]
    #[allow(clippy::unused_self, reason = "one place reads both clocks")]
    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    /// The wall time.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    pub fn system_time(&self) -> SystemTime {
        match &self.system_time {
            Some(read) => read(),
            None => SystemTime::now(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.system_time.is_some() { "Clock(set)" } else { "Clock(system)" })
    }
}

/// The milliseconds of a span, as in the fields of events.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
