//! The forms in which servers say "slow down".

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

use super::{Nanos, SECOND};

/// A refusal: its status, and what `Retry-After` says.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    pub status: u16,
    pub wait: Option<(Wait, Form)>,
}

/// How long a refusal asks to wait.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Seconds(u64),
    /// Until the trouble is over.
    UntilOver,
}

/// How `Retry-After` is written.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Seconds,
    /// An HTTP-date.
    Date,
    /// Seconds since 1970.
    Epoch,
    /// `2023-11-14T22:13:20Z`.
    Iso,
}

// === impl Refusal ===

impl Refusal {
    /// A refusal that does not say how long to wait.
    pub const fn bare(status: u16) -> Self {
        Self { status, wait: None }
    }

    pub const fn seconds(status: u16, seconds: u64) -> Self {
        Self { status, wait: Some((Wait::Seconds(seconds), Form::Seconds)) }
    }

    pub const fn until_over(status: u16, form: Form) -> Self {
        Self { status, wait: Some((Wait::UntilOver, form)) }
    }

    /// The header fields of a refusal at `now`, in a trouble that is over at `over`.
    pub(super) fn fields(&self, now: Nanos, over: Nanos) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some((wait, form)) = self.wait else { return headers };
        let until = match wait {
            Wait::Seconds(seconds) => now + seconds * SECOND,
            Wait::UntilOver => over,
        };
        let second = until.div_ceil(SECOND);
        let date = |second| {
            let date =
                httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            HeaderValue::try_from(date).expect("a date is plain text")
        };
        headers.insert(header::DATE, date(now / SECOND));
        let value = match form {
            Form::Seconds => (until - now).div_ceil(SECOND).into(),
            Form::Date => date(second),
            Form::Epoch => second.into(),
            Form::Iso => HeaderValue::try_from(iso(second)).expect("a date is plain text"),
        };
        headers.insert(header::RETRY_AFTER, value);
        headers
    }
}

/// The date and time of day of a second since 1970, in UTC.
fn iso(second: u64) -> String {
    let (mut day, time) = (second / 86_400, second % 86_400);
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_written_in_each_form() {
        let now = 1_700_000_000 * SECOND;
        let of = |form| {
            let fields = Refusal::until_over(429, form).fields(now, now + 60 * SECOND);
            fields[header::RETRY_AFTER].to_str().unwrap().to_owned()
        };
        assert_eq!(of(Form::Seconds), "60");
        assert_eq!(of(Form::Date), "Tue, 14 Nov 2023 22:14:20 GMT");
        assert_eq!(of(Form::Epoch), "1700000060");
        assert_eq!(of(Form::Iso), "2023-11-14T22:14:20Z");
        assert_eq!(iso(1_709_208_000), "2024-02-29T12:00:00Z");
    }
}
