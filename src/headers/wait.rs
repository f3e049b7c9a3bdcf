use std::time::Duration;

/// The longest reported wait, 2^31 s: [RFC 9111 section 1.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2) has receivers
/// treat greater deltas as this value or their own maximum.
const LONGEST: Duration = Duration::from_secs(1 << 31);

/// A time from the response, in microseconds, rounded up, and negative if it has passed.
///
/// Negative times, which a `Duration` lacks, order two windows that have both ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wait(i64);

// === impl Wait ===

impl Wait {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn from_nanos(nanos: i128) -> Self {
        // A division of 64 bits is cheap, and they hold three centuries.
        if let Ok(nanos) = i64::try_from(nanos) {
            return Self(nanos.div_euclid(1_000) + i64::from(nanos.rem_euclid(1_000) > 0));
        }
        let micros = nanos.div_euclid(1_000) + i128::from(nanos.rem_euclid(1_000) > 0);
        Self(i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX }))
    }

    pub(super) const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whether it is no longer than this, before or after the response.
    pub(super) const fn is_within(self, span: Duration) -> bool {
        self.0.unsigned_abs() as u128 <= span.as_micros()
    }

    /// Clamps to zero and [`LONGEST`], and rounds up to a millisecond.
    pub(super) fn to_duration(self) -> Duration {
        let micros = u64::try_from(self.0).unwrap_or(0);
        Duration::from_millis(micros.div_ceil(1_000)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_to_a_millisecond_and_stays_in_range() {
        for (nanos, millis) in
            [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (-1, 0), (-5_000_000_000, 0)]
        {
            assert_eq!(
                Wait::from_nanos(nanos).to_duration(),
                Duration::from_millis(millis),
                "{nanos}"
            );
        }
        assert_eq!(Wait::from_nanos(i128::MAX).to_duration(), LONGEST);
        assert_eq!(Wait::from_nanos(i128::MIN).to_duration(), Duration::ZERO);
        assert_eq!(LONGEST.as_millis(), 2_147_483_648_000);
    }

    #[test]
    fn of_two_passed_times_the_last_is_the_later() {
        assert!(Wait::from_nanos(-1_000_000) > Wait::from_nanos(-2_000_000));
    }
}
