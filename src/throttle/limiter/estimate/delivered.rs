//! What the server has accepted lately.

use std::time::Duration;

use crate::moment::Moment;

use super::super::later;

/// Successes are counted over this time: a window that is filled at once is no higher rate.
const SPAN: Duration = Duration::from_secs(10);

/// The highest rate of two minutes: so long the clients of "Site Reliability Engineering" remember.
const SPANS: usize = 12;

/// What is left of the highest rate after each further span: about half after two minutes.
const FADES: f64 = 0.94;

/// The highest rate at which the server has accepted requests lately.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    since: Option<Moment>,
    count: u32,
    spans: [f32; SPANS],
    next: usize,
    /// The highest of longer ago, which no measurement lowers.
    peak: f64,
}

// === impl Delivered ===

impl Delivered {
    #[inline]
    pub(super) fn add(&mut self, now: Moment) {
        let since = *self.since.get_or_insert(now);
        if later(since, SPAN) <= now {
            self.end_span(now);
        }
        self.count = self.count.saturating_add(1);
    }

    pub(super) fn most(&mut self, now: Moment) -> f64 {
        let Some(since) = self.since else { return 0.0 };
        let passed = now.saturating_duration_since(since).max(Duration::from_secs(1));
        let most = self.spans.iter().copied().fold(0.0, f32::max);
        f64::from(most).max(f64::from(self.count) / passed.as_secs_f64())
    }

    /// The same, only of whole spans.
    pub(super) fn proven(&self) -> f64 {
        f64::from(self.spans.iter().copied().fold(0.0, f32::max))
    }

    /// No pace is slower: from a quarter it is at full speed again in half a minute.
    pub(super) fn floor(&self) -> f64 {
        self.peak / 4.0
    }

    /// The server is closed at a pace that it has accepted.
    pub(super) fn lower_floor(&mut self) {
        self.peak /= 2.0;
    }

    /// The rate was measured.
    pub(super) fn set(&mut self, rate: f64, now: Moment) {
        *self = Self { since: Some(now), peak: self.peak, ..Self::default() };
        self.spans[0] = rate as f32;
        self.next = 1;
    }

    fn end_span(&mut self, now: Moment) {
        let Some(since) = self.since else { return };
        let passed = now.saturating_duration_since(since).as_secs_f32();
        let empty = (passed / SPAN.as_secs_f32()) as usize - 1;
        let rate = self.count as f32 / passed.min(2.0 * SPAN.as_secs_f32());
        self.peak = (self.peak * FADES).max(f64::from(rate));
        self.spans[self.next] = rate;
        self.next = (self.next + 1) % SPANS;
        for _ in 0..empty.min(SPANS) {
            self.spans[self.next] = 0.0;
            self.next = (self.next + 1) % SPANS;
        }
        (self.since, self.count) = (Some(now), 0);
    }
}
