//! The quota of one key.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Availability, LimiterKind, Observation, Permit, Reading, Reset, Snapshot, Verdict, View,
    contention::Contention,
    counter::{Counter, Report},
    headerless::{Headerless, RoundTrip},
    in_flight::InFlight,
    later,
    observation::MAX_READINGS,
    streak::Streak,
};
use crate::headers::ServerClock;

/// The longest round trip that counts for the average.
const SLOW: Duration = Duration::from_secs(1);

/// The quota that all callers of one key share.
#[derive(Debug)]
pub struct Quota {
    max_block: Duration,
    in_flight: InFlight,
    clock: ServerClock,
    /// The moving average of the round trips.
    rtt: Option<Duration>,
    /// No request is sent before this moment, by the server.
    blocked_until: Option<Instant>,
    counters: Vec<Counter>,
    headerless: Headerless,
    streak: Streak,
    contention: Contention,
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
            headerless: Headerless::default(),
            streak: Streak::default(),
            contention: Contention::new(0),
        }
    }

    /// The longest wait, whatever the server says: after it, one request probes.
    #[must_use]
    pub const fn max_block(mut self, max_block: Duration) -> Self {
        self.max_block = max_block;
        self
    }

    /// The seed of the jitter; each process that shares the limit needs another one.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.contention = Contention::new(seed);
        self
    }

    /// Takes a permit if there is one.
    pub fn acquire(&mut self, now: Instant) -> Availability {
        self.in_flight.expire(now);
        let view = self.view(now);
        let verdict = match self.blocked_until {
            Some(until) if now < until => Verdict::At(until),
            _ => self.check(&view),
        };
        match self.contention.check(now, verdict) {
            Verdict::Go => {
                self.counters.iter_mut().for_each(|counter| counter.on_sent(now));
                self.headerless.on_sent(now);
                self.contention.on_sent(now);
                Availability::Now(self.in_flight.add(now))
            }
            Verdict::At(at) => Availability::At(
                at.min(later(now, self.max_block)).max(later(now, Duration::from_millis(1))),
            ),
            Verdict::AfterResponse => match self.in_flight.next_expiry() {
                Some(at) => Availability::AfterResponse { or_at: at },
                None => Availability::At(later(now, Self::MARGIN)),
            },
        }
    }

    /// The response to the request of this permit.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn on_response(&mut self, permit: Permit, now: Instant, seen: &Observation) {
        let sent = permit.sent();
        self.in_flight.on_response(&permit);
        self.streak.on_response(sent, now, seen.rate_limited);
        let rtt = now.saturating_duration_since(sent).min(SLOW);
        self.rtt = Some(self.rtt.map_or(rtt, |known| (known * 7 + rtt) / 8));
        if let Some(date) = seen.date {
            self.clock.on_response(sent, now, date);
        }
        if let Some(wait) = seen.retry_after.filter(|_| seen.rate_limited) {
            self.block_for(wait, now);
        }
        let (mut is_explained, mut is_foreign) = (false, false);
        for reading in seen.readings.iter().flatten() {
            is_explained |= reading.remaining == 0;
            is_foreign |= self.read(now, sent, seen, reading);
        }
        let retry_after = seen.retry_after.map(|wait| wait.min(self.max_block));
        let trip = RoundTrip { sent, received: now, retry_after };
        if !seen.rate_limited {
            self.contention.on_accepted(sent, now);
            if !self.contention.is_detected() {
                self.headerless.on_accepted(&trip);
            }
            return;
        }
        if !is_explained && !self.contention.is_detected() {
            // A rejection with units left comes from another limit, one that is not shown.
            self.headerless.on_rate_limited(&trip);
        }
        let foreign = if is_foreign { 1.0 } else { self.headerless.contention() };
        self.contention.on_rate_limited(sent, now, foreign, seen.retry_after);
        if self.contention.is_detected() {
            self.headerless = Headerless::default();
        }
    }

    /// The response to a request with a permit of another quota says that it was counted here.
    pub fn on_response_elsewhere(&mut self, sent: Instant, now: Instant, seen: &Observation) {
        let permit = self.in_flight.add(sent);
        self.on_response(permit, now, seen);
    }

    /// The server rejects all requests for this long, whatever the counters say.
    pub fn block_for(&mut self, wait: Duration, now: Instant) {
        self.block_until(later(now, wait.min(self.max_block)));
    }

    pub(crate) fn block_until(&mut self, until: Instant) {
        self.blocked_until = Some(self.blocked_until.map_or(until, |known| known.max(until)));
    }

    pub(crate) const fn blocked_until(&self) -> Option<Instant> {
        self.blocked_until
    }

    /// No response will come: it is unknown whether the server counted the request.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn on_lost(&mut self, permit: Permit, now: Instant) {
        self.headerless.on_lost(permit.sent(), now);
        self.in_flight.on_lost(&permit);
    }

    /// The request never left, so the server cannot have counted it: its unit is available at once.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn on_unsent(&mut self, permit: Permit, now: Instant) {
        self.in_flight.on_unsent(&permit);
        self.counters.iter_mut().for_each(|counter| counter.on_unsent(permit.sent()));
        self.headerless.on_unsent(now);
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

    /// The average round trip, at most a second; `None` before the first response.
    pub(crate) const fn round_trip(&self) -> Option<Duration> {
        self.rtt
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
            None => (self.headerless.kind(), self.headerless.limit(), None, None),
        };
        let reset = blocked_until.or(at).map(|at| at.saturating_duration_since(now));
        Snapshot { kind, limit, remaining, reset, in_flight: view.in_flight + view.settled }
    }

    fn check(&mut self, view: &View) -> Verdict {
        let mut verdict = match self.headerless.kind() {
            // The pace is guard enough.
            _ if self.contention.is_detected() => Verdict::Go,
            // Nothing needs a guard while probes are spaced out anyway, or before any request was rejected.
            LimiterKind::Learning if self.counters.is_empty() => {
                return self.headerless.check(view);
            }
            LimiterKind::Unknown if !self.counters.is_empty() => self.streak.check(view),
            _ => self.streak.check(view).and(self.headerless.check(view)),
        };
        for counter in &mut self.counters {
            verdict = verdict.and(counter.check(view, &self.clock));
            if counter.has_turned_over() {
                self.in_flight.begin_window(view.now);
            }
        }
        verdict
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
            rtt: self.rtt.unwrap_or(SLOW),
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
