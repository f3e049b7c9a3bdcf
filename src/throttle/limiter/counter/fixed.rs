//! A window that ends at a moment the server names.

use std::{
    cmp::Ordering,
    time::{Duration, SystemTime},
};

use crate::moment::Moment;

use super::{
    super::{MARGIN, Verdict, View, ago, later, level::Level},
    Fits, Sample, Scouts,
};
use crate::headers::ServerClock;

/// The number of windows that must begin as predicted before one is filled without a probe.
const PROOF: u32 = 2;

/// Moments in whole seconds may be rounded up by as much.
const ROUNDED: Duration = Duration::from_secs(1);

/// A window that ends, all at once, at a moment that the server names by its own clock.
///
/// ```text
///      lowest seen − in flight            one probe        the rest
///  ├────────────────────────┄┄┄┄┄┄┄┄┄┄┤·│  │├──────────────────────
///                            scouts    reset
/// ```
///
/// What is left is the lowest value seen under the same reset, less what is in flight. After the reset one request probes; once
/// windows have begun as predicted, the full limit is sent at once.
#[derive(Debug)]
pub(super) struct Fixed {
    reset: SystemTime,
    level: Level,
    /// The time from one reset to the next, if two have been seen.
    length: Option<Duration>,
    /// A lower bound of the length: the longest time from a response to the end of its window.
    least_length: Duration,
    /// Windows in a row that began as predicted.
    proven: u32,
    /// Windows in a row that were not full when they began.
    odd: u32,
    /// The window is treated as begun, and no response has shown it yet.
    presumed: bool,
    /// When a window was last presumed to begin: what was sent long before was counted in an earlier one.
    begun: Option<Moment>,
    /// When the server last named a reset.
    stated_at: Option<Moment>,
}

// === impl Fixed ===

impl Fixed {
    pub(super) fn new(reset: SystemTime) -> Self {
        Self {
            reset,
            level: Level::default(),
            length: None,
            least_length: Duration::ZERO,
            proven: 0,
            odd: 0,
            presumed: false,
            begun: None,
            stated_at: None,
        }
    }

    pub(super) fn check(
        &mut self,
        view: &View<'_>,
        clock: &ServerClock,
        limit: u64,
        scouts: &Scouts,
    ) -> Verdict {
        let (earliest, latest) = self.end(view, clock);
        let open = later(latest, MARGIN);
        let is_over = view.now >= open;
        if is_over && (self.proven < PROOF || !self.presume(view, clock, limit)) {
            return view.probe();
        }
        let left = self.level.left().saturating_sub(self.in_flight(view));
        if left == 0 {
            return Verdict::At(later(self.end(view, clock).1, MARGIN));
        }
        // The reset may be rounded up, until a window has begun as predicted.
        let from = if self.proven < PROOF { ago(earliest, ROUNDED) } else { earliest };
        scouts.check(view, left, limit, (from, latest))
    }

    pub(super) const fn length(&self) -> Option<Duration> {
        self.length
    }

    /// Whether a window has begun as predicted.
    pub(super) const fn is_proven(&self) -> bool {
        self.proven > 0
    }

    /// The most requests that can be sent before a moment: what is left, plus the limit for each window that begins until then.
    /// Those in flight are not taken off, since they may come back unsent. All moments may be rounded.
    pub(super) fn max_permits_before(
        &self,
        moment: Moment,
        view: &View<'_>,
        clock: &ServerClock,
        limit: u64,
    ) -> Option<u64> {
        if self.proven < PROOF {
            return None;
        }
        let (earliest, latest) = self.end(view, clock);
        let earliest = ago(earliest.min(latest), ROUNDED);
        let Some(after) = moment.checked_duration_since(earliest) else {
            return Some(self.level.left());
        };
        let length = self.least_length.saturating_sub(ROUNDED);
        if length.is_zero() {
            return None;
        }
        let windows = u64::try_from(after.as_nanos() / length.as_nanos()).ok()?.saturating_add(1);
        Some(self.level.left().saturating_add(limit.saturating_mul(windows)))
    }

    /// What is left now, and when all of it comes back.
    pub(super) fn left(&self, view: &View<'_>, clock: &ServerClock) -> (u64, Moment) {
        (self.level.left().saturating_sub(self.in_flight(view)), self.end(view, clock).1)
    }

    pub(super) fn read(
        &mut self,
        sample: &Sample,
        reset: SystemTime,
        clock: &mut ServerClock,
    ) -> Fits {
        let is_newest = self.stated_at.is_none_or(|at| sample.sent >= at);
        self.stated_at = Some(sample.received);
        if let Some((earliest, _)) = clock.when(reset) {
            let rest = earliest.saturating_duration_since(sample.received);
            self.least_length = self.least_length.max(rest);
        }
        let is_too_early = self.presumed && sample.rate_limited;
        match reset.cmp(&self.reset) {
            Ordering::Equal => return self.read_same(sample, clock),
            Ordering::Greater => return self.read_next(sample, reset, clock),
            // The window that was presumed has not begun.
            Ordering::Less if is_too_early => {
                clock.not_reached(reset, sample.sent);
                self.proven = 0;
                self.begin(reset);
                self.level.set(0, sample.received);
            }
            // The server's clock was set back.
            Ordering::Less if is_newest => {
                (self.proven, self.odd) = (0, 0);
                self.begin(reset);
                self.level.read(sample.sent, sample.counted_by, sample.left);
            }
            // Windows have passed unseen while their responses were on the way: one is shorter than was thought.
            Ordering::Less => {
                if let Some(shorter) = self.shorter_by(reset).filter(|_| !sample.rate_limited) {
                    (self.length, self.least_length) = (Some(shorter), shorter);
                    self.begin(reset);
                }
            }
        }
        Fits::Yes
    }

    /// The length of a window, if an earlier reset does not lie a whole number of windows before the current one.
    fn shorter_by(&self, reset: SystemTime) -> Option<Duration> {
        let length = self.length.filter(|length| !length.is_zero())?;
        let behind = self.reset.duration_since(reset).ok()?.as_nanos() % length.as_nanos();
        let behind = Duration::from_nanos(u64::try_from(behind).ok()?);
        (!behind.is_zero()).then(|| length - behind)
    }

    /// Reads a response in the current window.
    fn read_same(&mut self, sample: &Sample, clock: &mut ServerClock) -> Fits {
        // The server's own date shows whether it resets when it said.
        let is_over = sample.date.is_some_and(|date| date >= self.reset);
        let has_risen =
            sample.left > self.level.left() && self.level.at().is_some_and(|at| at <= sample.sent);
        if is_over && sample.left == 0 || has_risen {
            return Fits::No;
        }
        if !self.presumed {
            clock.not_reached(self.reset, sample.sent);
        }
        self.presumed = false;
        self.level.read(sample.sent, sample.counted_by, sample.left);
        Fits::Yes
    }

    /// Reads the first response in a later window.
    fn read_next(&mut self, sample: &Sample, reset: SystemTime, clock: &mut ServerClock) -> Fits {
        let next_second = sample.date.and_then(|date| date.checked_add(Duration::from_secs(1)));
        if next_second.is_some_and(|next| next <= self.reset) {
            return Fits::No;
        }
        clock.reached(self.reset, sample.counted_by);
        if !self.has_skipped(sample, clock) {
            self.length = reset.duration_since(self.reset).ok();
        }
        self.least_length = self.least_length.min(self.length.unwrap_or_default());
        self.judge(sample);
        if self.odd >= 2 {
            return Fits::No;
        }
        self.begin(reset);
        self.level.read(sample.sent, sample.counted_by, sample.left);
        Fits::Yes
    }

    fn begin(&mut self, reset: SystemTime) {
        self.reset = reset;
        self.presumed = false;
        self.level.clear();
    }

    /// Whether a whole window may have passed unseen: then two resets are further apart than one window is long.
    fn has_skipped(&self, sample: &Sample, clock: &ServerClock) -> bool {
        let next = self.length.and_then(|length| self.reset.checked_add(length));
        next.and_then(|next| clock.when(next))
            .is_some_and(|(earliest, _)| sample.received >= earliest)
    }

    /// Judges the begin of a window: a fixed window is full, in a sliding one the last requests still count.
    fn judge(&mut self, sample: &Sample) {
        let full = sample.left.saturating_add(1).saturating_add(sample.in_flight) >= sample.limit;
        (self.proven, self.odd) = if full { (self.proven + 1, 0) } else { (0, self.odd + 1) };
    }

    /// Presumes that the next window has begun.
    fn presume(&mut self, view: &View<'_>, clock: &ServerClock, limit: u64) -> bool {
        let Some(length) = self.length.filter(|length| !length.is_zero()) else { return false };
        let Some((_, latest)) = clock.when(self.reset).filter(|(_, latest)| *latest <= view.now)
        else {
            return false;
        };
        let behind = view.now.saturating_duration_since(latest).as_nanos() / length.as_nanos();
        let windows = u32::try_from(behind).unwrap_or(u32::MAX).saturating_add(1);
        self.reset = self.reset.checked_add(length.saturating_mul(windows)).unwrap_or(self.reset);
        self.presumed = true;
        self.level.set(limit, view.now);
        self.stated_at = Some(view.now);
        let end = self.end(view, clock).1;
        self.begun = Some(ago(end, length));
        end > view.now
    }

    /// How many requests may yet be counted in this window.
    fn in_flight(&self, view: &View<'_>) -> u64 {
        self.begun.map_or(view.in_flight.unsettled(), |begun| view.in_flight.counted_since(begun))
    }

    /// The earliest and the latest moment at which the window ends.
    pub(super) fn end(&self, view: &View<'_>, clock: &ServerClock) -> (Moment, Moment) {
        let (earliest, latest) = clock.when(self.reset).unwrap_or((view.now, view.now));
        (earliest, self.stated_at.map_or(latest, |at| view.cap(latest, at)))
    }
}
