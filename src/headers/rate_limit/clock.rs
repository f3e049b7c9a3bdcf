//! The server's clock, as far as one answer shows it.

use std::time::SystemTime;

use http::{HeaderMap, header};

use crate::headers::{
    date::{http_date, rfc3339, unix_nanos},
    number::{MILLISECOND, Number, SECOND, go_duration},
    rate_limit::text::trim,
    wait::Wait,
};

/// Below it a reset is seconds from now, up to 31 years.
const UNIX_SECONDS: u64 = 1_000_000_000;
/// From it on a reset is milliseconds since 1970; below it are the years 2001 to 5138 in seconds.
const UNIX_MILLIS: u64 = 100_000_000_000;

/// Measures moments from the one at which the answer was made.
pub(super) struct Clock<'a> {
    headers: &'a HeaderMap,
    now: SystemTime,
    /// In nanoseconds since 1970; worked out for the first moment that is met, since spans need no clock.
    base: Option<i128>,
}

// === impl Clock ===

impl<'a> Clock<'a> {
    pub(super) const fn new(headers: &'a HeaderMap, now: SystemTime) -> Self {
        Self { headers, now, base: None }
    }

    /// The first `Date` that can be read, else the client's own clock.
    ///
    /// Both ends of a wait are then the server's, so a client whose clock is off waits the right time all the same.
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

    /// `Retry-After`, which is an HTTP-date where it is no number.
    pub(super) fn until_date(&mut self, text: &[u8]) -> Option<Wait> {
        http_date(text, self.now).map(|date| self.until(date))
    }

    /// A reset that does not say what it is: its size tells, or its form.
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

/// Whether a reset, if it can be read at all, names a moment and not a span: ten digits are a date since 1970, and a date has
/// letters before its first digit or a hyphen after them.
pub(super) fn is_moment(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits == 0 || digits >= 10 || text.get(digits) == Some(&b'-')
}

/// So many units from now.
pub(super) fn span(number: Number, unit: u64) -> Wait {
    Wait::from_nanos(signed(number.nanos(unit)))
}

/// Seconds from now, whatever their size.
pub(super) fn seconds(text: &[u8]) -> Option<Wait> {
    Number::parse(text).map(|number| span(number, SECOND))
}

/// Go's durations from now.
pub(super) fn go_wait(text: &[u8]) -> Option<Wait> {
    go_duration(text).map(|nanos| Wait::from_nanos(signed(nanos)))
}

fn signed(nanos: u128) -> i128 {
    i128::try_from(nanos).unwrap_or(i128::MAX)
}
