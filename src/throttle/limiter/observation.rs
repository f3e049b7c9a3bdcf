//! What one answer says about the quota.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

use http::HeaderMap;

use crate::headers::{RateLimit, ServerClock, Window};

/// How many counters of one answer are heeded; the rest are passed over.
pub(super) const MAX_READINGS: usize = 4;

/// What one answer says about the quota.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer {
    /// Whether the server refused the request for asking too much.
    pub refused: bool,
    /// The first counters of the headers.
    pub readings: [Option<Reading>; MAX_READINGS],
    /// The explicit delay of a refusal.
    pub retry_after: Option<Duration>,
    /// The server's `Date`; none if the answer has lain in a cache.
    pub date: Option<SystemTime>,
}

/// One counter, as an answer gives it.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Tells the counters of one server apart: a hash of their names.
    pub name: u64,
    /// How many requests a window lets through.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: u64,
    /// When it starts anew.
    pub reset: Option<Reset>,
}

/// When a counter starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// At this moment by the server's clock.
    At(SystemTime),
    /// So long after the answer.
    In(Duration),
}

// === impl Answer ===

impl Answer {
    /// An answer that was accepted and says nothing.
    pub(crate) const SILENT: Self =
        Self { refused: false, readings: [None; MAX_READINGS], retry_after: None, date: None };

    /// What the headers of an answer say, given what was read from them about its limit. `now` is the client's own clock.
    #[must_use]
    pub fn new(
        refused: bool,
        headers: &HeaderMap,
        limit: Option<&RateLimit>,
        now: SystemTime,
    ) -> Self {
        let date = ServerClock::date(headers, now);
        let mut readings = [None; MAX_READINGS];
        let windows = limit.map_or(&[][..], RateLimit::windows);
        let shown = windows.iter().filter_map(|window| Reading::of(window, date));
        for (slot, reading) in readings.iter_mut().zip(shown) {
            *slot = Some(reading);
        }
        Self { refused, readings, retry_after: limit.and_then(RateLimit::retry_after), date }
    }
}

// === impl Reading ===

impl Reading {
    /// None for a window that does not say what is left.
    fn of(window: &Window, date: Option<SystemTime>) -> Option<Self> {
        let mut name = DefaultHasher::new();
        (window.family(), window.name()).hash(&mut name);
        let moment = date.and_then(|date| window.reset_moment(date));
        Some(Self {
            name: name.finish(),
            limit: window.limit(),
            remaining: window.remaining()?,
            reset: moment.map(Reset::At).or_else(|| window.reset().map(Reset::In)),
        })
    }
}
