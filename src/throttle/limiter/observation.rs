//! What one response says about the quota.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, SystemTime},
};

use http::HeaderMap;

use crate::headers::{self, Bucket, Outcome, RateLimit, Repeat, Repeats, ServerClock, Window};

/// The most counters of one response that are used.
pub(super) const MAX_READINGS: usize = headers::MAX_WINDOWS;

thread_local! {
    /// The last few responses with counters.
    static REPEATS: RefCell<Repeats<Observation>> = const { RefCell::new(Repeats::new()) };

    /// The numbers of header fields of all that were remembered, one bit for each: other responses need not be compared.
    static LENGTHS: Cell<u64> = const { Cell::new(0) };
}

fn length(headers: &HeaderMap) -> u64 {
    1 << (headers.len() % 64)
}

/// What one response says about the quota.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation {
    /// Whether the server rejected the request because of a limit.
    pub rate_limited: bool,
    /// Whether it rejected the request for another reason that may pass: it is overloaded, or closed for a time (503, 529).
    pub unavailable: bool,
    /// Whether a 403 with an exhausted counter may be the limit, or the caller's missing right. The counter is not in the
    /// readings unless it [is](super::Quota::is_limit) the limit.
    pub ambiguous: Option<Reading>,
    /// Whether the response has shown counters that are not in the readings.
    pub withholds: bool,
    /// The first counters in the headers.
    pub readings: [Option<Reading>; MAX_READINGS],
    /// How long the server asks to wait, apart from what the counters say: the explicit delay, or a reset without a counter.
    pub retry_after: Option<Duration>,
    /// The server's `Date`; `None` if the response was stored in a cache.
    pub date: Option<SystemTime>,
}

/// One counter in a response.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Identifies the counter among those of one server.
    pub name: u64,
    /// How many requests a window lets through.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: u64,
    /// When it resets.
    pub reset: Option<Reset>,
}

/// When a counter resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// At this moment by the server's clock.
    At(SystemTime),
    /// This long after the response.
    In(Duration),
}

// === impl Observation ===

impl Observation {
    /// A success without rate-limit headers.
    pub(crate) const ACCEPTED: Self = Self {
        rate_limited: false,
        unavailable: false,
        ambiguous: None,
        withholds: false,
        readings: [None; MAX_READINGS],
        retry_after: None,
        date: None,
    };

    /// Reads the headers, given what was parsed of them. `now` is the client's own clock.
    #[must_use]
    pub fn new(
        rate_limited: bool,
        headers: &HeaderMap,
        limit: Option<&RateLimit>,
        now: SystemTime,
    ) -> Self {
        let date = ServerClock::date(headers, now);
        let mut seen = Self { rate_limited, date, ..Self::ACCEPTED };
        if let Some(limit) = limit {
            seen.read(limit);
        }
        seen
    }

    /// Reads the headers of a success, and the bucket that it names. `None` without a rate limit.
    #[inline]
    pub(crate) fn of_success<'a>(
        headers: &'a HeaderMap,
        now: &dyn Fn() -> SystemTime,
    ) -> Option<(Self, Option<Bucket<'a>>)> {
        if LENGTHS.get() & length(headers) != 0 {
            let found = REPEATS.with_borrow_mut(|repeats| {
                let (made, Repeat { left, bucket }) = repeats.recognise(headers)?;
                let mut seen = *made;
                for (reading, left) in seen.readings.iter_mut().zip(left) {
                    let Some(reading) = reading else { break };
                    reading.remaining = left;
                }
                Some((seen, bucket))
            });
            if found.is_some() {
                return found;
            }
        }
        Self::of_new_success(headers, now)
    }

    fn of_new_success<'a>(
        headers: &'a HeaderMap,
        now: &dyn Fn() -> SystemTime,
    ) -> Option<(Self, Option<Bucket<'a>>)> {
        let scan = RateLimit::scan(headers, now)?;
        let mut seen = Self { date: scan.date, ..Self::ACCEPTED };
        seen.read(&scan.limit);
        let counters = seen.readings.iter().flatten().count();
        if counters == scan.limit.windows().len() {
            REPEATS.with_borrow_mut(|repeats| repeats.remember(headers, &scan, seen));
            LENGTHS.set(LENGTHS.get() | length(headers));
        }
        Some((seen, scan.bucket.filter(|_| counters > 0)))
    }

    #[inline]
    fn read(&mut self, limit: &RateLimit) {
        let shown = limit.windows().iter().filter_map(|window| Reading::of(window, self.date));
        for (slot, reading) in self.readings.iter_mut().zip(shown) {
            *slot = Some(reading);
        }
        self.retry_after = limit.retry_after();
        if self.rate_limited && self.retry_after.is_none() && self.readings[0].is_none() {
            // A reset without units, and the drafts' push-back, say how long but are no counters.
            self.retry_after = limit.pause(Outcome::RateLimited);
        }
    }

    /// Whether the server rejected the request, and may accept it later.
    #[must_use]
    pub const fn is_rejection(&self) -> bool {
        self.rate_limited || self.unavailable
    }
}

// === impl Reading ===

impl Reading {
    /// `None` for a window that does not say what is left, and for one that never has anything.
    fn of(window: &Window, date: Option<SystemTime>) -> Option<Self> {
        if window.allows_nothing() {
            return None;
        }
        let moment = date.and_then(|date| window.reset_moment(date));
        Some(Self {
            name: window.id(),
            limit: window.limit(),
            remaining: window.remaining()?,
            reset: moment.map(Reset::At).or_else(|| window.reset().map(Reset::In)),
        })
    }
}

#[cfg(test)]
mod tests;
