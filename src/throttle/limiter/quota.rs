//! The quota of one key.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Availability, LimiterKind, MARGIN, Observation, Permit, Reading, Reset, Snapshot, Verdict,
    View,
    cap::Cap,
    counter::{Counter, Report},
    estimate::{Estimate, RoundTrip},
    in_flight::InFlight,
    later,
    observation::MAX_READINGS,
};
use crate::{extensions::ambient::Paced, headers::ServerClock, moment::Moment};

/// The longest round trip that counts for the average.
const SLOW: Duration = Duration::from_secs(1);

/// The quota that all callers of one key share.
#[derive(Debug)]
pub struct Quota {
    max_block: Duration,
    /// The limit that the user has set, one for all quotas of a key.
    cap: Option<Arc<Mutex<Cap>>>,
    /// The share of each announced limit that is used.
    headroom: f64,
    in_flight: InFlight,
    clock: ServerClock,
    /// The moving average of the round trips, in nanoseconds.
    rtt: Option<u64>,
    /// No request is sent before this moment, by the server.
    blocked_until: Option<Moment>,
    counters: Vec<Counter>,
    estimate: Estimate,
    /// Whether the last response may have been the limit.
    was_ambiguous: bool,
    /// Since when there was no permit for anybody.
    stopped: Option<Moment>,
}

// === impl Quota ===

impl Quota {
    /// The default of [`max_block`](Self::max_block): one hour.
    pub const DEFAULT_MAX_BLOCK: Duration = Duration::from_secs(3_600);

    /// A quota of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_block: Self::DEFAULT_MAX_BLOCK,
            cap: None,
            headroom: 1.0,
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

    /// At most so many requests are sent in any period, whatever the server says.
    #[must_use]
    pub fn limit(mut self, limit: u32, period: Duration) -> Self {
        self.cap = Cap::new(limit, period).map(|cap| Arc::new(Mutex::new(cap)));
        self
    }

    /// The share of each announced limit that is used: from 0, at least one request of each, to 1.
    #[must_use]
    pub const fn headroom(mut self, share: f64) -> Self {
        self.headroom = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        self
    }

    /// A quota of which nothing is known, with the same settings, under the same limit of the user.
    pub(crate) fn sibling(&self) -> Self {
        let (cap, headroom) = (self.cap.clone(), self.headroom);
        Self { cap, headroom, ..Self::new().max_block(self.max_block) }
    }

    /// Takes a permit if there is one.
    pub fn acquire(&mut self, time: Instant) -> Availability {
        let now = Moment::from(time);
        self.in_flight.expire(now);
        if let Some(at) = self.capped_until(time) {
            return Availability::At(at);
        }
        let verdict = self.check(now);
        if verdict == Verdict::Go {
            return Availability::Now(self.take(now, time));
        }
        // Whatever is known or was said: after the longest wait one request goes.
        let overdue = later(*self.stopped.get_or_insert(now), self.max_block);
        if now >= overdue {
            return Availability::Now(self.take(now, time));
        }
        let soon = later(now, Duration::from_millis(1));
        match (verdict, self.in_flight.next_expiry(now)) {
            (Verdict::At(at), _) => Availability::At(at.min(overdue).max(soon).into()),
            (_, Some(at)) => {
                Availability::AfterResponse { or_at: at.min(overdue).max(soon).into() }
            }
            (_, None) => Availability::At(later(now, MARGIN).into()),
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
        let (sent, now) = (permit.at(), Moment::from(now));
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
            is_explained |= self.usable(reading).remaining == 0;
            is_foreign |= self.read(now, sent, seen, reading);
        }
        if !seen.withholds {
            self.forget_unseen(sent, seen);
        }
        let wait = seen.retry_after.map(|wait| wait.min(self.max_block));
        let trip = RoundTrip { sent, received: now, wait, has_failed: seen.unavailable };
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
            self.block_until(later(now, wait));
        }
    }

    /// Whether an ambiguous 403 is the limit: by a counter that is known, or the second in a row.
    #[must_use]
    pub fn is_limit(&self, seen: &Observation) -> bool {
        let Some(reading) = &seen.ambiguous else { return false };
        let reading = &self.usable(reading);
        self.was_ambiguous || self.counters.iter().any(|counter| counter.is_shown_by(reading))
    }

    /// How the next attempt of a rejected call is paced here; `None` if it may be sent before a wait that the server has named.
    pub(crate) fn paces(&self, wait: Option<Duration>, now: Instant) -> Option<Paced> {
        let wait = wait.unwrap_or_default();
        let until = later(now.into(), wait);
        let held = wait.is_zero() || self.blocked_until.is_some_and(|blocked| blocked >= until);
        let how = if self.estimate.is_closed() { Paced::Closed } else { Paced::Slowed };
        held.then_some(how)
    }

    /// Whether the server fails whatever is sent, and nothing says that a wait would help.
    pub(crate) fn is_down(&self, now: Instant) -> bool {
        self.estimate.is_down()
            && self.stated_until(now).is_none()
            && self.capped_until(now).is_none()
    }

    /// The response to a request with a permit of another quota says that it was counted here.
    pub fn on_response_elsewhere(&mut self, sent: Instant, now: Instant, seen: &Observation) {
        self.on_response(Permit::of_other(sent), now, seen);
    }

    /// The server rejects all requests for this long, whatever the counters say.
    pub fn block_for(&mut self, wait: Duration, now: Instant) {
        self.block_until(later(now.into(), wait.min(self.max_block)));
    }

    pub(crate) fn block_until(&mut self, until: impl Into<Moment>) {
        let until = until.into();
        self.stopped = None;
        self.blocked_until = Some(self.blocked_until.map_or(until, |known| known.max(until)));
    }

    pub(crate) fn blocked_until(&self) -> Option<Instant> {
        self.blocked_until.map(Into::into)
    }

    /// Until when the server has said that nothing is left, or to wait.
    pub(crate) fn stated_until(&self, now: Instant) -> Option<Instant> {
        let view = self.view(now.into());
        let spent = self.counters.iter().filter_map(|counter| {
            let (_, left, at) = counter.left(&view, &self.clock);
            (left == 0).then_some(at)
        });
        self.blocked_until.into_iter().chain(spent).max().map(Into::into)
    }

    /// No response will come: it is unknown whether the server counted the request.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn on_lost(&mut self, permit: Permit, now: Instant) {
        self.estimate.on_lost(permit.at(), now.into());
        self.in_flight.on_lost(&permit);
    }

    /// The request never left, so the server cannot have counted it: its unit is available at once.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn on_unsent(&mut self, permit: Permit, now: Instant) {
        self.in_flight.on_unsent(&permit);
        self.with_cap(|cap| cap.on_unsent(permit.at()));
        self.counters.iter_mut().for_each(|counter| counter.on_unsent(permit.at()));
        self.estimate.on_unsent(now.into());
    }

    /// The most permits that there can be until a moment, if that is certain as long as the server behaves as it has so far.
    ///
    /// It is certain for windows: those that end when the server said, those whose length was learned, and those of the user. `None` for anything else:
    /// a bucket may refill faster than it seems to, and a limit that is not shown may be any.
    #[must_use]
    pub fn max_permits_before(&self, moment: Instant, now: Instant) -> Option<u64> {
        let (moment, now) = (Moment::from(moment), Moment::from(now));
        if self.blocked_until.is_some_and(|until| moment <= until) {
            return Some(0);
        }
        let view = self.view(now);
        let permits = |counter: &Counter| counter.max_permits_before(moment, &view, &self.clock);
        let capped = self.with_cap(|cap| cap.max_permits_before(moment, now));
        self.counters.iter().filter_map(permits).chain(capped).min()
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let now = Moment::from(now);
        let view = self.view(now);
        let counters =
            self.counters.iter().map(|counter| (counter.left(&view, &self.clock), counter.kind()));
        let blocked_until = self.blocked_until.filter(|until| *until > now);
        let (kind, limit, remaining, at) = match counters.min_by_key(|((_, left, _), _)| *left) {
            Some(((limit, left, at), kind)) => (kind, Some(limit), Some(left), Some(at)),
            None => (self.estimate.kind(), self.estimate.limit(), None, None),
        };
        let reset = blocked_until.or(at).map(|at| at.saturating_duration_since(now));
        Snapshot { kind, limit, remaining, reset, in_flight: self.in_flight.all_at(now) }
    }

    /// What is certain of the limit, for the other processes of a fleet: the counter that lets the fewest through in the long run, else
    /// what the estimate has found.
    #[cfg(feature = "shared")]
    #[must_use]
    pub fn knowledge(&self, now: Instant) -> Option<super::Knowledge> {
        let now = Moment::from(now);
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
        self.cap.is_none()
            && self.counters.is_empty()
            && self.estimate.kind() == LimiterKind::Unknown
    }

    /// Until when the limit that the user has set is reached.
    pub(crate) fn capped_until(&self, now: Instant) -> Option<Instant> {
        match self.with_cap(|cap| cap.check(now.into())) {
            Some(Verdict::At(until)) => Some(until.into()),
            _ => None,
        }
    }

    /// Takes a permit whatever is known, for a request that cannot wait until more is.
    pub(crate) fn acquire_anyway(&mut self, time: Instant) -> Permit {
        let now = Moment::from(time);
        self.in_flight.expire(now);
        self.take(now, time)
    }

    fn take(&mut self, now: Moment, time: Instant) -> Permit {
        self.stopped = None;
        self.with_cap(|cap| cap.on_sent(now));
        self.counters.iter_mut().for_each(|counter| counter.on_sent(now));
        self.estimate.on_sent(now);
        self.in_flight.add(now, time)
    }

    #[inline]
    fn check(&mut self, now: Moment) -> Verdict {
        let Self { cap, in_flight, rtt, max_block, counters, estimate, .. } = self;
        let view = &View { now, in_flight, rtt: average(*rtt), max_block: *max_block };
        let mut verdict = match self.blocked_until {
            Some(until) if view.now < until => return Verdict::At(until),
            // After a wait that the server has named, one request goes first.
            Some(_) => view.probe(),
            None => Verdict::Go,
        };
        // A limit that is known needs no slow start.
        let is_unknown = counters.is_empty() && cap.is_none();
        if is_unknown || estimate.is_limiting() {
            verdict = verdict.and(estimate.check(view));
        }
        for counter in counters {
            verdict = verdict.and(counter.check(view, &self.clock));
        }
        verdict
    }

    /// Drops counters that the responses do not show any more.
    fn forget_unseen(&mut self, sent: Moment, seen: &Observation) {
        let is_shown = |counter: &Counter| {
            seen.readings.iter().flatten().any(|shown| shown.name == counter.name)
        };
        self.counters.retain_mut(|counter| is_shown(counter) || !counter.on_unseen(sent));
    }

    /// Returns whether the request was rejected, and only other processes explain it.
    fn read(&mut self, now: Moment, sent: Moment, seen: &Observation, shown: &Reading) -> bool {
        let mut reading = self.usable(shown);
        if let (Some(Reset::At(_)), None) = (shown.reset, seen.date) {
            // Without a date only the client's own clock gives the length, and the caller has read it.
            reading.reset = None;
        }
        let reading = &reading;
        let Self { in_flight, rtt, max_block, counters, clock, .. } = self;
        let view = View { now, in_flight, rtt: average(*rtt), max_block: *max_block };
        if !counters.iter().any(|counter| counter.name == reading.name) {
            if counters.len() >= MAX_READINGS {
                let oldest =
                    counters.iter().enumerate().min_by_key(|(_, counter)| counter.received());
                let oldest = oldest.map_or(0, |(at, _)| at);
                counters.swap_remove(oldest);
            }
            counters.push(Counter::new(reading, &view));
        }
        let report = Report { sent, observation: seen, reading };
        let counter = counters.iter_mut().find(|counter| counter.name == reading.name);
        counter.is_some_and(|counter| counter.read(&view, &report, clock))
    }

    /// The reading of the part of the limit that is used.
    fn usable(&self, shown: &Reading) -> Reading {
        let Some(limit) = shown.limit.filter(|_| self.headroom < 1.0) else { return *shown };
        let used = ((limit as f64 * self.headroom) as u64).clamp(limit.min(1), limit);
        let remaining = shown.remaining.saturating_sub(limit - used);
        Reading { limit: Some(used), remaining, ..*shown }
    }

    #[inline]
    fn with_cap<T>(&self, ask: impl FnOnce(&mut Cap) -> T) -> Option<T> {
        let cap = self.cap.as_ref()?;
        Some(ask(&mut cap.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn view(&self, now: Moment) -> View<'_> {
        let (in_flight, rtt, max_block) = (&self.in_flight, average(self.rtt), self.max_block);
        View { now, in_flight, rtt, max_block }
    }
}

/// The average round trip; that of a slow server before the first.
fn average(rtt: Option<u64>) -> Duration {
    rtt.map_or(SLOW, Duration::from_nanos)
}

impl Default for Quota {
    fn default() -> Self {
        Self::new()
    }
}
