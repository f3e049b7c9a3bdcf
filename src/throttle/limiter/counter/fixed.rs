//! A window that ends at a moment the server names.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{
    super::{Verdict, View, ago, later, level::Level},
    Fits, Scouts, Sighting,
};
use crate::headers::ServerClock;

/// So many windows have to begin as foretold before one is filled without asking.
const PROOF: u32 = 2;

/// Moments of whole seconds may be rounded up by as much.
const ROUNDED: Duration = Duration::from_secs(1);

/// A window that ends, all at once, at a moment that the server names in its own time.
///
/// ```text
///      least seen − still out             one probe        the rest
///  ├────────────────────────┄┄┄┄┄┄┄┄┄┄┤·│  │├──────────────────────
///                            scouts    reset
/// ```
///
/// What is left is the least seen under the same reset, less what is still out. After the reset one request goes as a probe;
/// once windows have begun as foretold, the full limit goes at once.
#[derive(Debug)]
pub(super) struct Fixed {
    reset: SystemTime,
    level: Level,
    /// From one reset to the next, if two have been seen.
    length: Option<Duration>,
    /// A window is no shorter: the longest time from an answer to the end of its window.
    least_length: Duration,
    /// Windows that began as foretold, in a row.
    proven: u32,
    /// Windows that were not full when they began, in a row.
    odd: u32,
    /// The window was taken to have begun, and no answer has shown it yet.
    presumed: bool,
    turned_over: bool,
    /// When the server last spoke of it.
    told: Option<Instant>,
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
            turned_over: false,
            told: None,
        }
    }

    pub(super) fn turn(
        &mut self,
        view: &View,
        clock: &ServerClock,
        limit: u64,
        scouts: &Scouts,
    ) -> Verdict {
        let (earliest, latest) = self.end(view, clock);
        let open = later(latest, view.margin);
        let is_over = view.now >= open;
        if is_over && (self.proven < PROOF || !self.presume(view, clock, limit)) {
            return view.probe();
        }
        // Those that hang were counted in the window that is over, or not at all.
        let out = if self.turned_over { view.awaited } else { view.out };
        let left = self.level.left().saturating_sub(out);
        if left == 0 {
            return Verdict::At(later(self.end(view, clock).1, view.margin));
        }
        // Until a window has begun as foretold, the moment may be one that was rounded up.
        let from = if self.proven < PROOF { ago(earliest, ROUNDED) } else { earliest };
        scouts.turn(view, left, limit, from, latest)
    }

    /// From one reset to the next, to be shown.
    pub(super) const fn length(&self) -> Option<Duration> {
        self.length
    }

    /// Whether a window has begun as foretold.
    pub(super) const fn is_proven(&self) -> bool {
        self.proven > 0
    }

    /// Whether a new window was taken to have begun, since this was last asked.
    pub(super) const fn has_turned_over(&mut self) -> bool {
        std::mem::replace(&mut self.turned_over, false)
    }

    /// How many can be sent at most before a moment: what is left, those that are out among it since they may come back unsent,
    /// and the limit for each window that begins until then. All moments may be rounded.
    pub(super) fn turns_before(
        &self,
        moment: Instant,
        view: &View,
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
    pub(super) fn left(&self, view: &View, clock: &ServerClock) -> (u64, Instant) {
        (self.level.left().saturating_sub(view.out), self.end(view, clock).1)
    }

    pub(super) fn read(
        &mut self,
        seen: &Sighting,
        reset: SystemTime,
        clock: &mut ServerClock,
    ) -> Fits {
        let is_newest = self.told.is_none_or(|told| seen.sent >= told);
        self.told = Some(seen.received);
        if let Some((earliest, _)) = clock.when(reset) {
            let rest = earliest.saturating_duration_since(seen.received);
            self.least_length = self.least_length.max(rest);
        }
        // The server's own date tells whether it keeps the moment that it named.
        let is_over = seen.date.map(|date| date >= self.reset);
        let is_not_over = seen.date.map(|date| {
            date.checked_add(Duration::from_secs(1)).is_some_and(|next| next <= self.reset)
        });
        if reset == self.reset {
            if is_over == Some(true) && seen.left == 0 {
                return Fits::No;
            }
            if seen.left > self.level.left() && self.level.at().is_some_and(|at| at <= seen.sent) {
                // It came back before the time.
                return Fits::No;
            }
            if !self.presumed {
                clock.not_reached(reset, seen.sent);
            }
            self.presumed = false;
            self.level.read(seen.sent, seen.received, seen.left);
        } else if reset > self.reset {
            if is_not_over == Some(true) {
                return Fits::No;
            }
            clock.reached(self.reset, seen.received);
            if !self.has_skipped(seen, clock) {
                self.length = reset.duration_since(self.reset).ok();
            }
            self.least_length = self.least_length.min(self.length.unwrap_or_default());
            self.judge(seen);
            if self.odd >= 2 {
                return Fits::No;
            }
            self.reset = reset;
            self.presumed = false;
            self.level.clear();
            self.level.read(seen.sent, seen.received, seen.left);
        } else if is_newest && !(self.presumed && seen.refused) {
            // The server's clock was set back.
            self.reset = reset;
            (self.proven, self.odd, self.presumed) = (0, 0, false);
            self.level.clear();
            self.level.read(seen.sent, seen.received, seen.left);
        } else if self.presumed && seen.refused {
            // It had not begun after all.
            clock.not_reached(reset, seen.sent);
            self.reset = reset;
            self.presumed = false;
            self.proven = 0;
            self.level.set(0, seen.received);
        }
        Fits::Yes
    }

    /// Whether a whole window may have passed unseen since the one that is known: then two resets are further apart than one
    /// window is long.
    fn has_skipped(&self, seen: &Sighting, clock: &ServerClock) -> bool {
        let next = self.length.and_then(|length| self.reset.checked_add(length));
        next.and_then(|next| clock.when(next))
            .is_some_and(|(earliest, _)| seen.received >= earliest)
    }

    /// A fixed window is full when it begins. In a sliding one, what was sent last still counts.
    fn judge(&mut self, seen: &Sighting) {
        let full = seen.left.saturating_add(1).saturating_add(seen.out) >= seen.limit;
        (self.proven, self.odd) = if full { (self.proven + 1, 0) } else { (0, self.odd + 1) };
    }

    /// Takes the next window to have begun.
    fn presume(&mut self, view: &View, clock: &ServerClock, limit: u64) -> bool {
        let Some(length) = self.length.filter(|length| !length.is_zero()) else { return false };
        let Some((_, latest)) = clock.when(self.reset).filter(|(_, latest)| *latest <= view.now)
        else {
            return false;
        };
        let behind = view.now.saturating_duration_since(latest).as_nanos() / length.as_nanos();
        let windows = u32::try_from(behind).unwrap_or(u32::MAX).saturating_add(1);
        self.reset = self.reset.checked_add(length.saturating_mul(windows)).unwrap_or(self.reset);
        (self.presumed, self.turned_over) = (true, true);
        self.level.set(limit, view.now);
        self.told = Some(view.now);
        self.end(view, clock).1 > view.now
    }

    fn end(&self, view: &View, clock: &ServerClock) -> (Instant, Instant) {
        let (earliest, latest) = clock.when(self.reset).unwrap_or((view.now, view.now));
        (earliest, self.told.map_or(latest, |told| view.cap(latest, told)))
    }
}
