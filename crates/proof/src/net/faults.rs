//! When the network does what.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use turmoil::Sim;

use super::servers::Server;

pub(super) const PROCESSES: [&str; 2] = ["one", "two"];

/// Faults one after the other, of some seconds up to minutes each.
#[derive(Debug)]
pub(super) struct Faults {
    rng: SmallRng,
    /// Until when there are faults.
    end: Duration,
    next: Duration,
    now: Option<Fault>,
    count: u64,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing arrives, in both directions or in one.
    Cut(&'static str, &'static str),
    CutOneWay(&'static str, &'static str),
    /// Everything arrives, and much later.
    Held(&'static str, &'static str),
    Slow(&'static str, &'static str),
    Down(&'static str),
}

// === impl Faults ===

impl Faults {
    pub(super) fn new(seed: u64, end: Duration) -> Self {
        let rng = SmallRng::seed_from_u64(seed);
        Self { rng, end, next: Duration::from_secs(60), now: None, count: 0 }
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Begins the next fault, or ends the present one, when it is time.
    pub(super) fn apply(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        if now < self.next {
            return;
        }
        if let Some(fault) = self.now.take() {
            fault.end(sim);
            self.next = now + Duration::from_secs(self.rng.random_range(1..300));
        } else if now < self.end {
            let fault = self.draw();
            fault.begin(sim);
            self.now = Some(fault);
            self.count += 1;
            let longest = if self.rng.random_ratio(1, 4) { 180_000 } else { 8_000 };
            self.next = now + Duration::from_millis(self.rng.random_range(20..longest));
        } else {
            self.next = Duration::MAX;
        }
    }

    fn draw(&mut self) -> Fault {
        let rng = &mut self.rng;
        let process = PROCESSES[rng.random_range(0..PROCESSES.len())];
        let servers = [Server::Api, Server::Api, Server::Issuer, Server::Store];
        let server = servers[rng.random_range(0..servers.len())].name();
        match rng.random_range(0..6) {
            0 => Fault::Cut(process, server),
            1 => Fault::CutOneWay(process, server),
            2 => Fault::CutOneWay(server, process),
            3 => Fault::Held(process, server),
            4 => Fault::Slow(process, server),
            _ => Fault::Down(server),
        }
    }
}

// === impl Fault ===

impl Fault {
    fn begin(self, sim: &mut Sim<'_>) {
        match self {
            Self::Cut(one, other) => sim.partition(one, other),
            Self::CutOneWay(from, to) => sim.partition_oneway(from, to),
            Self::Held(one, other) => sim.hold(one, other),
            Self::Slow(one, other) => {
                sim.set_link_max_message_latency(one, other, Duration::from_secs(4));
            }
            Self::Down(host) => sim.crash(host),
        }
    }

    fn end(self, sim: &mut Sim<'_>) {
        match self {
            Self::Cut(one, other) => sim.repair(one, other),
            Self::CutOneWay(from, to) => sim.repair_oneway(from, to),
            Self::Held(one, other) => sim.release(one, other),
            Self::Slow(one, other) => {
                sim.set_link_max_message_latency(one, other, Duration::from_millis(60));
            }
            Self::Down(host) => sim.bounce(host),
        }
    }
}
