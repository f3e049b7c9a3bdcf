//! The tables, and whether the fleet has done what it is there for.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    args::Run,
    outcome::{Outage, Outcome, START, Span},
};

/// What is promised is 0.95 and less than 1 %, and 0.90 and 5 % while the store is down. A machine that is busy with something else
/// delays responses.
const LEAST: f64 = 0.75;
const MOST_REJECTED: f64 = 0.15;

/// What `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    processes: usize,
    seconds: u64,
    shared: Fleet,
    alone: Fleet,
}

#[derive(Clone, Debug, Serialize)]
struct Fleet {
    accepted: u32,
    rejected: u32,
    accepted_per_second: f64,
    token_fetches: usize,
    store_calls: u64,
    failed: u64,
}

pub fn table(outcomes: &[Outcome; 2], outage: Outage) {
    let columns = ["accepted/s", "of limit", "rejected", "tokens", "store/s", "failed"];
    println!("\n{:<22}{}", "", columns.map(|column| format!("{column:>12}")).concat());
    for outcome in outcomes {
        let span = outcome.counted();
        let cells = [
            format!("{:.1}", span.per_second()),
            format!("{:.2}", span.of_limit()),
            rejected(&span),
            outcome.token_fetches.to_string(),
            format!("{:.1}", outcome.store_calls()),
            outcome.reports.failed.to_string(),
        ];
        let name = format!("{} processes, {}", outcome.processes, outcome.name);
        println!("{name:<22}{}", cells.map(|cell| format!("{cell:>12}")).concat());
    }
    let [shared, _] = outcomes;
    println!("\nThe fleet with the store:");
    for (name, from, until) in [
        ("store up", START, outage.from),
        ("store down", outage.from, outage.until),
        ("back, empty", outage.until, shared.time),
    ] {
        let span = shared.within(from, until);
        println!(
            "  {name:<20}{:>12.1}{:>12.2}{:>12}",
            span.per_second(),
            span.of_limit(),
            rejected(&span)
        );
    }
    println!(
        "\nCounted from second {} on; tokens: fetches from the issuer; store/s: calls of the store for each process and second.",
        START.as_secs()
    );
}

fn rejected(span: &Span) -> String {
    format!("{} ({:.1} %)", span.rejected, 100.0 * span.rejected_share())
}

/// Fails the program if the fleet did not do its job.
pub fn verdict(shared: &Outcome) -> ExitCode {
    let span = shared.counted();
    let checks = [
        ("one token is fetched for all", shared.token_fetches == 1),
        ("the limit is used", span.of_limit() >= LEAST),
        ("few requests are rejected", span.rejected_share() <= MOST_REJECTED),
        ("the store is asked", shared.reports.store_calls > 0),
    ];
    let mut code = ExitCode::SUCCESS;
    for (promise, _) in checks.iter().filter(|(_, kept)| !kept) {
        eprintln!("Not so: {promise}.");
        code = ExitCode::FAILURE;
    }
    code
}

// === impl Summary ===

impl Summary {
    pub fn new(run: &Run, [shared, alone]: &[Outcome; 2]) -> Self {
        let [shared, alone] = [shared, alone].map(Fleet::new);
        Self { processes: run.processes, seconds: run.time.as_secs(), shared, alone }
    }
}

// === impl Fleet ===

impl Fleet {
    fn new(outcome: &Outcome) -> Self {
        let span = outcome.counted();
        Self {
            accepted: span.accepted,
            rejected: span.rejected,
            accepted_per_second: (span.per_second() * 10.0).round() / 10.0,
            token_fetches: outcome.token_fetches,
            store_calls: outcome.reports.store_calls,
            failed: outcome.reports.failed,
        }
    }
}
