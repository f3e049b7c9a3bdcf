//! How long responses take, so that no permit goes to a caller that cannot wait for the response.

use std::{collections::HashMap, hash::BuildHasherDefault, time::Duration};

use tokio::time::Instant;

use super::keys::IsHash;

/// The responses of a route that are remembered.
const SAMPLES: usize = 8;

/// The routes of a slot that are measured apart; all others share one measure.
const MAX_ROUTES: usize = 64;

/// With no response for this long, or for the time that responses take, one attempt is made to measure anew.
const STALE_AFTER: Duration = Duration::from_secs(1);

/// The response times of the routes of a slot.
#[derive(Debug, Default)]
pub(super) struct Latencies(HashMap<u64, Latency, BuildHasherDefault<IsHash>>);

/// The last response times of one route.
///
/// Accepted responses count, and attempts that were given up after they had taken longer than others: rejections are fast, and say
/// nothing of how long the work takes.
#[derive(Debug)]
struct Latency {
    samples: [Duration; SAMPLES],
    len: usize,
    next: usize,
    measured: Instant,
}

/// Whether a caller can wait for the response, if its request is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It outlives the slowest of the last responses.
    Safe,
    /// It outlives the fastest.
    Doubtful,
    /// No recent response was as fast.
    Hopeless,
}

// === impl Latencies ===

impl Latencies {
    #[inline]
    pub(super) fn on_accepted(&mut self, route: u64, took: Duration, now: Instant) {
        self.of(route, now).push(took, now);
    }

    /// An attempt was given up without a response. Half as long again is assumed, so that a server that has become slow is known
    /// after a few.
    pub(super) fn on_lost(&mut self, route: u64, waited: Duration, now: Instant) {
        let latency = self.of(route, now);
        if waited >= latency.fastest() {
            latency.push(waited * 3 / 2, now);
        }
    }

    /// The prospects of a request that is sent now and must have its response in this time. A hopeless one is doubtful if nothing was
    /// measured lately.
    pub(super) fn outlook(&self, route: u64, time: Duration, now: Instant) -> Outlook {
        match self.get(route) {
            None => Outlook::Safe,
            Some(latency) if time >= latency.safe() => Outlook::Safe,
            Some(latency) if time >= latency.fastest() || latency.is_stale(now) => {
                Outlook::Doubtful
            }
            Some(_) => Outlook::Hopeless,
        }
    }

    /// The time that a response takes at least; none if nothing was measured lately.
    pub(super) fn fastest(&self, route: u64, now: Instant) -> Duration {
        let latency = self.get(route).filter(|latency| !latency.is_stale(now));
        latency.map_or(Duration::ZERO, Latency::fastest)
    }

    /// A request is sent that may measure anew: no other one is until it has had the time.
    pub(super) fn on_sent(&mut self, route: u64, now: Instant) {
        let route = self.key(route);
        if let Some(latency) = self.0.get_mut(&route) {
            if latency.is_stale(now) {
                latency.measured = now;
            }
        }
    }

    fn get(&self, route: u64) -> Option<&Latency> {
        self.0.get(&self.key(route))
    }

    #[inline]
    fn of(&mut self, route: u64, now: Instant) -> &mut Latency {
        let route = self.key(route);
        let new = || Latency { samples: Default::default(), len: 0, next: 0, measured: now };
        self.0.entry(route).or_insert_with(new)
    }

    #[inline]
    fn key(&self, route: u64) -> u64 {
        if self.0.len() < MAX_ROUTES || self.0.contains_key(&route) { route } else { 0 }
    }
}

// === impl Latency ===

impl Latency {
    #[inline]
    fn push(&mut self, took: Duration, now: Instant) {
        self.samples[self.next] = took;
        self.next = (self.next + 1) % SAMPLES;
        self.len = (self.len + 1).min(SAMPLES);
        self.measured = now;
    }

    /// The second fastest of the last responses, since a single one may have been served from elsewhere.
    fn fastest(&self) -> Duration {
        let mut samples = self.samples;
        let samples = &mut samples[..self.len];
        samples.sort_unstable();
        samples.get(1).or(samples.first()).copied().unwrap_or_default()
    }

    /// The slowest, and an eighth more for the next one to be slower.
    fn safe(&self) -> Duration {
        let slowest = self.samples[..self.len].iter().max().copied().unwrap_or_default();
        slowest + slowest / 8
    }

    fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.measured) >= self.fastest().max(STALE_AFTER)
    }
}
