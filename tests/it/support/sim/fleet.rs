//! Many processes on one tenant's quota, each with a quota of its own and nothing shared.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Observation, Permit, Quota};

use super::{Chance, Headers, Limiter, MILLI, Nanos, Rule, SECOND, Server};

/// A fleet and its load.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    pub rule: Rule,
    pub headers: Headers,
    pub processes: usize,
    /// How long it runs, and how much of that is not counted.
    pub lasts: Nanos,
    pub learning: Nanos,
    /// Jobs per second of all processes together; every other process gets them in bursts of ten.
    pub demand: f64,
    /// The shortest and the longest delay of one way.
    pub delay: (Nanos, Nanos),
}

/// The result of a fleet.
#[derive(Clone, Debug, Default)]
pub struct FleetOutcome {
    /// Jobs that came up, and those that were done.
    pub jobs: u64,
    pub accepted: u64,
    pub rate_limited: u64,
    /// The same, without the time of learning.
    pub accepted_later: u64,
    pub rate_limited_later: u64,
    /// Jain's index of the accepted requests: 1 if all processes have as many, 1/n if one has them all.
    pub jain: f64,
    /// The longest that any process had work and nothing was accepted.
    pub longest: Nanos,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Job,
    Arrives(usize),
    Responded(usize),
    Wake,
}

struct Process {
    quota: Quota,
    jobs: VecDeque<Nanos>,
    accepted: u64,
    fed: Nanos,
    woken_at: Nanos,
}

pub fn run_fleet(fleet: &Fleet, seed: u64) -> FleetOutcome {
    let mut chance = Chance::new(seed);
    let clock = 1_700_000_000 * SECOND + chance.between(0, 20 * SECOND);
    let mut server = Server { limiter: Limiter::new(fleet.rule), headers: fleet.headers, clock };
    let base = Instant::now() + Duration::from_secs(10_000);
    let instant = |at: Nanos| base + Duration::from_nanos(at);
    let process = |_| Process {
        quota: Quota::new(),
        jobs: VecDeque::new(),
        accepted: 0,
        fed: 0,
        woken_at: 0,
    };
    let mut processes: Vec<_> = (0..fleet.processes as u64).map(process).collect();
    let mut outcome = FleetOutcome::default();
    let mut attempts: Vec<Option<(Permit, Option<Box<Observation>>)>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut events = BinaryHeap::new();
    let burst = |number: usize| if number % 2 == 0 { 1 } else { 10 };
    let until_next = |number: usize, chance: &mut Chance| {
        let even = (chance.draw() >> 11) as f64 / (1_u64 << 53) as f64;
        let mean = burst(number) as f64 * fleet.processes as f64 / fleet.demand;
        ((-(1.0 - even).ln() * mean).min(1e6) * SECOND as f64) as Nanos
    };
    for number in 0..fleet.processes {
        let at = until_next(number, &mut chance);
        events.push(Reverse((at, number, Event::Job)));
    }
    while let Some(Reverse((now, number, event))) = events.pop() {
        if now > fleet.lasts {
            break;
        }
        let is_later = now > fleet.learning;
        let process = &mut processes[number];
        match event {
            Event::Job => {
                if process.jobs.is_empty() {
                    process.fed = now;
                }
                process.jobs.extend(std::iter::repeat_n(now, burst(number)));
                outcome.jobs += burst(number) as u64;
                events.push(Reverse((now + until_next(number, &mut chance), number, Event::Job)));
            }
            Event::Arrives(send) => {
                let response = server.arrive(now);
                let takes = if response.rate_limited { 0 } else { 5 * MILLI };
                let delay = chance.between(fleet.delay.0, fleet.delay.1);
                attempts[send].as_mut().unwrap().1 = Some(Box::new(response));
                events.push(Reverse((now + takes + delay, number, Event::Responded(send))));
                continue;
            }
            Event::Responded(send) => {
                let (permit, response) = attempts[send].take().unwrap();
                let response = response.unwrap();
                free.push(send);
                process.quota.on_response(permit, instant(now), &response);
                if response.rate_limited {
                    outcome.rate_limited += 1;
                    outcome.rate_limited_later += u64::from(is_later);
                    if process.jobs.is_empty() {
                        process.fed = now;
                    }
                    process.jobs.push_front(now);
                } else {
                    outcome.accepted += 1;
                    outcome.accepted_later += u64::from(is_later);
                    process.accepted += u64::from(is_later);
                    outcome.longest = outcome.longest.max(now - process.fed);
                    process.fed = now;
                }
            }
            Event::Wake => {}
        }
        while !process.jobs.is_empty() {
            match process.quota.acquire(instant(now)) {
                Availability::Now(permit) => {
                    process.jobs.pop_front();
                    let send = free.pop().unwrap_or_else(|| {
                        attempts.push(None);
                        attempts.len() - 1
                    });
                    attempts[send] = Some((permit, None));
                    let delay = chance.between(fleet.delay.0, fleet.delay.1);
                    events.push(Reverse((now + delay, number, Event::Arrives(send))));
                }
                Availability::At(at) | Availability::AfterResponse { or_at: at } => {
                    let at = at.saturating_duration_since(base).as_nanos() as Nanos;
                    assert!(at > now, "woken at once");
                    if process.woken_at <= now || at < process.woken_at {
                        process.woken_at = at;
                        events.push(Reverse((at, number, Event::Wake)));
                    }
                    break;
                }
            }
        }
    }
    for process in processes.iter().filter(|process| !process.jobs.is_empty()) {
        outcome.longest = outcome.longest.max(fleet.lasts.saturating_sub(process.fed));
    }
    let accepted = || processes.iter().map(|process| process.accepted as f64);
    let (sum, squares) = (accepted().sum::<f64>(), accepted().map(|one| one * one).sum::<f64>());
    outcome.jain = sum * sum / (fleet.processes as f64 * squares);
    outcome
}
