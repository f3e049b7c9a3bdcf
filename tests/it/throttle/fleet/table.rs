//! What a fleet reaches with a store: `cargo test --all-features --test it fleet_ -- --nocapture` prints the tables.

use super::world::{Outcome, Scenario, run};
use crate::support::sim::{Headers, MILLI, Rule, SECOND};

const FIXED: Rule = Rule::Fixed { limit: 50, period: SECOND };
const BUCKET: Rule = Rule::Bucket { rate: 20, burst: 50 };
const SLIDING: Rule = Rule::Sliding { limit: 50, period: SECOND };

const RULES: [(&str, Rule, Headers); 5] = [
    ("fixed", FIXED, Headers::Epoch),
    ("bucket", BUCKET, Headers::Epoch),
    ("sliding", SLIDING, Headers::Epoch),
    ("fixed, bare", FIXED, Headers::Bare),
    ("sliding, bare", SLIDING, Headers::Bare),
];

/// Prints a line, and returns it if a bound is exceeded.
fn check(name: &str, scenario: &Scenario, bounds: (f64, f64, f64, f64)) -> Option<String> {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1);
    let mut broken = None;
    for seed in 1..=seeds {
        let outcome = run(scenario, seed);
        let line = format!("{name:<36} {:>4} │ {}", scenario.processes, outcome.line(scenario));
        println!("{line}");
        if std::env::var("DETAIL").is_ok() {
            let each = outcome
                .each_second
                .iter()
                .map(|(at, (accepted, rejected))| format!("{at}:{accepted}/{rejected}"));
            println!("    {}\n    {:?}", each.collect::<Vec<_>>().join(" "), outcome.last);
        }
        if !is_within(&outcome, scenario, bounds) {
            broken = Some(line);
        }
    }
    broken
}

fn is_within(outcome: &Outcome, scenario: &Scenario, bounds: (f64, f64, f64, f64)) -> bool {
    let (accepted, rejected, jain, operations) = bounds;
    outcome.share(scenario) >= accepted
        && outcome.rejected() <= rejected
        && outcome.jain() >= jain
        && outcome.operations(scenario) <= operations
        && outcome.record <= 1_024
}

fn assert_none(broken: impl IntoIterator<Item = Option<String>>) {
    let broken: Vec<_> = broken.into_iter().flatten().collect();
    assert!(broken.is_empty(), "exceeded:\n{}", broken.join("\n"));
}

/// A hundred windows, without the first five seconds; `FLEET=1000` adds a thousand processes, and two hundred windows are a better
/// measure of fairness.
#[test]
fn fleet_table() {
    let most = std::env::var("FLEET").ok().and_then(|most| most.parse().ok()).unwrap_or(100);
    let lasts = if most > 100 { 205 } else { 105 };
    println!(
        "accepted of the ideal · rejected · Jain's index · store operations a process and second"
    );
    let all = RULES.iter().flat_map(|(name, rule, headers)| {
        let sizes = [2, 8, 32, 100, 1_000].into_iter().filter(|processes| *processes <= most);
        sizes.map(|processes| {
            let new = Scenario::new(*rule, *headers, processes);
            check(name, &Scenario { lasts: lasts * SECOND, ..new }, (0.95, 0.011, 0.95, 2.2))
        })
    });
    assert_none(all);
}

#[test]
fn fleet_delays() {
    let mut all = Vec::new();
    for (name, rule, headers) in RULES {
        for (delay, processes, least) in [(20, 8, 0.95), (20, 32, 0.95), (100, 8, 0.90)] {
            let scenario = Scenario {
                delay: (MILLI / 5, delay * MILLI),
                store_delay: (MILLI, 5 * MILLI),
                lasts: 65 * SECOND,
                ..Scenario::new(rule, headers, processes)
            };
            let name = format!("{name}, to {delay} ms");
            all.push(check(&name, &scenario, (least, 0.02, 0.95, 2.2)));
        }
    }
    assert_none(all);
}

/// A store in another zone: questions take longer, and overtake each other more often.
#[test]
fn fleet_distant_store() {
    let mut all = Vec::new();
    for (name, rule, headers) in RULES {
        for processes in [2, 8, 32] {
            let new = Scenario::new(rule, headers, processes);
            let scenario = Scenario { store_delay: (MILLI, 5 * MILLI), lasts: 65 * SECOND, ..new };
            let name = format!("{name}, store 1 to 5 ms");
            all.push(check(&name, &scenario, (0.95, 0.011, 0.95, 2.4)));
        }
    }
    assert_none(all);
}

#[test]
fn fleet_trouble() {
    let mut all = Vec::new();
    for (name, rule, headers) in RULES {
        let new = |processes| Scenario::new(rule, headers, processes);
        let named = |what: &str| format!("{name}, {what}");
        let lost = Scenario { lost: 50, lasts: 65 * SECOND, ..new(16) };
        all.push(check(&named("5 % of messages lost"), &lost, (0.55, 0.03, 0.9, 2.2)));
        let forgets_at = vec![10 * SECOND, 20 * SECOND, 30 * SECOND];
        let forgets = Scenario { forgets_at, lasts: 45 * SECOND, ..new(16) };
        all.push(check(&named("store emptied thrice"), &forgets, (0.85, 0.03, 0.95, 2.2)));
        let dies = Scenario { die_at: Some(10 * SECOND), lasts: 45 * SECOND, ..new(16) };
        all.push(check(&named("half of them die"), &dies, (0.95, 0.01, 0.5, 2.2)));
        let outsider = Scenario { outsider: 0.2, lasts: 65 * SECOND, ..new(8) };
        all.push(check(&named("an outsider takes a fifth"), &outsider, (0.9, 0.04, 0.95, 2.2)));
        for processes in [8, 32] {
            let outage = Some((10 * SECOND, 14 * SECOND, true));
            let outage = Scenario { outage, lasts: 21 * SECOND, ..new(processes) };
            all.push(check(
                &named("store down for 4 s, and empty"),
                &outage,
                (0.87, 0.055, 0.85, 2.2),
            ));
        }
        let outage = Some((10 * SECOND, 60 * SECOND, false));
        let outage = Scenario { outage, lasts: 24 * SECOND, learning: 10 * SECOND, ..new(8) };
        all.push(check(&named("without a store for 14 s"), &outage, (0.86, 0.04, 0.9, 2.2)));
    }
    assert_none(all);
}

/// Processes that want one a second get it, beside greedy ones.
#[test]
fn fleet_quiet_processes() {
    let mut broken = Vec::new();
    for (name, rule, headers) in RULES {
        let new = Scenario::new(rule, headers, 16);
        let scenario = Scenario { quiet: 12, lasts: 35 * SECOND, ..new };
        let outcome = run(&scenario, 1);
        let mut waits = outcome.quiet_waits.clone();
        waits.sort_unstable();
        let at = |part: f64| waits[(part * (waits.len() - 1) as f64) as usize] / MILLI;
        let line = format!(
            "{name:<14} │ {} │ quiet: {} in {} ms, 95 %: {} ms",
            outcome.line(&scenario),
            waits.len(),
            at(0.5),
            at(0.95)
        );
        println!("{line}");
        if outcome.share(&scenario) < 0.5 || at(0.5) > 250 || at(0.95) > 1_500 {
            broken.push(Some(line));
        }
    }
    assert_none(broken);
}
