//! HTTP-dates and RFC 3339 timestamps.
//!
//! The crate `httpdate` differs from [RFC 9110 section 5.6.7] and from real servers: it rejects a date with a wrong weekday, has no
//! years before 1970, and splits two-digit years at 1970. The tests compare this parser with it where they agree.
//!
//! [RFC 9110 section 5.6.7]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

use super::number::{Number, SECOND};

#[cfg(test)]
mod tests;

const DAY: i64 = 86_400;

/// Nanoseconds since 1970; negative before.
pub(crate) fn unix_nanos(time: SystemTime) -> i128 {
    let nanos = |span: std::time::Duration| i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => nanos(after),
        Err(before) => -nanos(before.duration()),
    }
}

/// Parses an HTTP-date in any of its three forms ([RFC 9110 section 5.6.7]) to nanoseconds since 1970.
///
/// `now` determines the century of a two-digit year.
///
/// [RFC 9110 section 5.6.7]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
#[cfg(any(test, feature = "response-cache"))]
pub(crate) fn http_date(text: &[u8], now: SystemTime) -> Option<i128> {
    let seconds = http_date_seconds(text, || now)?;
    Some(i128::from(seconds) * i128::from(SECOND))
}

/// As [`http_date`], in seconds. `now` is called only for a two-digit year.
pub(super) fn http_date_seconds(text: &[u8], now: impl FnOnce() -> SystemTime) -> Option<i64> {
    same_as_last(text).or_else(|| rfc850(text, now)).or_else(|| asctime(text))
}

const FIXDATE_LEN: usize = 29;

thread_local! {
    /// The last date that was parsed. All responses of one second have the same.
    static LAST: Cell<Option<([u8; FIXDATE_LEN], i64)>> = const { Cell::new(None) };
}

/// As [`imf_fixdate`], which need not parse a date again that it has just parsed.
fn same_as_last(text: &[u8]) -> Option<i64> {
    let text: [u8; FIXDATE_LEN] = text.try_into().ok()?;
    match LAST.get() {
        Some((last, seconds)) if last == text => Some(seconds),
        _ => {
            let seconds = imf_fixdate(&text)?;
            LAST.set(Some((text, seconds)));
            Some(seconds)
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<i64> {
    #[rustfmt::skip]
    let [
        w1, w2, w3, b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ',
        time @ .., b' ', b'G', b'M', b'T',
    ] = text else { return None };
    weekday(&[*w1, *w2, *w3])?;
    let year = decimal(&[*y1, *y2, *y3, *y4])?;
    at(days(year, month(&[*m1, *m2, *m3])?, decimal(&[*d1, *d2])?)?, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now: impl FnOnce() -> SystemTime) -> Option<i64> {
    #[rustfmt::skip]
    let [
        w1, w2, w3, name @ .., b',', b' ', d1, d2, b'-', m1, m2, m3, b'-', y1, y2, b' ',
        h1, h2, b':', n1, n2, b':', s1, s2, b' ', b'G', b'M', b'T',
    ] = text else { return None };
    if name != weekday(&[*w1, *w2, *w3])? {
        return None;
    }
    // A year that appears to be more than 50 years ahead MUST be taken for the most recent one in the past.
    let latest = year_of(now()).saturating_add(50);
    let year = latest - (latest - decimal(&[*y1, *y2])?).rem_euclid(100);
    let days = days(year, month(&[*m1, *m2, *m3])?, decimal(&[*d1, *d2])?)?;
    at(days, &[*h1, *h2, b':', *n1, *n2, b':', *s1, *s2])
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<i64> {
    #[rustfmt::skip]
    let [
        w1, w2, w3, b' ', m1, m2, m3, b' ', d1, d2, b' ',
        time @ .., b' ', y1, y2, y3, y4,
    ] = text else { return None };
    weekday(&[*w1, *w2, *w3])?;
    let day = if *d1 == b' ' { decimal(&[*d2])? } else { decimal(&[*d1, *d2])? };
    at(days(decimal(&[*y1, *y2, *y3, *y4])?, month(&[*m1, *m2, *m3])?, day)?, time)
}

/// Parses a `date-time` of [RFC 3339 section 5.6] to nanoseconds since 1970, rounded up. Seconds are optional, as in Jira's.
///
/// [RFC 3339 section 5.6]: https://www.rfc-editor.org/rfc/rfc3339#section-5.6
pub(crate) fn rfc3339(text: &[u8]) -> Option<i128> {
    let (date, text) = text.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
    let days = days(decimal(&[y1, y2, y3, y4])?, decimal(&[m1, m2])?, decimal(&[d1, d2])?)?;

    let [b'T' | b't', h1, h2, b':', n1, n2, rest @ ..] = text else { return None };
    let (second, offset) = match rest {
        [b':', s1, s2, rest @ ..] if s1.is_ascii_digit() && s2.is_ascii_digit() => {
            if rest.first().is_some_and(u8::is_ascii_digit) {
                return None;
            }
            Number::take(&text[7..])?
        }
        _ => (Number::ZERO, rest),
    };
    let offset = match *offset {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = clock(decimal(&[h1, h2])?, decimal(&[m1, m2])?)?;
            if sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };

    let minutes = clock(decimal(&[*h1, *h2])?, decimal(&[*n1, *n2])?)? - offset;
    let whole = i64::try_from(second.floor()).ok()?;
    let start = days * DAY + with_second(minutes, whole)? - whole;
    Some(i128::from(start) * i128::from(SECOND) + i128::try_from(second.nanos(SECOND)).ok()?)
}

/// `hh:mm:ss` on a day.
fn at(days: i64, time: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *time else { return None };
    let minutes = clock(decimal(&[h1, h2])?, decimal(&[m1, m2])?)?;
    Some(days * DAY + with_second(minutes, decimal(&[s1, s2])?)?)
}

/// Minutes of the day.
fn clock(hour: i64, minute: i64) -> Option<i64> {
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Seconds of the day in UTC. A leap second, which both grammars allow at the end of a day, is the first second of the next.
fn with_second(minutes: i64, second: i64) -> Option<i64> {
    let leap = second == 60 && (minutes + 1).rem_euclid(24 * 60) == 0;
    (second < 60 || leap).then_some(minutes * 60 + second)
}

/// Days since 1970 in the Gregorian calendar; none for an invalid date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // With years that start in March, the leap day is last, and every five months have 153 days.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(days_before_march(year) + of_year)
}

/// Days from 1970 to 1 March of `year`.
fn days_before_march(year: i64) -> i64 {
    const MARCH_1970: i64 = 365 * 1970 + 1970 / 4 - 1970 / 100 + 1970 / 400;
    const JANUARY_AND_FEBRUARY: i64 = 59;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) - MARCH_1970
        + JANUARY_AND_FEBRUARY
}

fn year_of(time: SystemTime) -> i64 {
    let days = i64::try_from(unix_nanos(time).div_euclid(i128::from(SECOND) * i128::from(DAY)))
        .unwrap_or(0);
    // 400 years have 146,097 days. Near the end of a year the guess may be one off.
    let guess = 1970 + (days * 400).div_euclid(146_097);
    let first_day = |year: i64| days_before_march(year - 1) + 306;
    if days < first_day(guess) {
        guess - 1
    } else if days >= first_day(guess + 1) {
        guess + 1
    } else {
        guess
    }
}

/// The rest of the weekday's full name.
fn weekday(name: &[u8; 3]) -> Option<&'static [u8]> {
    Some(match name {
        b"Mon" | b"Fri" | b"Sun" => b"day",
        b"Tue" => b"sday",
        b"Wed" => b"nesday",
        b"Thu" => b"rsday",
        b"Sat" => b"urday",
        _ => return None,
    })
}

fn month(name: &[u8; 3]) -> Option<i64> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// Parses a few digits.
fn decimal(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })
}
