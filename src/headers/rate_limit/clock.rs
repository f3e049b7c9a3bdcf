use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

use crate::headers::{
    date::{http_date_seconds, rfc3339, unix_nanos},
    number::{MILLISECOND, Number, SECOND, go_duration},
    rate_limit::text::trim,
    wait::Wait,
};

/// A lower reset is in seconds from now, up to 31 years.
const UNIX_SECONDS: u64 = 1_000_000_000;
/// A reset from here on is in milliseconds since 1970. A lower one is in seconds, in the years 2001 to 5138.
const UNIX_MILLIS: u64 = 100_000_000_000;

/// `Retry-After` is a moment if it lies within ten years of the response; greater delays are seconds, whatever they mean.
const NEAR: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Measures times from the response.
pub(super) struct Clock<'a, 'n> {
    headers: &'a HeaderMap,
    now: &'n dyn Fn() -> SystemTime,
    /// The first `Date`, if it was passed.
    passed: Option<&'a HeaderValue>,
    /// The first valid `Date` in seconds since 1970, once it was needed.
    date: Option<Option<i64>>,
}

// === impl Clock ===

impl<'a, 'n> Clock<'a, 'n> {
    /// `now` reads the client's clock, which counts only without a valid `Date`.
    pub(super) const fn new(headers: &'a HeaderMap, now: &'n dyn Fn() -> SystemTime) -> Self {
        Self { headers, now, passed: None, date: None }
    }

    /// A `Date` of the response, so that it need not be looked up.
    pub(super) fn pass_date(&mut self, date: &'a HeaderValue) {
        self.passed.get_or_insert(date);
    }

    /// The first valid `Date`, in seconds since 1970.
    pub(super) fn date(&mut self) -> Option<i64> {
        if let Some(known) = self.date {
            return known;
        }
        let read = |date: &HeaderValue| http_date_seconds(trim(date.as_bytes()), self.now);
        let first = self.passed.and_then(read);
        let date = first.or_else(|| self.headers.get_all(header::DATE).iter().find_map(read));
        self.date = Some(date);
        date
    }

    /// The time until a moment in nanoseconds since 1970.
    ///
    /// With a `Date`, both ends of a wait are by the server's clock, and a wrong client clock does not matter.
    fn until(&mut self, moment: i128) -> Wait {
        let base = match self.date() {
            Some(seconds) => i128::from(seconds) * i128::from(SECOND),
            None => unix_nanos((self.now)()),
        };
        Wait::from_nanos(moment.saturating_sub(base))
    }

    /// The time until a whole number of seconds since 1970.
    fn until_second(&mut self, moment: i64) -> Wait {
        match self.date() {
            Some(seconds) => Wait::from_seconds(moment.saturating_sub(seconds)),
            None => self.until(i128::from(moment) * i128::from(SECOND)),
        }
    }

    /// The time until a moment in one of the forms of a date.
    fn until_date(&mut self, text: &[u8]) -> Option<Wait> {
        if let Some(moment) = rfc3339(text) {
            return Some(self.until(moment));
        }
        http_date_seconds(text, self.now).map(|moment| self.until_second(moment))
    }

    /// An explicit delay: seconds, or a moment in any form.
    ///
    /// Ten digits are a time since 1970 if that is near, so that a delay which is only absurd stays one.
    pub(super) fn delay(&mut self, text: &[u8]) -> Option<Wait> {
        let Some(number) = Number::parse(text) else { return self.until_date(text) };
        let unit = match number.floor() {
            ..UNIX_SECONDS => return Some(span(number, SECOND)),
            UNIX_SECONDS..UNIX_MILLIS => SECOND,
            UNIX_MILLIS.. => MILLISECOND,
        };
        let until = self.until(signed(number.nanos(unit)));
        Some(if until.is_within(NEAR) { until } else { span(number, SECOND) })
    }

    /// The time until a reset, whose size or form tells its unit, and whether it is an absolute time.
    pub(super) fn reset(&mut self, text: &[u8]) -> Option<(Wait, bool)> {
        if let Some(number) = Number::parse(text) {
            return Some(match number.floor() {
                ..UNIX_SECONDS => (span(number, SECOND), false),
                whole @ UNIX_SECONDS..UNIX_MILLIS if number.is_whole() => {
                    (self.until_second(whole as i64), true)
                }
                UNIX_SECONDS..UNIX_MILLIS => (self.until(signed(number.nanos(SECOND))), true),
                UNIX_MILLIS.. => (self.until(signed(number.nanos(MILLISECOND))), true),
            });
        }
        if let Some(nanos) = go_duration(text) {
            return Some((Wait::from_nanos(signed(nanos)), false));
        }
        self.until_date(text).map(|wait| (wait, true))
    }
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
