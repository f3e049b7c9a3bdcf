//! What time it is at the server, as an interval that every answer narrows.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use tokio::time::Instant;

use super::{date::http_date, number::digits};

/// Clocks of computers drift apart by less than this: 100 µs in a second, twice what a plain quartz does.
const DRIFT_PER_SECOND: i64 = 100_000;

/// A `Date` that is late by no more than this was made a little before the answer, as servers do that keep one for a while.
const STALE: i64 = 100_000_000;

const SECOND: i64 = 1_000_000_000;

/// The server's clock, as far as its `Date` headers show it.
///
/// `Date` has whole seconds, so one answer bounds the server's clock only to a second:
///
/// ```text
/// the answer was made somewhere in here
///            ├──────────────┤
///           sent         received           our monotonic clock
///
///   Date − received  ≤  offset  <  Date + 1 s − sent
/// ```
///
/// But each answer's second begins at another moment, and the intervals of many answers have little in common: what all of
/// them allow is soon no wider than a round trip. Which side of a known moment an answer fell on narrows it too
/// ([`reached`](Self::reached), [`not_reached`](Self::not_reached)).
///
/// The interval grows slowly with time, as clocks drift. An answer that it cannot be squared with says that one of the clocks
/// was set, and the newest answer is believed. Neither the client's wall clock nor a wrong time zone plays a part: only
/// monotonic time is compared with the server's dates. Leave out answers from a cache (`Age`): their `Date` is an old one.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tokio::time::Instant;
/// use tower_heed::headers::ServerClock;
///
/// let (mut clock, start) = (ServerClock::new(), Instant::now());
/// let ten = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
/// clock.on_answer(start, start, ten);
/// // The answer was made somewhere in the server's second 10: second 11 begins within a second from it.
/// let (earliest, latest) = clock.when(ten + Duration::from_secs(1)).unwrap();
/// assert_eq!((earliest, latest), (start, start + Duration::from_secs(1)));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerClock(Option<Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// The moment that offsets are counted from.
    base: Instant,
    /// When the interval was last widened.
    widened: Instant,
    /// Nanoseconds since 1970 at the server, at the base: not less than this.
    least: i64,
    /// Nor more than this.
    most: i64,
}

// === impl ServerClock ===

impl ServerClock {
    /// A clock of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// The `Date` of an answer that shows what time it is at the server: not one that has lain in a cache, which `Age` tells.
    ///
    /// `now`, the client's own clock, tells the century of a date with a two-digit year.
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

    /// An answer came with this `Date` to a request that left at `sent`.
    pub fn on_answer(&mut self, sent: Instant, received: Instant, date: SystemTime) {
        let base = self.0.map_or(sent, |known| known.base);
        let date = unix(date);
        let least = date.saturating_sub(since(received, base));
        let most = date.saturating_add(SECOND).saturating_sub(since(sent, base));
        self.narrow(received, base, least, most);
    }

    /// An answer to a request that left at `sent` shows that this moment of the server's was still to come.
    pub fn not_reached(&mut self, moment: SystemTime, sent: Instant) {
        if let Some(known) = self.0 {
            let most = unix(moment).saturating_sub(since(sent, known.base));
            self.narrow(sent, known.base, i64::MIN, most);
        }
    }

    /// An answer that came at `received` shows that this moment of the server's was over.
    pub fn reached(&mut self, moment: SystemTime, received: Instant) {
        if let Some(known) = self.0 {
            let least = unix(moment).saturating_sub(since(received, known.base));
            self.narrow(received, known.base, least, i64::MAX);
        }
    }

    /// The earliest and the latest time by our clock at which it can be this moment at the server; the latter less the former is
    /// how well the clock is known. `None` before the first answer.
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
            // Which of two that nearly agree is right cannot be told: it lies between them.
            1..=STALE => (high, low),
            // One of the clocks was set. A bound on one side alone cannot say where it went.
            _ if least == i64::MIN => (most.saturating_sub(SECOND), most),
            _ if most == i64::MAX => (least, least.saturating_add(SECOND)),
            _ => (least, most),
        };
    }
}

/// Nanoseconds since 1970, which end in 2262.
fn unix(time: SystemTime) -> i64 {
    let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => nanos(after),
        Err(before) => nanos(before.duration()).saturating_neg(),
    }
}

/// Nanoseconds from one moment to another, negative if that came later.
fn since(later: Instant, earlier: Instant) -> i64 {
    let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match later.checked_duration_since(earlier) {
        Some(span) => nanos(span),
        None => nanos(earlier.saturating_duration_since(later)).saturating_neg(),
    }
}

/// The moment so many nanoseconds from another, as far as the clock can tell it.
fn after(base: Instant, nanos: i64) -> Instant {
    let span = Duration::from_nanos(nanos.unsigned_abs());
    let moment = if nanos < 0 { base.checked_sub(span) } else { base.checked_add(span) };
    moment.unwrap_or(base)
}
