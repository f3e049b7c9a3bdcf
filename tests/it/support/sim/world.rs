//! The world: workers that share a quota, the network, the server.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Observation, Permit, Quota};

use super::{Chance, Headers, Limiter, MILLI, Nanos, Rule, SECOND, Server};

/// A scenario: a limiter, a network, and a load.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub rule: Rule,
    pub headers: Headers,
    pub jobs: usize,
    pub workers: usize,
    /// The shortest and the longest delay of one way.
    pub delay: (Nanos, Nanos),
    /// How long an accepted request takes.
    pub takes: Nanos,
    /// The time between two jobs, each with a worker of its own; if zero, all jobs are there from the start.
    pub job_every: Nanos,
    /// The number of requests of others that were counted before the first.
    pub used: u64,
    /// The time between two requests of another client.
    pub other_every: Option<Nanos>,
    /// How many of a thousand requests are lost, half of them before the server counts them, and when the client gives up.
    pub lost: (u64, Nanos),
    /// When the server's clock is set, and by how much.
    pub clock_step: Option<(Nanos, i64)>,
    /// When the limiter changes to another rule.
    pub new_rule: Option<(Nanos, Rule)>,
}

/// The result of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub took: Nanos,
    pub rate_limited: usize,
    pub others_rate_limited: usize,
    /// When each worker had done its jobs.
    pub finished: Vec<Nanos>,
    pub asked: usize,
    /// All requests, lost ones included.
    pub sent: usize,
}

enum Event {
    Job(usize),
    Arrives(usize),
    Responded(usize, Box<Observation>),
    Lost(usize),
    Wake,
    Other,
    Step(i64),
    NewRule(Rule),
}

struct Send {
    worker: usize,
    permit: Option<Permit>,
    is_lost: bool,
}

impl Scenario {
    pub fn new(rule: Rule, headers: Headers) -> Self {
        let (delay, takes) = ((MILLI / 20, MILLI / 3), 5 * MILLI);
        let (jobs, workers, other_every) = (480, 64, None);
        let (lost, clock_step, new_rule) = ((0, SECOND / 5), None, None);
        Self {
            rule,
            headers,
            jobs,
            workers,
            delay,
            takes,
            job_every: 0,
            used: 0,
            other_every,
            lost,
            clock_step,
            new_rule,
        }
    }

    /// A server whose clock starts anywhere in a window.
    pub fn server(&self, chance: &mut Chance) -> Server {
        let clock = 1_700_000_000 * SECOND + chance.between(0, 20 * SECOND);
        let mut server = Server { limiter: Limiter::new(self.rule), headers: self.headers, clock };
        for _ in 0..self.used {
            server.arrive(0);
        }
        server
    }

    pub fn delay(&self, chance: &mut Chance) -> Nanos {
        chance.between(self.delay.0, self.delay.1)
    }
}

/// Does all jobs with one quota.
pub fn run(scenario: &Scenario, seed: u64) -> Outcome {
    let mut chance = Chance::new(seed);
    let mut server = scenario.server(&mut chance);
    let base = Instant::now() + Duration::from_secs(10_000);
    let instant = |at: Nanos| base + Duration::from_nanos(at);
    let mut quota = Quota::new();
    let mut events: BinaryHeap<Reverse<(Nanos, u64)>> = BinaryHeap::new();
    let mut what: Vec<Option<Event>> = Vec::new();
    let mut attempts: Vec<Send> = Vec::new();
    let workers = if scenario.job_every > 0 { 0 } else { scenario.workers.min(scenario.jobs) };
    let mut waiting: VecDeque<usize> = (0..workers).collect();
    let mut unstarted = if scenario.job_every > 0 { 0 } else { scenario.jobs - workers };
    let mut done = 0;
    let mut outcome = Outcome {
        took: 0,
        rate_limited: 0,
        others_rate_limited: 0,
        finished: vec![0; scenario.workers.max(scenario.jobs)],
        asked: 0,
        sent: 0,
    };
    macro_rules! push {
        ($at:expr, $event:expr) => {{
            events.push(Reverse(($at, what.len() as u64)));
            what.push(Some($event));
        }};
    }
    if scenario.job_every > 0 {
        for job in 0..scenario.jobs {
            push!(job as Nanos * scenario.job_every, Event::Job(job));
        }
    }
    if let Some(every) = scenario.other_every {
        push!(every, Event::Other);
    }
    if let Some((at, by)) = scenario.clock_step {
        push!(at, Event::Step(by));
    }
    if let Some((at, rule)) = scenario.new_rule {
        push!(at, Event::NewRule(rule));
    }
    push!(0, Event::Wake);
    let mut woken_at = 0;
    while done < scenario.jobs {
        let Some(Reverse((now, event))) = events.pop() else {
            panic!("stuck with {} of {} done", done, scenario.jobs)
        };
        assert!(
            now < 10_000 * SECOND && outcome.asked < 300_000,
            "seed {seed}: stuck with {done} of {} done",
            scenario.jobs
        );
        match what[event as usize].take() {
            Some(Event::Job(worker)) => waiting.push_back(worker),
            Some(Event::Arrives(send)) => {
                let response = server.arrive(now);
                let takes = if response.rate_limited { 0 } else { scenario.takes };
                if attempts[send].permit.is_some() && !attempts[send].is_lost {
                    push!(
                        now + takes + scenario.delay(&mut chance),
                        Event::Responded(send, Box::new(response))
                    );
                }
                continue;
            }
            Some(Event::Responded(send, response)) => {
                let Send { worker, permit, .. } = &mut attempts[send];
                quota.on_response(permit.take().unwrap(), instant(now), &response);
                if response.rate_limited {
                    outcome.rate_limited += 1;
                    waiting.push_front(*worker);
                } else {
                    done += 1;
                    outcome.took = now;
                    outcome.finished[*worker] = now;
                    if unstarted > 0 {
                        unstarted -= 1;
                        waiting.push_back(*worker);
                    }
                }
            }
            Some(Event::Lost(send)) => {
                let Send { worker, permit, .. } = &mut attempts[send];
                quota.on_lost(permit.take().unwrap(), instant(now));
                waiting.push_front(*worker);
            }
            Some(Event::Step(by)) => {
                server.clock = server.clock.saturating_add_signed(by);
                server.limiter = Limiter::new(server.limiter.rule);
                continue;
            }
            Some(Event::NewRule(rule)) => {
                server.limiter.rule = rule;
                continue;
            }
            Some(Event::Other) => {
                outcome.others_rate_limited += usize::from(server.arrive(now).rate_limited);
                push!(now + scenario.other_every.unwrap(), Event::Other);
                continue;
            }
            Some(Event::Wake) | None => {}
        }
        while !waiting.is_empty() {
            outcome.asked += 1;
            match quota.acquire(instant(now)) {
                Availability::Now(permit) => {
                    let worker = waiting.pop_front().unwrap();
                    let is_lost =
                        scenario.lost.0 > 0 && chance.between(1, 1_000) <= scenario.lost.0;
                    let send = attempts.len();
                    attempts.push(Send { worker, permit: Some(permit), is_lost });
                    outcome.sent += 1;
                    if is_lost {
                        push!(now + scenario.lost.1, Event::Lost(send));
                    }
                    if !is_lost || chance.between(0, 1) == 0 {
                        push!(now + scenario.delay(&mut chance), Event::Arrives(send));
                    }
                }
                Availability::At(at) | Availability::AfterResponse { or_at: at } => {
                    let at = at.saturating_duration_since(base).as_nanos() as Nanos;
                    assert!(at > now, "woken at once");
                    if woken_at <= now || at < woken_at {
                        woken_at = at;
                        push!(at, Event::Wake);
                    }
                    break;
                }
            }
        }
    }
    outcome.finished.truncate(scenario.workers);
    outcome
}
