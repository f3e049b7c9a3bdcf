use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;

use super::{date::http_date_seconds, number::digits, rate_limit::text::trim};

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
    /// The origin of the offsets.
    base: Instant,
    /// When the interval was last widened, in nanoseconds from the base.
    widened: i64,
    /// When the request of the last response was sent, and the same from the base.
    sent: (Instant, i64),
    /// The last `Date`, and the same since 1970.
    date: (SystemTime, i64),
    /// The last moment that had not come: mostly the same is asked for again, in an interval that is the same.
    awaited: Option<Awaited>,
    /// The least server time at the base, in nanoseconds since 1970.
    least: i64,
    /// The greatest one.
    most: i64,
}

/// When a moment comes, by one interval.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    moment: SystemTime,
    unix: i64,
    least: i64,
    most: i64,
    when: (Instant, Instant),
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
    pub fn on_response(&mut self, sent: Instant, received: Instant, date: SystemTime) {
        let Some(known) = &mut self.0 else {
            let nanos = unix(date);
            let widened = since(received, sent);
            self.0 = Some(Known {
                base: sent,
                widened,
                sent: (sent, 0),
                date: (date, nanos),
                awaited: None,
                least: nanos.saturating_sub(widened),
                most: nanos.saturating_add(SECOND),
            });
            return;
        };
        if known.date.0 != date {
            known.date = (date, unix(date));
        }
        let date = known.date.1;
        let until = date.saturating_add(SECOND);
        let (begin, end) = (since(sent, known.base), since(received, known.base));
        known.sent = (sent, begin);
        known.narrow(end, date.saturating_sub(end), until.saturating_sub(begin));
    }

    /// Records that `moment` had not come at the server when a request was sent.
    pub fn not_reached(&mut self, moment: SystemTime, sent: Instant) {
        if let Some(known) = &mut self.0 {
            let at = if sent == known.sent.0 { known.sent.1 } else { since(sent, known.base) };
            let unix = known.unix(moment);
            known.narrow(at, i64::MIN, unix.saturating_sub(at));
            known.wait_for(moment, unix);
        }
    }

    /// Records that `moment` had passed at the server when a response was received.
    pub fn reached(&mut self, moment: SystemTime, received: Instant) {
        if let Some(known) = &mut self.0 {
            let at = since(received, known.base);
            known.narrow(at, known.unix(moment).saturating_sub(at), i64::MAX);
        }
    }

    /// The earliest and the latest client time at which it is `moment` at the server. `None` before the first response.
    #[must_use]
    pub fn when(&self, moment: SystemTime) -> Option<(Instant, Instant)> {
        let known = self.0.as_ref()?;
        let awaited = known.awaited.filter(|awaited| known.is_up_to_date(awaited, moment));
        Some(match awaited {
            Some(awaited) => awaited.when,
            None => known.when(unix(moment)),
        })
    }
}

// === impl Known ===

impl Known {
    fn when(&self, unix: i64) -> (Instant, Instant) {
        let at = |offset: i64| after(self.base, unix.saturating_sub(offset));
        (at(self.most), at(self.least))
    }

    fn is_up_to_date(&self, awaited: &Awaited, moment: SystemTime) -> bool {
        awaited.moment == moment && awaited.least == self.least && awaited.most == self.most
    }

    fn unix(&self, moment: SystemTime) -> i64 {
        match &self.awaited {
            Some(awaited) if awaited.moment == moment => awaited.unix,
            _ => unix(moment),
        }
    }

    fn wait_for(&mut self, moment: SystemTime, unix: i64) {
        if !self.awaited.is_some_and(|awaited| self.is_up_to_date(&awaited, moment)) {
            let (least, most, when) = (self.least, self.most, self.when(unix));
            self.awaited = Some(Awaited { moment, unix, least, most, when });
        }
    }

    /// `now` is in nanoseconds from the base.
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

/// Nanoseconds from `earlier` to `later`; negative if they are swapped.
fn since(later: Instant, earlier: Instant) -> i64 {
    let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match later.checked_duration_since(earlier) {
        Some(span) => nanos(span),
        None => nanos(earlier.saturating_duration_since(later)).saturating_neg(),
    }
}

/// `base` plus `nanos`; `base` if the clock cannot represent it.
fn after(base: Instant, nanos: i64) -> Instant {
    let span = Duration::from_nanos(nanos.unsigned_abs());
    let moment = if nanos < 0 { base.checked_sub(span) } else { base.checked_add(span) };
    moment.unwrap_or(base)
}
