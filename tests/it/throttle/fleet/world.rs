//! A fleet of processes, a store that compares and sets, an API with a limiter, and the networks between them: events in the order of
//! their time, and chance from a seed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use tokio::time::Instant;
use tower_heed::__internals::{
    Availability, Observation, Permit, Quota,
    fleet::{Ask, Decoded, Hand, Learned, Ledger, Question, Role, Seen, Step, Swap, Take, decode},
};

use crate::support::sim::{Chance, Headers, Limiter, MILLI, Nanos, Rule, SECOND, Server};

/// The longest that a question takes.
const QUESTION: Nanos = 250 * MILLI;

#[derive(Clone, Debug)]
pub struct Scenario {
    pub rule: Rule,
    pub headers: Headers,
    pub processes: usize,
    /// Callers of each process that always want more; of those in `quiet`, one that wants one a second.
    pub callers: u32,
    pub quiet: usize,
    pub lasts: Nanos,
    /// What is not counted.
    pub learning: Nanos,
    /// The shortest and the longest delay of one way, to the API and to the store.
    pub delay: (Nanos, Nanos),
    pub store_delay: (Nanos, Nanos),
    /// How many of a thousand messages from and to the store are lost.
    pub lost: u64,
    /// Half of the processes die at this moment.
    pub die_at: Option<Nanos>,
    /// The store is down from one moment to another, and then empty or not.
    pub outage: Option<(Nanos, Nanos, bool)>,
    /// The store forgets everything at these moments.
    pub forgets_at: Vec<Nanos>,
    /// What the store has in the beginning.
    pub first_record: Option<Vec<u8>>,
    /// The first process tells anything.
    pub lies: bool,
    /// An outsider takes this share of the rate, evenly.
    pub outsider: f64,
}

impl Scenario {
    pub fn new(rule: Rule, headers: Headers, processes: usize) -> Self {
        Self {
            rule,
            headers,
            processes,
            callers: 8,
            quiet: 0,
            lasts: 25 * SECOND,
            learning: 5 * SECOND,
            delay: (MILLI / 5, 2 * MILLI),
            store_delay: (MILLI / 10, MILLI / 2),
            lost: 0,
            die_at: None,
            outage: None,
            forgets_at: Vec::new(),
            outsider: 0.0,
            first_record: None,
            lies: false,
        }
    }

    pub fn rate(&self) -> f64 {
        match self.rule {
            Rule::Fixed { limit, period }
            | Rule::FirstHit { limit, period }
            | Rule::Sliding { limit, period } => limit as f64 * SECOND as f64 / period as f64,
            Rule::Bucket { rate, .. } => rate as f64,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub accepted: Vec<u64>,
    pub rejected: u64,
    pub others: u64,
    pub others_refused: u64,
    pub operations: u64,
    pub questions: u64,
    pub conflicts: u64,
    /// The most tries of a question.
    pub tries: u32,
    pub failed: u64,
    pub busy: u64,
    pub seconds: f64,
    pub record: usize,
    /// The ledger at the end.
    pub last: Option<Ledger>,
    /// The time that callers of quiet processes waited.
    pub quiet_waits: Vec<Nanos>,
    /// Accepted and rejected in each second, from the begin on.
    pub each_second: BTreeMap<u64, (u64, u64)>,
}

impl Outcome {
    pub fn share(&self, scenario: &Scenario) -> f64 {
        let all = self.accepted.iter().sum::<u64>() + self.others;
        all as f64 / (scenario.rate() * self.seconds)
    }

    pub fn rejected(&self) -> f64 {
        let accepted = self.accepted.iter().sum::<u64>();
        self.rejected as f64 / (self.rejected + accepted).max(1) as f64
    }

    pub fn jain(&self) -> f64 {
        let sum = self.accepted.iter().map(|one| *one as f64).sum::<f64>();
        let squares = self.accepted.iter().map(|one| (*one as f64).powi(2)).sum::<f64>();
        sum * sum / (self.accepted.len() as f64 * squares).max(1.0)
    }

    pub fn operations(&self, scenario: &Scenario) -> f64 {
        self.operations as f64 / self.seconds / scenario.processes as f64
    }

    pub fn line(&self, scenario: &Scenario) -> String {
        format!(
            "{:.2} · {:>4.1} % · {:.2} · {:.1} ops · {:>4.1} % conflicts, {} tries",
            self.share(scenario),
            self.rejected() * 100.0,
            self.jain(),
            self.operations(scenario),
            self.conflicts as f64 * 100.0 / self.questions.max(1) as f64,
            self.tries,
        )
    }
}

enum Event {
    Wake,
    Due,
    Arrives(usize),
    Responded(usize),
    /// A caller of a quiet process comes back.
    Caller,
    /// A message at the store, and one from it.
    AtStore(u64, Option<(Swap, Option<Vec<u8>>)>),
    FromStore(u64, Nanos, Option<Vec<u8>>, bool),
    TimesOut(u64),
    Other,
    Die,
    Forget,
}

struct Process {
    hand: Hand,
    quota: Quota,
    waiting: u32,
    since: Nanos,
    is_quiet: bool,
    is_dead: bool,
    due: Nanos,
    wake: Nanos,
    question: Option<Asking>,
    number: u64,
}

struct Asking {
    number: u64,
    question: Question,
    ask: Ask,
    /// When the last message was sent, and the same of the one whose reply is used.
    sent: Nanos,
    read: Option<(Nanos, Nanos)>,
    was: Option<Vec<u8>>,
    tries: u32,
}

struct Attempt {
    permit: Option<Permit>,
    sent: Nanos,
    seen: Option<Box<Observation>>,
}

pub struct World<'a> {
    scenario: &'a Scenario,
    chance: Chance,
    server: Server,
    store: Option<Vec<u8>>,
    store_clock: Nanos,
    base: Instant,
    processes: Vec<Process>,
    attempts: Vec<Attempt>,
    free: Vec<usize>,
    events: BinaryHeap<Reverse<(Nanos, u64)>>,
    what: Vec<Option<(usize, Event)>>,
    free_events: Vec<usize>,
    sequence: u64,
    outcome: Outcome,
}

pub fn run(scenario: &Scenario, seed: u64) -> Outcome {
    World::new(scenario, seed).run()
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let clock = 1_700_000_000 * SECOND + chance.between(0, 20 * SECOND);
        let server =
            Server { limiter: Limiter::new(scenario.rule), headers: scenario.headers, clock };
        let process = |number: usize| Process {
            hand: Hand::new(number as u64 + 1),
            quota: Quota::new(),
            waiting: if number < scenario.quiet { 0 } else { scenario.callers },
            since: 0,
            is_quiet: number < scenario.quiet,
            is_dead: false,
            due: 0,
            wake: 0,
            question: None,
            number: 0,
        };
        Self {
            scenario,
            server,
            store: scenario.first_record.clone(),
            store_clock: 1_800_000_000 * SECOND + chance.between(0, 3_600 * SECOND),
            chance,
            base: Instant::now() + Duration::from_secs(10_000),
            processes: (0..scenario.processes).map(process).collect(),
            attempts: Vec::new(),
            free: Vec::new(),
            events: BinaryHeap::new(),
            what: Vec::new(),
            free_events: Vec::new(),
            sequence: 0,
            outcome: Outcome {
                accepted: vec![0; scenario.processes],
                seconds: (scenario.lasts - scenario.learning) as f64 / SECOND as f64,
                ..Outcome::default()
            },
        }
    }

    fn push(&mut self, at: Nanos, process: usize, event: Event) {
        self.sequence += 1;
        let slot = self.free_events.pop().unwrap_or_else(|| {
            self.what.push(None);
            self.what.len() - 1
        });
        self.what[slot] = Some((process, event));
        self.events.push(Reverse((at, self.sequence << 32 | slot as u64)));
    }

    fn instant(&self, at: Nanos) -> Instant {
        self.base + Duration::from_nanos(at)
    }

    fn delay(&mut self) -> Nanos {
        self.chance.between(self.scenario.delay.0, self.scenario.delay.1)
    }

    fn run(mut self) -> Outcome {
        for process in 0..self.scenario.processes {
            let at = self.chance.between(0, 50 * MILLI);
            let quiet = self.processes[process].is_quiet;
            self.push(at, process, if quiet { Event::Caller } else { Event::Wake });
        }
        if self.scenario.outsider > 0.0 {
            self.push(0, 0, Event::Other);
        }
        if let Some(at) = self.scenario.die_at {
            self.push(at, 0, Event::Die);
        }
        for at in self.scenario.forgets_at.clone() {
            self.push(at, 0, Event::Forget);
        }
        while let Some(Reverse((now, key))) = self.events.pop() {
            if now > self.scenario.lasts {
                break;
            }
            let slot = (key & 0xffff_ffff) as usize;
            let (process, event) = self.what[slot].take().unwrap();
            self.free_events.push(slot);
            self.step(now, process, event);
        }
        self.outcome.last = self.store.as_deref().and_then(ledger_of);
        self.outcome
    }

    fn step(&mut self, now: Nanos, number: usize, event: Event) {
        let counts = now > self.scenario.learning;
        match event {
            Event::Wake | Event::Due => {}
            Event::Caller => {
                let process = &mut self.processes[number];
                process.waiting += 1;
                process.since = now;
            }
            Event::Arrives(attempt) => {
                let seen = self.server.arrive(now);
                let takes = if seen.rate_limited { 0 } else { 5 * MILLI };
                self.attempts[attempt].seen = Some(Box::new(seen));
                let at = now + takes + self.delay();
                return self.push(at, number, Event::Responded(attempt));
            }
            Event::Responded(attempt) => self.responded(now, number, attempt),
            Event::AtStore(question, swap) => return self.at_store(now, number, question, swap),
            Event::FromStore(question, time, record, swapped) => {
                self.store_replied(now, number, question, time, record, swapped);
            }
            Event::TimesOut(question) => {
                let process = &mut self.processes[number];
                if process.question.as_ref().is_some_and(|asking| asking.number == question) {
                    let asking = process.question.take().unwrap();
                    self.outcome.failed += u64::from(counts);
                    self.fail(now, number, &asking.ask);
                }
            }
            Event::Other => {
                let left = self.server.arrive(now);
                let (count, rejected) =
                    (&mut self.outcome.others, &mut self.outcome.others_refused);
                *count += u64::from(!left.rate_limited && counts);
                *rejected += u64::from(left.rate_limited && counts);
                let every = SECOND as f64 / (self.scenario.rate() * self.scenario.outsider);
                return self.push(now + every as Nanos, 0, Event::Other);
            }
            Event::Die => {
                for process in self.processes.iter_mut().skip(1).step_by(2) {
                    process.is_dead = true;
                }
                return;
            }
            Event::Forget => self.store = None,
        }
        self.pump(now, number);
    }

    fn responded(&mut self, now: Nanos, number: usize, attempt: usize) {
        let counts = now > self.scenario.learning;
        let at = self.instant(now);
        let sent = self.instant(self.attempts[attempt].sent);
        let Attempt { permit, seen, .. } = &mut self.attempts[attempt];
        let (permit, seen) = (permit.take(), seen.take().unwrap());
        self.free.push(attempt);
        let process = &mut self.processes[number];
        if let Some(permit) = permit {
            process.quota.on_response(permit, at, &seen);
        }
        if process.is_dead {
            return;
        }
        process.hand.on_response(sent, at, &seen);
        let each = self.outcome.each_second.entry(now / SECOND).or_default();
        if seen.rate_limited {
            each.1 += 1;
            self.outcome.rejected += u64::from(counts);
            process.waiting += 1;
            return;
        }
        each.0 += 1;
        self.outcome.accepted[number] += u64::from(counts);
        if process.is_quiet {
            if counts {
                self.outcome.quiet_waits.push(now - process.since);
            }
            let next = now + self.chance.between(SECOND / 2, 3 * SECOND / 2);
            self.push(next, number, Event::Caller);
        } else {
            self.processes[number].waiting += 1;
        }
    }

    fn pump(&mut self, now: Nanos, number: usize) {
        let at = self.instant(now);
        if self.processes[number].is_dead {
            return;
        }
        while self.processes[number].waiting > 0 {
            let process = &mut self.processes[number];
            let (permit, wake) = match process.hand.take(at) {
                Take::Now => (None, None),
                Take::At(at) => (None, Some(at)),
                Take::None => break,
                Take::Own => match process.quota.acquire(at) {
                    Availability::Now(permit) => (Some(permit), None),
                    Availability::At(at) | Availability::AfterResponse { or_at: at } => {
                        (None, Some(at))
                    }
                },
            };
            if let Some(wake) = wake {
                let wake =
                    (wake.saturating_duration_since(self.base).as_nanos() as Nanos).max(now + 1);
                if process.wake <= now || wake < process.wake {
                    process.wake = wake;
                    self.push(wake, number, Event::Wake);
                }
                break;
            }
            process.waiting -= 1;
            let attempt = self.free.pop().unwrap_or_else(|| {
                self.attempts.push(Attempt { permit: None, sent: 0, seen: None });
                self.attempts.len() - 1
            });
            self.attempts[attempt] = Attempt { permit, sent: now, seen: None };
            let arrives = now + self.delay();
            self.push(arrives, number, Event::Arrives(attempt));
        }
        self.ask_if_due(now, number);
    }

    fn ask_if_due(&mut self, now: Nanos, number: usize) {
        let at = self.instant(now);
        let process = &mut self.processes[number];
        let mut due = process.hand.due(at, process.waiting as usize);
        let knowledge =
            if process.hand.role() == Role::Learner { process.quota.knowledge(at) } else { None };
        if knowledge.is_some() && process.question.is_none() && process.hand.knows(at, knowledge) {
            due = Some(at);
        }
        let Some(due) = due else { return };
        let due = due.saturating_duration_since(self.base).as_nanos() as Nanos;
        if due > now {
            if process.due <= now || due < process.due {
                process.due = due;
                self.push(due, number, Event::Due);
            }
            return;
        }
        let mut ask = process.hand.ask(at, process.waiting as usize, knowledge);
        if self.scenario.lies && number == 0 {
            lie(&mut ask, &mut self.chance);
        }
        process.number += 1;
        let remembered = process.hand.remembered();
        let asking = Asking {
            number: process.number,
            question: Question::new(ask.clone(), remembered),
            ask,
            sent: now,
            read: None,
            was: None,
            tries: 0,
        };
        let question = asking.number;
        process.question = Some(asking);
        self.outcome.questions += u64::from(now > self.scenario.learning);
        self.push(now + QUESTION, number, Event::TimesOut(question));
        self.call_store(now, number, question, None);
    }

    fn fail(&mut self, now: Nanos, number: usize, ask: &Ask) {
        let (at, chance) = (self.instant(now), self.even());
        self.processes[number].hand.on_failure(ask, at, chance);
    }

    fn even(&mut self) -> f64 {
        (self.chance.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn store_delay(&mut self) -> Nanos {
        self.chance.between(self.scenario.store_delay.0, self.scenario.store_delay.1)
    }

    fn call_store(
        &mut self,
        now: Nanos,
        number: usize,
        question: u64,
        swap: Option<(Swap, Option<Vec<u8>>)>,
    ) {
        self.outcome.operations += u64::from(now > self.scenario.learning);
        let at = now + self.store_delay();
        self.push(at, number, Event::AtStore(question, swap));
    }

    fn is_lost(&mut self) -> bool {
        self.scenario.lost > 0 && self.chance.between(1, 1_000) <= self.scenario.lost
    }

    fn at_store(
        &mut self,
        now: Nanos,
        number: usize,
        question: u64,
        swap: Option<(Swap, Option<Vec<u8>>)>,
    ) {
        if let Some((from, until, is_emptied)) = self.scenario.outage {
            if now >= from && is_emptied {
                // Once, before the first message after the outage.
                if now < until {
                    self.store = None;
                }
            }
            if (from..until).contains(&now) {
                return;
            }
        }
        if self.is_lost() {
            return;
        }
        let time = self.store_clock + now;
        let mut swapped = false;
        if let Some((swap, was)) = swap {
            if self.store == was && time <= swap.deadline {
                self.outcome.record = self.outcome.record.max(swap.record.len());
                self.store = Some(swap.record);
                swapped = true;
            } else {
                self.outcome.conflicts += u64::from(now > self.scenario.learning);
            }
        }
        if self.is_lost() {
            return;
        }
        let at = now + self.store_delay();
        let record = self.store.clone();
        self.push(at, number, Event::FromStore(question, time, record, swapped));
    }

    fn store_replied(
        &mut self,
        now: Nanos,
        number: usize,
        question: u64,
        time: Nanos,
        record: Option<Vec<u8>>,
        swapped: bool,
    ) {
        let process = &mut self.processes[number];
        let Some(asking) = process.question.as_mut().filter(|asking| asking.number == question)
        else {
            return;
        };
        if !swapped {
            let sent = asking.sent;
            asking.tries += 1;
            asking.read = Some((sent, now));
            match asking.question.on_record(time, record.as_deref()) {
                Step::Swap(swap) => {
                    asking.was = record.clone();
                    self.outcome.tries = self.outcome.tries.max(asking.tries);
                    asking.sent = now;
                    return self.call_store(now, number, question, Some((swap, record)));
                }
                Step::Done => {}
                Step::Busy => {
                    let ask = process.question.take().unwrap().ask;
                    let (at, chance) = (self.instant(now), self.even());
                    self.outcome.busy += u64::from(now > self.scenario.learning);
                    self.processes[number].hand.on_busy(&ask, at, chance);
                    return self.ask_if_due(now, number);
                }
                Step::Foreign => return,
            }
        }
        let asking = process.question.take().unwrap();
        let (sent, received) = asking.read.unwrap();
        let ask = asking.ask;
        let (ledger, grant) = asking.question.into_answer().unwrap();
        let (sent, received) = (self.instant(sent), self.instant(received));
        let chance = self.even();
        self.processes[number].hand.on_grant(&grant, ledger, &ask, sent, received, chance);
    }
}

/// The ledger of a record.
fn ledger_of(record: &[u8]) -> Option<Ledger> {
    match decode(record) {
        Decoded::Ledger(ledger) => Some(ledger),
        Decoded::Broken | Decoded::Foreign => None,
    }
}

/// Anything that a question can say.
pub fn lie(ask: &mut Ask, chance: &mut Chance) {
    let mut any = |most: u64| match chance.between(0, 3) {
        0 => 0,
        1 => most,
        _ => chance.between(0, most.min(1_000)),
    };
    ask.want = any(u64::from(u32::MAX)) as u32;
    ask.accepted = any(u64::from(u32::MAX)) as u32;
    ask.rejected = any(50) as u32;
    let (limit, left) = (any(u64::from(u32::MAX)) as u32, any(u64::from(u32::MAX)) as u32);
    let end = (any(u64::MAX), any(u64::MAX));
    ask.seen = (any(1) == 1).then_some(Seen { limit, left, end: (any(1) == 1).then_some(end) });
    ask.back = vec![(any(u64::MAX), any(u64::from(u32::MAX)) as u32)];
    ask.learned = match any(3) {
        0 => Some(Learned::Open),
        1 => Some(Learned::Rate { every: any(u64::MAX), burst: limit, left }),
        2 => Some(Learned::Window { limit, left, period: Some(any(u64::MAX)), end }),
        _ => None,
    };
}
