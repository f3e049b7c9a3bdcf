//! A wait as we say it ourselves.

use std::time::Duration;

/// A `Retry-After` of more than a day would be taken from a server that said something absurd: nobody counts by longer
/// windows.
const LONGEST: u64 = 24 * 60 * 60;

/// The seconds of a `Retry-After` field ([RFC 9110 section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)):
/// rounded up, so that nobody comes too early, at least one and at most a day.
pub(crate) fn retry_after_seconds(wait: Duration) -> u64 {
    let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    whole.clamp(1, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_and_stays_in_range() {
        for (wait, seconds) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(1_001), 2),
            (Duration::from_secs(86_400), 86_400),
            (Duration::from_secs(86_401), 86_400),
            (Duration::MAX, 86_400),
        ] {
            assert_eq!(retry_after_seconds(wait), seconds, "{wait:?}");
        }
    }
}
