use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

use super::{date::http_date_seconds, number::digits, rate_limit::text::trim};
use crate::moment::Moment;

/// The greatest drift between two computers' clocks: 100 µs per second, twice that of plain quartz.
const DRIFT_PER_SECOND: i64 = 100_000;

/// The greatest age of a `Date`, for servers that reuse one for a while.
const STALE: i64 = 100_000_000;

const SECOND: i64 = 1_000_000_000;

/// The server's clock, estimated from its `Date` headers as an interval that each response narrows.
///
/// `Date` has whole seconds, so one response bounds the server's clock to a second:
///
/// ```text
/// the response was made somewhere in here
///            ├──────────────┤
///           sent         received           our monotonic clock
///
///   Date − received  ≤  offset  <  Date + 1 s − sent
/// ```
///
/// The intersection over several responses is soon no wider than a round trip. Whether a response came before or after a known
/// time narrows it too ([`reached`](Self::reached), [`not_reached`](Self::not_reached)).
///
/// The interval grows slowly with time, because clocks drift. A response that contradicts it means that one of the clocks was set,
/// and the newest response wins. The client's wall clock and time zone do not matter: the server's dates are compared with monotonic
/// time only. Responses from a cache (`Age`) have an old `Date` and must be left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerClock(Option<Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// When the interval was last widened, in nanoseconds.
    widened: i64,
    /// The last `Date`, and the same since 1970.
    date: (SystemTime, i64),
    /// The last moment that was asked for, and the same since 1970: mostly the next one is the same.
    asked: (SystemTime, i64),
    /// The least difference between the server's time and ours, in nanoseconds.
    least: i64,
    /// The greatest one.
    most: i64,
}

// === impl ServerClock ===

impl ServerClock {
    /// An unknown clock.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// The `Date` of a response that is not from a cache.
    ///
    /// `now`, by the client's clock, determines the century of a two-digit year.
    #[must_use]
    pub fn date(headers: &HeaderMap, now: SystemTime) -> Option<SystemTime> {
        let mut ages = headers.get_all(header::AGE).iter();
        if ages.any(|age| is_cached(age.as_bytes())) {
            return None;
        }
        let read = |date: &HeaderValue| http_date_seconds(trim(date.as_bytes()), || now);
        moment(headers.get_all(header::DATE).iter().find_map(read)?)
    }

    /// Records the `Date` of a response.
    pub fn on_response(
        &mut self,
        sent: impl Into<Moment>,
        received: impl Into<Moment>,
        date: SystemTime,
    ) {
        let (sent, received) = (sent.into().nanos(), received.into().nanos());
        let Some(known) = &mut self.0 else {
            let nanos = unix(date);
            self.0 = Some(Known {
                widened: received,
                date: (date, nanos),
                asked: (date, nanos),
                least: nanos.saturating_sub(received),
                most: nanos.saturating_add(SECOND).saturating_sub(sent),
            });
            return;
        };
        if known.date.0 != date {
            known.date = (date, unix(date));
        }
        let date = known.date.1;
        let until = date.saturating_add(SECOND);
        known.narrow(received, date.saturating_sub(received), until.saturating_sub(sent));
    }

    /// Records that `moment` had not come at the server when a request was sent.
    pub fn not_reached(&mut self, moment: SystemTime, sent: impl Into<Moment>) {
        if let Some(known) = &mut self.0 {
            let (at, unix) = (sent.into().nanos(), known.unix(moment));
            known.asked = (moment, unix);
            known.narrow(at, i64::MIN, unix.saturating_sub(at));
        }
    }

    /// Records that `moment` had passed at the server when a response was received.
    pub fn reached(&mut self, moment: SystemTime, received: impl Into<Moment>) {
        if let Some(known) = &mut self.0 {
            let at = received.into().nanos();
            known.narrow(at, known.unix(moment).saturating_sub(at), i64::MAX);
        }
    }

    /// The earliest and the latest client time at which it is `moment` at the server. `None` before the first response.
    #[must_use]
    pub fn when(&self, moment: SystemTime) -> Option<(Moment, Moment)> {
        let known = self.0.as_ref()?;
        let unix = known.unix(moment);
        let at = |offset: i64| Moment::from_nanos(unix.saturating_sub(offset));
        Some((at(known.most), at(known.least)))
    }
}

// === impl Known ===

impl Known {
    #[inline]
    fn unix(&self, moment: SystemTime) -> i64 {
        if self.asked.0 == moment { self.asked.1 } else { unix(moment) }
    }

    /// `now` is in nanoseconds.
    fn narrow(&mut self, now: i64, least: i64, most: i64) {
        let passed = now.saturating_sub(self.widened);
        if passed >= SECOND {
            let drift = passed / SECOND * DRIFT_PER_SECOND;
            self.widened = now;
            self.least = self.least.saturating_sub(drift);
            self.most = self.most.saturating_add(drift);
        }
        let (low, high) = (self.least.max(least), self.most.min(most));
        (self.least, self.most) = match low.saturating_sub(high) {
            ..=0 => (low, high),
            // Of two that nearly agree we cannot know which is right, so the time lies between them.
            1..=STALE => (high, low),
            // One of the clocks was set. A bound on one side does not say to which time.
            _ if least == i64::MIN => (most.saturating_sub(SECOND), most),
            _ if most == i64::MAX => (least, least.saturating_add(SECOND)),
            _ => (least, most),
        };
    }
}

/// Whether an `Age` marks a response from a cache ([RFC 9111 section 5.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.1)).
pub(super) fn is_cached(age: &[u8]) -> bool {
    digits(trim(age)).is_some_and(|age| age > 0)
}

/// Seconds since 1970 as a time; `None` before.
pub(super) fn moment(seconds: i64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Nanoseconds since 1970, up to the year 2262.
fn unix(time: SystemTime) -> i64 {
    let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => nanos(after),
        Err(before) => nanos(before.duration()).saturating_neg(),
    }
}
