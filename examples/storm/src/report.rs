//! The table, and whether the stack has done what it is there for.

use std::{process::ExitCode, time::Duration};

use load_test::jobs::Work;

use super::strategies::{Outcome, Strategy};

/// What is promised of a limit that is shown: so many rejections.
const PROMISED: usize = 5;
/// A machine that is busy with something else delays responses.
const BUSY: usize = 20;

pub fn table(outcomes: &[Outcome]) {
    let columns = ["done", "failed", "requests", "429s", "time", "× ideal", "p50", "p99"];
    println!("\n{:<30}{}", "", columns.map(|column| format!("{column:>10}")).concat());
    for outcome in outcomes {
        let Outcome { strategy, done, tally, .. } = outcome;
        let cells = [
            done.ok.to_string(),
            done.failed.to_string(),
            tally.attempts().to_string(),
            tally.rejected().to_string(),
            seconds(done.makespan),
            outcome.times_ideal().map_or_else(|| "–".to_owned(), |times| format!("{times:.2}")),
            seconds(done.within(0.5)),
            seconds(done.within(0.99)),
        ];
        println!("{:<30}{}", strategy.name(), cells.map(|cell| format!("{cell:>10}")).concat());
    }
    if let Some(outcome) = outcomes.first() {
        println!(
            "\nIdeal is a client that knows the server's limiter: {}.",
            seconds(outcome.ideal)
        );
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Fails the program if the stack did not do its job.
pub fn verdict(work: Work, outcomes: &[Outcome]) -> ExitCode {
    let Some(stack) = outcomes.iter().find(|outcome| outcome.strategy == Strategy::Heed) else {
        return ExitCode::FAILURE;
    };
    let checks = [
        ("every job is done", stack.done.ok == work.jobs),
        ("next to no request is rejected", stack.tally.rejected() <= PROMISED + BUSY),
    ];
    let mut code = ExitCode::SUCCESS;
    for (promise, _) in checks.iter().filter(|(_, kept)| !kept) {
        println!("\nNot so: {promise}.");
        code = ExitCode::FAILURE;
    }
    code
}
