use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use tokio::time::Instant;

use super::{date::http_date, number::digits};

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
    /// When the interval was last widened.
    widened: Instant,
    /// The least server time at the base, in nanoseconds since 1970.
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
        let age = headers.get(header::AGE);
        if age.is_some_and(|age| digits(age.as_bytes().trim_ascii()).is_some_and(|age| age > 0)) {
            return None;
        }
        let date = http_date(headers.get(header::DATE)?.as_bytes().trim_ascii(), now)?;
        let seconds = u64::try_from(date / i128::from(SECOND)).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// Records the `Date` of a response.
    pub fn on_response(&mut self, sent: Instant, received: Instant, date: SystemTime) {
        let base = self.0.map_or(sent, |known| known.base);
        let date = unix(date);
        let least = date.saturating_sub(since(received, base));
        let most = date.saturating_add(SECOND).saturating_sub(since(sent, base));
        self.narrow(received, base, least, most);
    }

    /// Records that `moment` had not come at the server when a request was sent.
    pub fn not_reached(&mut self, moment: SystemTime, sent: Instant) {
        if let Some(known) = self.0 {
            let most = unix(moment).saturating_sub(since(sent, known.base));
            self.narrow(sent, known.base, i64::MIN, most);
        }
    }

    /// Records that `moment` had passed at the server when a response was received.
    pub fn reached(&mut self, moment: SystemTime, received: Instant) {
        if let Some(known) = self.0 {
            let least = unix(moment).saturating_sub(since(received, known.base));
            self.narrow(received, known.base, least, i64::MAX);
        }
    }

    /// The earliest and the latest client time at which it is `moment` at the server. `None` before the first response.
    #[must_use]
    pub fn when(&self, moment: SystemTime) -> Option<(Instant, Instant)> {
        let known = self.0?;
        let moment = unix(moment);
        let at = |offset: i64| after(known.base, moment.saturating_sub(offset));
        Some((at(known.most), at(known.least)))
    }

    fn narrow(&mut self, now: Instant, base: Instant, least: i64, most: i64) {
        let Some(known) = &mut self.0 else {
            self.0 = Some(Known { base, widened: now, least, most });
            return;
        };
        let drift = since(now, known.widened).max(0) / SECOND * DRIFT_PER_SECOND;
        if drift > 0 {
            known.widened = now;
            known.least = known.least.saturating_sub(drift);
            known.most = known.most.saturating_add(drift);
        }
        let (low, high) = (known.least.max(least), known.most.min(most));
        (known.least, known.most) = match low.saturating_sub(high) {
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
