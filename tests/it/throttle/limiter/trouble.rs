//! Servers that reject what no rate explains, and calls that come at a steady rate: the quota alone, so that all rates take little time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, SystemTime},
};

use limiter_sim::trouble::{EPOCH, Form, Phase, Refusal, Reply, Request, Server, Trouble};
use tokio::time::Instant;
use tower_heed::{
    __internals::{Availability, Observation, Permit, Quota},
    headers::RateLimit,
};

use crate::support::sim::{MILLI, Nanos, SECOND};

const MINUTE: Nanos = 60 * SECOND;
const DEADLINE: Nanos = 30 * SECOND;

/// What came of the calls of a run.
struct Run {
    /// When each call began, and whether it was accepted.
    calls: Vec<(Nanos, bool)>,
    attempts: Vec<Nanos>,
    accepted: Vec<Nanos>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Call,
    Response(usize),
    Wake,
}

/// So many calls a second, each with one attempt, until two minutes after the phase.
fn run(phase: &Phase, rate: u64) -> Run {
    let mut server = Server::new(1).phase(phase.clone());
    let base = Instant::now() + Duration::from_secs(10_000);
    let instant = |at: Nanos| base + Duration::from_nanos(at);
    let mut quota = Quota::new();
    let (mut run, mut queue) =
        (Run { calls: vec![], attempts: vec![], accepted: vec![] }, VecDeque::new());
    let mut in_flight: Vec<Option<(usize, Permit, Reply)>> = Vec::new();
    let mut woken = 0;
    let mut events = BinaryHeap::from([Reverse((0, Event::Call))]);
    while let Some(Reverse((now, event))) = events.pop() {
        match event {
            Event::Call if now < phase.until + 2 * MINUTE => {
                run.calls.push((now, false));
                queue.push_back(run.calls.len() - 1);
                events.push(Reverse((now + SECOND / rate, Event::Call)));
            }
            Event::Response(number) => {
                let (call, permit, reply) = in_flight[number].take().unwrap();
                let wall = SystemTime::UNIX_EPOCH + Duration::from_nanos(EPOCH + now);
                let limit = RateLimit::from_headers(&reply.headers, wall);
                let is_429 = reply.status == 429;
                let mut seen = Observation::new(is_429, &reply.headers, limit.as_ref(), wall);
                seen.unavailable = reply.status == 503;
                quota.on_response(permit, instant(now), &seen);
                if reply.status == 200 {
                    run.calls[call].1 = true;
                    run.accepted.push(now);
                }
            }
            Event::Call | Event::Wake => {}
        }
        while let Some(call) = queue.front().copied() {
            if run.calls[call].0 + DEADLINE <= now {
                queue.pop_front();
                continue;
            }
            match quota.acquire(instant(now)) {
                Availability::Now(permit) => {
                    queue.pop_front();
                    run.attempts.push(now);
                    let reply = server.arrive(now + MILLI, &Request { path: "/a", user: "u" });
                    let responds = now + reply.takes.unwrap() + 2 * MILLI;
                    events.push(Reverse((responds, Event::Response(in_flight.len()))));
                    in_flight.push(Some((call, permit, reply)));
                }
                Availability::At(at) | Availability::AfterResponse { or_at: at } => {
                    let at = (at - base).as_nanos() as Nanos;
                    assert!(at > now, "woken at once");
                    if woken <= now || at < woken {
                        woken = at;
                        events.push(Reverse((at, Event::Wake)));
                    }
                    break;
                }
            }
        }
    }
    run
}

impl Run {
    /// The accepted share of the calls that began in this time.
    fn share(&self, from: Nanos, until: Nanos) -> f64 {
        let calls = || self.calls.iter().filter(|(begun, _)| (from..until).contains(begun));
        calls().filter(|(_, is_ok)| *is_ok).count() as f64 / calls().count() as f64
    }

    fn is_as_before(&self, phase: &Phase) -> bool {
        self.share(phase.until + MINUTE, phase.until + 2 * MINUTE) >= 0.99
    }
}

#[test]
fn load_shed_at_random_is_not_slowed_down_for() {
    let mut broken = Vec::new();
    for rate in [1, 5, 20, 100] {
        for share in [0.05, 0.1, 0.2, 0.35, 0.5] {
            for refusal in [Refusal::bare(429), Refusal::bare(503)] {
                let span = if rate > 20 { MINUTE } else { 3 * MINUTE };
                let phase = Phase::new(MINUTE, MINUTE + span, Trouble::Shed { share, refusal });
                let run = run(&phase, rate);
                let meanwhile = run.share(phase.from, phase.until);
                let line = format!("{share} of {rate}/s, {}: {meanwhile:.3}", refusal.status);
                println!("{line}");
                if meanwhile < (1.0 - share) / 2.0 || !run.is_as_before(&phase) {
                    broken.push(line);
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_closed_server_is_left_alone_and_its_time_is_no_limit() {
    for (refusal, most) in [
        (Refusal::bare(429), 120),
        (Refusal::bare(503), 120),
        (Refusal::seconds(429, 1), 75),
        (Refusal::until_over(429, Form::Seconds), 2),
    ] {
        for rate in [1, 20, 200] {
            let phase = Phase::closed(MINUTE, 2 * MINUTE, refusal);
            let run = run(&phase, rate);
            let attempts = run.attempts.iter().filter(|at| (MINUTE..2 * MINUTE).contains(at));
            // And those that were in flight.
            let attempts = attempts.count() as u64;
            assert!(attempts <= most + 10 + rate / 100, "{refusal:?}, {rate}/s: {attempts}");
            let first = run.accepted.iter().find(|at| **at >= phase.until).unwrap();
            assert!(first - phase.until <= 5 * SECOND, "{refusal:?}, {rate}/s: {first}");
            assert!(run.is_as_before(&phase), "{refusal:?}, {rate}/s");
        }
    }
}
