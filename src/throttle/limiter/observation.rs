//! What one response says about the quota.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

use http::HeaderMap;

use crate::headers::{RateLimit, ServerClock, Window};

/// The most counters of one response that are used.
pub(super) const MAX_READINGS: usize = 4;

/// What one response says about the quota.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation {
    /// Whether the server rejected the request because of a limit.
    pub rate_limited: bool,
    /// The first counters in the headers.
    pub readings: [Option<Reading>; MAX_READINGS],
    /// The explicit delay of a rate-limited response.
    pub retry_after: Option<Duration>,
    /// The server's `Date`; `None` if the response was stored in a cache.
    pub date: Option<SystemTime>,
}

/// One counter in a response.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Identifies the counter among those of one server: a hash of its names.
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
    pub(crate) const ACCEPTED: Self =
        Self { rate_limited: false, readings: [None; MAX_READINGS], retry_after: None, date: None };

    /// Reads the headers, given what was parsed of them. `now` is the client's own clock.
    #[must_use]
    pub fn new(
        rate_limited: bool,
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
        Self { rate_limited, readings, retry_after: limit.and_then(RateLimit::retry_after), date }
    }
}

// === impl Reading ===

impl Reading {
    /// `None` for a window that does not say what is left.
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
