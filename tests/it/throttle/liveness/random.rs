//! Servers with random troubles.
//!
//! `SEEDS=2000 cargo test --release --all-features --test it throttle::liveness::random -- --include-ignored --nocapture` runs longer,
//! and at more rates. `SEED=n` runs one seed.

use std::{collections::BTreeMap, time::Duration};

use limiter_sim::{
    Chance, Nanos, SECOND,
    trouble::{Composition, Kind, Refusal, Trouble, Wait},
};

use super::{
    known::KNOWN_FAILURES,
    subject::Subject,
    world::{Calls, Run, Scenario},
};
use crate::support::sim::seeds;

const MAX_BLOCK: Nanos = 60 * SECOND;
/// After this time without trouble all is as it was.
const RECOVERY: Nanos = 60 * SECOND;
const OBSERVED: Nanos = 40 * SECOND;

/// A seed's scenario. A third of the calls go to `/a`, of which some troubles are.
struct Trial {
    seed: u64,
    rate: u64,
    composition: Composition,
    scenario: Scenario,
    until: Nanos,
}

// === impl Trial ===

impl Trial {
    fn new(seed: u64, rates: &[u64]) -> Self {
        let rate = Chance::new(seed ^ 0x00C0_FFEE).one_of(rates);
        let composition = Composition::new(seed);
        let until = composition.over + RECOVERY + OBSERVED;
        let mut scenario = Scenario::new(composition.server.clone());
        scenario.max_block = Some(Duration::from_nanos(MAX_BLOCK));
        let calls = Calls::per_second(rate, 0, until).to(["/a/things", "/b/things", "/c"]);
        scenario.calls.push(calls.by((0..7).map(|user| format!("user-{user}"))));
        Self { seed, rate, composition, scenario, until }
    }

    /// Which invariants do not hold for a client, and the figures.
    fn broken(&self, subject: Subject, run: &Run, alone: &Run) -> Vec<(&'static str, String)> {
        let mut broken = Vec::new();
        let mut hold = |name, holds: bool, figures: String| {
            if !holds {
                broken.push((name, figures));
            }
        };
        let over = self.composition.over;
        let after = run.ok_share(0, over + RECOVERY, self.until);
        hold("recovers within 60 s", after >= 0.99, format!("{after:.3} ok"));

        let longest = self.longest_without_attempt(run);
        let most = (MAX_BLOCK + 5 * SECOND) as f64 / SECOND as f64;
        hold("an attempt after max_block", longest <= most, format!("{longest:.0} s without"));

        // A counter that is shown all the time is obeyed, true or not.
        let obeyed = [Kind::RemainingStuck, Kind::SecondFamily, Kind::ResetFar, Kind::LimitZero];
        let is_obeyed = self.composition.kinds.iter().any(|kind| obeyed.contains(kind));
        if subject.retries() && !is_obeyed {
            // Chance alone makes a difference of a few.
            let least = 0.95 * alone.ok() - 2.0 * alone.ok().sqrt();
            let figures = format!("{} ok, {} of the retry layer alone", run.ok(), alone.ok());
            hold("as much as the retry layer", run.ok() >= least, figures);
        }
        for phase in self.composition.server.phases() {
            let Trouble::Shed { share, refusal } = &phase.trouble else { continue };
            let span = phase.until - phase.from;
            if *share >= 1.0 && phase.is_everywhere() {
                let (sent, most) = (
                    run.attempts(phase.from, phase.until),
                    most_while_closed(*refusal, span, self.rate),
                );
                let figures = format!("{sent} attempts in {} s, {refusal:?}", span / SECOND);
                hold("polite while closed", sent <= most, figures);
            } else if self.composition.kinds == [Kind::Shed] {
                let ok = run.ok_share(0, phase.from, phase.until);
                let figures = format!("{ok:.3} ok of {share} shed");
                hold("half of what is not shed", ok >= (1.0 - share) / 2.0 - 0.05, figures);
            }
        }
        broken
    }

    fn longest_without_attempt(&self, run: &Run) -> f64 {
        let mut at: Vec<_> = run.attempts.iter().map(|attempt| attempt.at).collect();
        at.push(self.until);
        at.sort_unstable();
        let gaps = at.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or(self.until) as f64 / SECOND as f64
    }

    fn line(&self, subject: Subject, figures: &str) -> String {
        let Self { seed, rate, composition: Composition { kinds, over, .. }, .. } = self;
        let name = subject.name();
        format!("  {name}, seed {seed}: {figures}; {rate}/s, {kinds:?} until {} s", over / SECOND)
    }
}

/// Two a second, or one after each named wait; and those that were in flight.
fn most_while_closed(refusal: Refusal, span: Nanos, rate: u64) -> f64 {
    let seconds = (span / SECOND) as f64;
    let in_flight = 15.0 + rate as f64 / 2.0;
    match refusal.wait {
        Some((Wait::Seconds(wait), _)) => {
            in_flight + (2.0 * seconds).min(3.0 * seconds / wait as f64)
        }
        Some((Wait::UntilOver, _)) => in_flight,
        None => in_flight + 2.0 * seconds,
    }
}

/// The failures of each invariant.
fn explore(seeds: impl Iterator<Item = u64>, rates: &[u64]) -> BTreeMap<String, Vec<String>> {
    let mut failures: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for seed in seeds {
        let trial = Trial::new(seed, rates);
        let alone = trial.scenario.run(Subject::Retry);
        let retrying = if seed % 2 == 0 { Subject::Stack } else { Subject::RetryThrottle };
        for subject in [Subject::Throttle, retrying] {
            let run = trial.scenario.run(subject);
            for (name, figures) in trial.broken(subject, &run, &alone) {
                let name = format!("random: {name}");
                failures.entry(name).or_default().push(trial.line(subject, &figures));
            }
        }
    }
    failures
}

fn check(failures: &BTreeMap<String, Vec<String>>, seeds: u64) {
    for (name, lines) in failures {
        println!("{name}: {} failures in {seeds} seeds\n{}", lines.len(), lines.join("\n"));
    }
    let unknown = failures.iter().filter(|(name, _)| !KNOWN_FAILURES.contains(&name.as_str()));
    let unknown: Vec<_> = unknown.collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn invariants_hold_for_random_servers() {
    check(&explore(0..8, &[2, 5, 10]), 8);
}

#[test]
#[ignore = "takes minutes to hours: SEEDS says how many"]
fn invariants_hold_for_many_random_servers() {
    let number = seeds(100);
    match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => check(&explore(seed..=seed, &[1, 5, 20, 100, 500, 1_000]), 1),
        None => check(&explore(0..number, &[1, 5, 20, 100]), number),
    }
}

/// A throttle that waits for ever breaks what is about liveness, one that never waits what is about politeness.
#[test]
fn bad_throttles_break_invariants() {
    for (subject, expected) in [
        (Subject::Stuck, ["recovers within 60 s", "an attempt after max_block"].as_slice()),
        (Subject::Careless, &["polite while closed"]),
    ] {
        let mut seen: Vec<&str> = Vec::new();
        for seed in 0..8 {
            let trial = Trial::new(seed, &[5]);
            let run = trial.scenario.run(subject);
            seen.extend(trial.broken(subject, &run, &run).iter().map(|(name, _)| name));
        }
        for name in expected {
            assert!(seen.contains(name), "{} does not break `{name}`", subject.name());
        }
    }
}
