use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

use super::{
    Bucket, RateLimit,
    bucket::BucketFields,
    clock::{self, Clock},
    dialect::{Delay, Dialect, Shape},
    dialects, flat, grpc,
    structured::Structured,
    text::trim,
    window::Window,
};
use crate::headers::{
    number::{MILLISECOND, Number},
    server_clock,
    wait::Wait,
};

/// Two inline, because most servers with more than one window send the same one under two names.
pub(super) type Windows = SmallVec<[Window; 2]>;

/// An explicit delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExplicitDelay {
    /// The header's row. A lower one takes precedence.
    row: u8,
    pub(super) wait: Wait,
}

/// No real server has more windows. Further windows are skipped; headers for a known window are still read.
pub(super) const MAX_WINDOWS: usize = 64;

pub(super) struct Reader<'a, 'n> {
    headers: &'a HeaderMap,
    pub(super) clock: Clock<'a, 'n>,
    limit: RateLimit,
    /// Whether the response is from a cache.
    is_cached: bool,
    /// Read at the first line of either structured field.
    structured: Option<Structured>,
    pub(super) bucket: BucketFields<'a>,
}

/// All that the headers say of a rate limit, read in one pass.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) limit: RateLimit,
    /// The same as [`ServerClock::date`](crate::headers::ServerClock::date).
    pub(crate) date: Option<SystemTime>,
    /// The same as [`Bucket::from_headers`].
    pub(crate) bucket: Option<Bucket<'a>>,
}

// === impl Reader ===

impl<'a, 'n> Reader<'a, 'n> {
    /// Reads all headers. `None` without a rate limit.
    #[inline]
    pub(super) fn read(headers: &'a HeaderMap, now: &'n dyn Fn() -> SystemTime) -> Option<Self> {
        // Most responses say nothing, which their header names show.
        let mut lines = headers.iter();
        let is_ours = |(name, _): &(&HeaderName, _)| dialects::find(name.as_str()).is_some();
        if lines.any(|line| is_ours(&line)) { Self::read_any(headers, now) } else { None }
    }

    fn read_any(headers: &'a HeaderMap, now: &'n dyn Fn() -> SystemTime) -> Option<Self> {
        let mut reader = Self {
            headers,
            clock: Clock::new(headers, now),
            limit: RateLimit { windows: Windows::new(), delay: None },
            is_cached: false,
            structured: None,
            bucket: BucketFields::default(),
        };
        for (name, value) in headers {
            if let Some(found) = dialects::find(name.as_str()) {
                reader.line(found, value);
            } else if name == header::DATE {
                reader.clock.pass_date(value);
            } else if name == header::AGE {
                // RFC 9111 section 5.1. The counters are old, and the draft says to ignore them.
                reader.is_cached |= server_clock::is_cached(value.as_bytes());
            }
        }
        if reader.is_cached {
            reader.limit.windows.clear();
        }
        if reader.limit.windows.iter().any(|window| !window.is_metered()) {
            reader.limit.windows.retain(|window| window.is_metered());
        }
        if reader.limit.delay.is_none() && reader.limit.windows.is_empty() {
            return None;
        }
        Some(reader)
    }

    pub(super) fn into_limit(self) -> RateLimit {
        self.limit
    }

    pub(super) fn into_scan(mut self) -> Scan<'a> {
        let date = if self.is_cached { None } else { self.clock.date() };
        Scan {
            limit: self.limit,
            date: date.and_then(server_clock::moment),
            bucket: self.bucket.bucket(),
        }
    }

    fn line(&mut self, (row, dialect, rest): (u8, &'static Dialect, &str), value: &'a HeaderValue) {
        let value = trim(value.as_bytes());
        match &dialect.shape {
            Shape::Delay(delay) => self.delay(row, *delay, value),
            Shape::Flat(keys, words) => flat::read(self, dialect, (*keys, words), rest, value),
            Shape::Items => {
                let counters = self.structured().take_items();
                counters.into_iter().for_each(|counter| self.push(counter.window(dialect)));
            }
            Shape::Policies => {
                let counters = self.structured().take_policies();
                counters.into_iter().for_each(|counter| self.push(counter.window(dialect)));
            }
            Shape::Vendor(read) => read(self, dialect, rest, value),
        }
    }

    /// Among several names the first row counts, among several lines of one name the longest delay.
    fn delay(&mut self, row: u8, delay: Delay, value: &[u8]) {
        let wait = match delay {
            Delay::Millis => Number::parse(value).map(|number| clock::span(number, MILLISECOND)),
            Delay::Seconds => clock::seconds(value),
            Delay::SecondsOrMoment => self.clock.delay(value),
            Delay::GoDuration => clock::go_wait(value),
            Delay::RetryInfo => grpc::retry_delay(value),
        };
        let Some(wait) = wait else { return };
        let known = self.limit.delay;
        if known.is_none_or(|known| row < known.row || (row == known.row && wait > known.wait)) {
            self.limit.delay = Some(ExplicitDelay { wait, row });
        }
    }

    fn structured(&mut self) -> &mut Structured {
        self.structured.get_or_insert_with(|| Structured::read(self.headers))
    }

    /// The window of this name, created if it is new.
    pub(super) fn window(
        &mut self,
        dialect: &'static Dialect,
        name: Option<&str>,
    ) -> Option<&mut Window> {
        let same = |window: &Window| window.dialect == dialect && window.name() == name;
        let at = self.limit.windows.iter().position(same).unwrap_or(self.limit.windows.len());
        if at == self.limit.windows.len() && at < MAX_WINDOWS {
            self.limit.windows.push(Window::new(dialect, name.map(Box::from)));
        }
        self.limit.windows.get_mut(at)
    }

    /// Adds a window, even if its name exists already, unless it is empty.
    pub(super) fn push(&mut self, window: Window) {
        if self.limit.windows.len() < MAX_WINDOWS && !window.is_empty() {
            self.limit.windows.push(window);
        }
    }
}

// === impl ExplicitDelay ===

impl ExplicitDelay {
    /// The name of its header.
    pub(super) fn header(self) -> &'static str {
        dialects::DIALECTS[usize::from(self.row)].name
    }
}
