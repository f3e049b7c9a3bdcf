//! The quota of one key.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Availability, LimiterKind, Observation, Permit, Reading, Reset, Snapshot, Verdict, View,
    counter::{Counter, Report},
    estimate::{Estimate, RoundTrip},
    in_flight::InFlight,
    later,
    observation::MAX_READINGS,
};
use crate::{extensions::ambient::Paced, headers::ServerClock};

/// The longest round trip that counts for the average.
const SLOW: Duration = Duration::from_secs(1);

/// The quota that all callers of one key share.
#[derive(Debug)]
pub struct Quota {
    max_block: Duration,
    in_flight: InFlight,
    clock: ServerClock,
    /// The moving average of the round trips, in nanoseconds.
    rtt: Option<u64>,
    /// No request is sent before this moment, by the server.
    blocked_until: Option<Instant>,
    counters: Vec<Counter>,
    estimate: Estimate,
    /// Whether the last response may have been the limit.
    was_ambiguous: bool,
    /// Since when there was no permit for anybody.
    stopped: Option<Instant>,
}

// === impl Quota ===

impl Quota {
    /// The default of [`max_block`](Self::max_block): one hour.
    pub const DEFAULT_MAX_BLOCK: Duration = Duration::from_secs(3_600);

    /// The time added to each moment at which something comes back: timers and clocks are no more exact.
    pub const MARGIN: Duration = Duration::from_millis(2);

    /// A quota of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_block: Self::DEFAULT_MAX_BLOCK,
            in_flight: InFlight::default(),
            clock: ServerClock::new(),
            rtt: None,
            blocked_until: None,
            counters: Vec::new(),
            estimate: Estimate::default(),
            was_ambiguous: false,
            stopped: None,
        }
    }

    /// The longest wait, whatever the server says: after it, one request probes.
    #[must_use]
    pub const fn max_block(mut self, max_block: Duration) -> Self {
        self.max_block = max_block;
        self
    }

    /// Takes a permit if there is one.
    pub fn acquire(&mut self, now: Instant) -> Availability {
        self.in_flight.expire(now);
        let view = self.view(now);
        let verdict = self.check(&view);
        if verdict == Verdict::Go {
            return Availability::Now(self.take(now));
        }
        // Whatever is known or was said: after the longest wait one request goes.
        let overdue = later(*self.stopped.get_or_insert(now), self.max_block);
        if now >= overdue {
            return Availability::Now(self.take(now));
        }
        let soon = later(now, Duration::from_millis(1));
        match (verdict, self.in_flight.next_expiry()) {
            (Verdict::At(at), _) => Availability::At(at.min(overdue).max(soon)),
            (_, Some(at)) => Availability::AfterResponse { or_at: at.min(overdue).max(soon) },
            (_, None) => Availability::At(later(now, Self::MARGIN)),
        }
    }

    /// The response to the request of this permit.
    pub fn on_response(&mut self, permit: Permit, now: Instant, seen: &Observation) {
        let took = now.saturating_duration_since(permit.sent());
        self.on_response_after(took, permit, now, seen);
    }

    /// The same, where the time since the request was sent is known.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub(crate) fn on_response_after(
        &mut self,
        took: Duration,
        permit: Permit,
        now: Instant,
        seen: &Observation,
    ) {
        let sent = permit.sent();
        self.in_flight.on_response(&permit);
        let rtt = took.min(SLOW).as_nanos() as u64;
        self.rtt = Some(self.rtt.map_or(rtt, |known| (known * 7 + rtt) / 8));
        if let Some(date) = seen.date {
            self.clock.on_response(sent, now, date);
        }
        if self.blocked_until.is_some_and(|until| sent >= until) {
            self.blocked_until = None;
        }
        let (mut is_explained, mut is_foreign) = (false, false);
        for reading in seen.readings.iter().flatten() {
            is_explained |= reading.remaining == 0;
            is_foreign |= self.read(now, sent, seen, reading);
        }
        if !seen.withholds {
            self.forget_unseen(sent, seen);
        }
        let wait = seen.retry_after.map(|wait| wait.min(self.max_block));
        let trip = RoundTrip { sent, received: now, wait };
        self.was_ambiguous = seen.ambiguous.is_some();
        if !seen.is_rejection() {
            if self.was_ambiguous {
                return;
            }
            self.stopped = None;
            self.estimate.on_accepted(&trip);
            return;
        }
        // A rejection with units left comes from another limit, one that is not shown.
        let is_explained = seen.rate_limited && is_explained && !is_foreign;
        if let (true, Some(wait)) = (self.estimate.on_rejected(&trip, is_explained), wait) {
            self.block_for(wait, now);
        }
    }

    /// Whether an ambiguous 403 is the limit: by a counter that is known, or the second in a row.
    #[must_use]
    pub fn is_limit(&self, seen: &Observation) -> bool {
        let Some(reading) = &seen.ambiguous else { return false };
        self.was_ambiguous || self.counters.iter().any(|counter| counter.is_shown_by(reading))
    }

    /// How the next attempt of a rejected call is paced here; `None` if it may be sent before a wait that the server has named.
    pub(crate) fn paces(&self, wait: Option<Duration>, now: Instant) -> Option<Paced> {
        let wait = wait.unwrap_or_default();
        let held =
            wait.is_zero() || self.blocked_until.is_some_and(|until| until >= later(now, wait));
        let how = if self.estimate.is_closed() { Paced::Closed } else { Paced::Slowed };
        held.then_some(how)
    }

    /// The response to a request with a permit of another quota says that it was counted here.
    pub fn on_response_elsewhere(&mut self, sent: Instant, now: Instant, seen: &Observation) {
        self.on_response(Permit::of_other(sent), now, seen);
    }

    /// The server rejects all requests for this long, whatever the counters say.
    pub fn block_for(&mut self, wait: Duration, now: Instant) {
        self.block_until(later(now, wait.min(self.max_block)));
    }

    pub(crate) fn block_until(&mut self, until: Instant) {
        self.stopped = None;
        self.blocked_until = Some(self.blocked_until.map_or(until, |known| known.max(until)));
    }

    pub(crate) const fn blocked_until(&self) -> Option<Instant> {
        self.blocked_until
    }

    /// No response will come: it is unknown whether the server counted the request.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn on_lost(&mut self, permit: Permit, now: Instant) {
        self.estimate.on_lost(permit.sent(), now);
        self.in_flight.on_lost(&permit);
    }

    /// The request never left, so the server cannot have counted it: its unit is available at once.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn on_unsent(&mut self, permit: Permit, now: Instant) {
        self.in_flight.on_unsent(&permit);
        self.counters.iter_mut().for_each(|counter| counter.on_unsent(permit.sent()));
        self.estimate.on_unsent(now);
    }

    /// The most permits that there can be until a moment, if that is certain as long as the server behaves as it has so far.
    ///
    /// It is certain for windows: those that end when the server said, and those whose length was learned. `None` for anything else:
    /// a bucket may refill faster than it seems to, and a limit that is not shown may be any.
    #[must_use]
    pub fn max_permits_before(&self, moment: Instant, now: Instant) -> Option<u64> {
        if self.blocked_until.is_some_and(|until| moment <= until) {
            return Some(0);
        }
        let view = self.view(now);
        let permits = |counter: &Counter| counter.max_permits_before(moment, &view, &self.clock);
        self.counters.iter().filter_map(permits).min()
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let view = self.view(now);
        let counters =
            self.counters.iter().map(|counter| (counter.left(&view, &self.clock), counter.kind()));
        let blocked_until = self.blocked_until.filter(|until| *until > now);
        let (kind, limit, remaining, at) = match counters.min_by_key(|((_, left, _), _)| *left) {
            Some(((limit, left, at), kind)) => (kind, Some(limit), Some(left), Some(at)),
            None => (self.estimate.kind(), self.estimate.limit(), None, None),
        };
        let reset = blocked_until.or(at).map(|at| at.saturating_duration_since(now));
        Snapshot { kind, limit, remaining, reset, in_flight: view.in_flight + view.settled }
    }

    /// What is certain of the limit, for the other processes of a fleet: the counter that lets the fewest through in the long run, else
    /// what the estimate has found.
    #[cfg(feature = "shared")]
    #[must_use]
    pub fn knowledge(&self, now: Instant) -> Option<super::Knowledge> {
        if self.blocked_until.is_some_and(|until| until > now) {
            return None;
        }
        let view = self.view(now);
        let known = |counter: &Counter| counter.knowledge(&view, &self.clock);
        let known: Vec<_> = self.counters.iter().map(known).collect::<Option<_>>()?;
        let slowest = known.into_iter().min_by(|one, other| one.rate().total_cmp(&other.rate()));
        slowest.or_else(|| self.estimate.knowledge())
    }

    /// Forgets what is known of the limit, but not what is in flight.
    pub(crate) fn forget(&mut self) {
        self.blocked_until = None;
        self.stopped = None;
        self.counters.clear();
        self.estimate = Estimate::default();
    }

    /// Whether nothing is known of the limit: no request was rejected, and no response showed a counter.
    pub(crate) fn is_unknown(&self) -> bool {
        self.counters.is_empty() && self.estimate.kind() == LimiterKind::Unknown
    }

    /// Takes a permit whatever is known, for a request that cannot wait until more is.
    pub(crate) fn acquire_anyway(&mut self, now: Instant) -> Permit {
        self.in_flight.expire(now);
        self.take(now)
    }

    fn take(&mut self, now: Instant) -> Permit {
        self.stopped = None;
        self.counters.iter_mut().for_each(|counter| counter.on_sent(now));
        self.estimate.on_sent(now);
        self.in_flight.add(now)
    }

    fn check(&mut self, view: &View) -> Verdict {
        let mut verdict = match self.blocked_until {
            Some(until) if view.now < until => return Verdict::At(until),
            // After a wait that the server has named, one request goes first.
            Some(_) => view.probe(),
            None => Verdict::Go,
        };
        // Counters that say what is left need no slow start.
        if self.counters.is_empty() || self.estimate.is_limiting() {
            verdict = verdict.and(self.estimate.check(view));
        }
        for counter in &mut self.counters {
            verdict = verdict.and(counter.check(view, &self.clock));
            if counter.has_turned_over() {
                self.in_flight.begin_window(view.now);
            }
        }
        verdict
    }

    /// Drops counters that the responses do not show any more.
    fn forget_unseen(&mut self, sent: Instant, seen: &Observation) {
        let is_shown = |counter: &Counter| {
            seen.readings.iter().flatten().any(|shown| shown.name == counter.name)
        };
        self.counters.retain_mut(|counter| is_shown(counter) || !counter.on_unseen(sent));
    }

    /// Returns whether the request was rejected, and only other processes explain it.
    fn read(&mut self, now: Instant, sent: Instant, seen: &Observation, shown: &Reading) -> bool {
        let view = self.view(now);
        let reading = match (shown.reset, seen.date) {
            // Without a date only the client's own clock gives the length, and the caller has read it.
            (Some(Reset::At(_)), None) => &Reading { reset: None, ..*shown },
            _ => shown,
        };
        if !self.counters.iter().any(|counter| counter.name == reading.name) {
            if self.counters.len() >= MAX_READINGS {
                let oldest =
                    self.counters.iter().enumerate().min_by_key(|(_, counter)| counter.received());
                let oldest = oldest.map_or(0, |(at, _)| at);
                self.counters.swap_remove(oldest);
            }
            self.counters.push(Counter::new(reading, &view));
        }
        let report = Report { sent, observation: seen, reading };
        let counter = self.counters.iter_mut().find(|counter| counter.name == reading.name);
        counter.is_some_and(|counter| counter.read(&view, &report, &mut self.clock))
    }

    fn view(&self, now: Instant) -> View {
        View {
            now,
            in_flight: self.in_flight.count(),
            awaited: self.in_flight.awaited(),
            hanging: self.in_flight.hanging(),
            settled: self.in_flight.settled(),
            rtt: self.rtt.map_or(SLOW, Duration::from_nanos),
            margin: Self::MARGIN,
            max_block: self.max_block,
        }
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self::new()
    }
}
