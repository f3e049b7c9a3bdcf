//! The table, and whether the stack has done what it is there for.

use std::process::ExitCode;

use super::job::{CALLS, Outcome};

/// One at the start, one before the end of each, one for those that were revoked, and some to spare for a slow machine.
const FEW: usize = 8;

/// What a row shows of a job.
type Cell = fn(&Outcome) -> String;

pub fn table(bare: &Outcome, stack: &Outcome) {
    let rows: [(&str, Cell); 6] = [
        ("calls that succeeded", |it| format!("{} of {CALLS}", it.succeeded)),
        ("responses with 429", |it| it.rate_limited.to_string()),
        ("sign-outs", |it| it.sign_outs.to_string()),
        ("token fetches", |it| it.token_fetches.to_string()),
        ("the call that hangs", |it| match &it.given_up {
            Some(limit) => format!("given up after {limit:?}"),
            None => "hangs for ever".to_owned(),
        }),
        ("time", |it| match &it.given_up {
            Some(_) => format!("{:.1} s", it.time.as_secs_f64()),
            None => format!("{:.1} s, then ended by us", it.time.as_secs_f64()),
        }),
    ];
    println!("\n{:<22} {:<26} with the stack", "", "bare client");
    for (name, cell) in rows {
        println!("{name:<22} {:<26} {}", cell(bare), cell(stack));
    }
}

/// Fails the program if the stack did not do its job.
pub fn verdict(stack: &Outcome) -> ExitCode {
    let checks = [
        ("all calls succeed but the one that hangs", stack.succeeded == CALLS - 1),
        ("the call that hangs is ended by its time limit", stack.given_up.is_some()),
        ("no user is signed out", stack.sign_outs == 0),
        ("next to no call was rejected", stack.rate_limited <= 10),
        ("few tokens are fetched", (2..=FEW).contains(&stack.token_fetches)),
    ];
    let mut code = ExitCode::SUCCESS;
    for (promise, _) in checks.iter().filter(|(_, kept)| !kept) {
        println!("\nNot so: {promise}.");
        code = ExitCode::FAILURE;
    }
    code
}
