use std::time::SystemTime;

use http::{HeaderMap, header};

use crate::headers::{
    date::{http_date, rfc3339, unix_nanos},
    number::{MILLISECOND, Number, SECOND, go_duration},
    rate_limit::text::trim,
    wait::Wait,
};

/// A lower reset is in seconds from now, up to 31 years.
const UNIX_SECONDS: u64 = 1_000_000_000;
/// A reset from here on is in milliseconds since 1970. A lower one is in seconds, in the years 2001 to 5138.
const UNIX_MILLIS: u64 = 100_000_000_000;

/// Measures times from the response.
pub(super) struct Clock<'a> {
    headers: &'a HeaderMap,
    now: SystemTime,
    /// The response's time in nanoseconds since 1970. Computed for the first absolute time.
    base: Option<i128>,
}

// === impl Clock ===

impl<'a> Clock<'a> {
    pub(super) const fn new(headers: &'a HeaderMap, now: SystemTime) -> Self {
        Self { headers, now, base: None }
    }

    /// The first valid `Date`, or else the client's clock.
    ///
    /// With a `Date`, both ends of a wait are by the server's clock, and a wrong client clock does not matter.
    fn base(&mut self) -> i128 {
        *self.base.get_or_insert_with(|| {
            let dates = self.headers.get_all(header::DATE);
            let date = dates.iter().find_map(|date| http_date(trim(date.as_bytes()), self.now));
            date.unwrap_or_else(|| unix_nanos(self.now))
        })
    }

    fn until(&mut self, moment: i128) -> Wait {
        Wait::from_nanos(moment.saturating_sub(self.base()))
    }

    /// The time until an HTTP-date.
    pub(super) fn until_date(&mut self, text: &[u8]) -> Option<Wait> {
        http_date(text, self.now).map(|date| self.until(date))
    }

    /// The time until a reset, whose size or form tells its unit.
    pub(super) fn reset(&mut self, text: &[u8]) -> Option<Wait> {
        if let Some(number) = Number::parse(text) {
            return Some(match number.floor() {
                ..UNIX_SECONDS => span(number, SECOND),
                UNIX_SECONDS..UNIX_MILLIS => self.until(signed(number.nanos(SECOND))),
                UNIX_MILLIS.. => self.until(signed(number.nanos(MILLISECOND))),
            });
        }
        if let Some(nanos) = go_duration(text) {
            return Some(Wait::from_nanos(signed(nanos)));
        }
        let moment = rfc3339(text).or_else(|| http_date(text, self.now))?;
        Some(self.until(moment))
    }
}

/// Whether a valid reset is an absolute time: ten digits are a time since 1970, and a date starts with letters or has a hyphen after
/// its digits.
pub(super) fn is_moment(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits == 0 || digits >= 10 || text.get(digits) == Some(&b'-')
}

/// `number` units from now.
pub(super) fn span(number: Number, unit: u64) -> Wait {
    Wait::from_nanos(signed(number.nanos(unit)))
}

/// Seconds from now, of any size.
pub(super) fn seconds(text: &[u8]) -> Option<Wait> {
    Number::parse(text).map(|number| span(number, SECOND))
}

/// A Go duration from now.
pub(super) fn go_wait(text: &[u8]) -> Option<Wait> {
    go_duration(text).map(|nanos| Wait::from_nanos(signed(nanos)))
}

fn signed(nanos: u128) -> i128 {
    i128::try_from(nanos).unwrap_or(i128::MAX)
}
