//! The time that processes share, where the server's own has whole seconds: a hybrid logical clock.
//!
//! Each record has the time at which it was written, by the clock of its writer. A reader whose clock says less puts it forward. So all
//! follow the clock that is ahead of the others, to within the shortest time that they have seen between a write of it and their own
//! read. A clock begins with the time of its host: where hosts agree there is nothing to put forward.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A time of day that no host has: a record that says more is damaged.
const LATEST: Duration = Duration::from_secs(250 * 365 * 24 * 60 * 60);

/// The shared time, by the clock of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Instant,
    /// The shared time at that moment.
    at_base: Duration,
}

// === impl Clock ===

impl Clock {
    /// A clock that begins with the time of this host.
    #[allow(
        clippy::disallowed_methods,
        reason = "it only begins with it, and tests set the beginning"
    )]
    pub(crate) fn new() -> Self {
        let at_base = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(Instant::now(), at_base.min(LATEST))
    }

    const fn at(base: Instant, at_base: Duration) -> Self {
        Self { base, at_base }
    }

    /// The shared time.
    pub(crate) fn now(&self, now: Instant) -> Duration {
        self.at_base.saturating_add(now.saturating_duration_since(self.base))
    }

    /// A record that was read says that it was written at this time.
    pub(crate) fn saw(&mut self, written: Duration, now: Instant) {
        let behind = written.saturating_sub(self.now(now));
        if written <= LATEST {
            self.at_base = self.at_base.saturating_add(behind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn a_clock_that_is_behind_follows_and_one_that_is_ahead_stays() {
        let begun = Instant::now();
        let mut behind = Clock::at(begun, HOUR);
        let mut ahead = Clock::at(begun, 2 * HOUR);
        let written = ahead.now(begun + 500 * MILLI);
        behind.saw(written, begun + 503 * MILLI);
        let later = begun + 700 * MILLI;
        assert_eq!(ahead.now(later) - behind.now(later), 3 * MILLI);
        ahead.saw(behind.now(later), later + MILLI);
        assert_eq!(ahead.now(later), 2 * HOUR + 700 * MILLI);
    }

    #[test]
    fn the_shortest_time_between_a_write_and_a_read_counts() {
        let begun = Instant::now();
        let ahead = Clock::at(begun, 2 * HOUR);
        let mut behind = Clock::at(begun, HOUR);
        for (at, gap) in [(100, 40), (200, 2), (300, 90)] {
            let written = begun + at * MILLI;
            behind.saw(ahead.now(written), written + gap * MILLI);
        }
        let later = begun + HOUR;
        assert_eq!(ahead.now(later) - behind.now(later), 2 * MILLI);
    }

    #[test]
    fn a_damaged_time_moves_nothing() {
        let begun = Instant::now();
        let mut clock = Clock::at(begun, HOUR);
        clock.saw(Duration::from_nanos(u64::MAX), begun);
        clock.saw(Duration::ZERO, begun);
        assert_eq!(clock.now(begun), HOUR);
    }
}
