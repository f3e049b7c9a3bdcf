//! The throttle is never worse than no throttle, whatever the server does.
//!
//! Each row is a server that misbehaves, or more load than it takes, and the figures that are wanted. All goes through the public
//! layers, in paused time, so that no test knows how the throttle decides.
//!
//! `cargo test --all-features --test it throttle::liveness -- --nocapture --test-threads 1` prints the figures of the normal run, and
//! `.. throttle::liveness::table -- --nocapture --include-ignored` the whole table; so do `overload_table` and `priority_table` for these
//! two, and `some_rows` for the rows whose names begin with the environment's `ROW`. The retry layer's jitter cannot be seeded, so
//! figures differ a little from run to run.

mod ideal;
mod known;
mod random;
mod row;
mod rows;
mod subject;
mod world;

use std::collections::BTreeSet;

use known::KNOWN_FAILURES;
use row::{Line, Row};
use subject::Subject;

/// Measures the rows, prints them, and fails where a figure is not what is wanted and that is not known.
fn check(rows: Vec<Row>) {
    println!("{}", Line::head());
    let mut unknown = Vec::new();
    for row in rows {
        for line in row.measure(&[Subject::Throttle, Subject::Stack]) {
            println!("{line}");
            if line.is_failed() && !KNOWN_FAILURES.contains(&line.name().as_str()) {
                unknown.push(line.to_string());
            }
        }
    }
    assert!(unknown.is_empty(), "{}\n{}", Line::head(), unknown.join("\n"));
}

#[test]
fn a_server_that_sheds_load_is_used_meanwhile_and_as_before_afterwards() {
    check(rows::shedding::rows());
}

#[test]
fn responses_are_useful_under_overload() {
    check(rows::overload::rows());
}

#[test]
fn the_limit_of_one_user_or_route_holds_no_other() {
    check(rows::scopes::rows());
}

#[test]
fn a_closed_server_is_left_alone_and_used_again_when_it_opens() {
    check(rows::forms::rows());
}

#[test]
fn headers_that_lie_are_forgotten() {
    check(rows::lies::rows());
}

#[test]
fn high_priority_passes_the_bulk() {
    check(rows::priority::rows());
}

#[test]
fn limiters_are_still_met_without_refusals() {
    check(rows::limiters::rows());
}

#[test]
#[ignore = "takes minutes"]
fn long_rows() {
    check(rows::long());
}

/// Prints all figures, and those that were known to fail and do not.
#[test]
#[ignore = "takes minutes, and repeats the other tests"]
fn table() {
    println!("{}", Line::head());
    let mut failed = BTreeSet::new();
    for row in rows::all().into_iter().chain(rows::long()) {
        for line in row.measure(&[Subject::Throttle, Subject::Stack]) {
            println!("{line}");
            if line.is_failed() {
                failed.insert(line.name());
            }
        }
    }
    let is_row = |name: &&&str| !name.starts_with("random: ");
    for name in KNOWN_FAILURES.iter().filter(is_row).filter(|name| !failed.contains(**name)) {
        println!("no longer fails: {name}");
    }
}

/// Prints the figures of all servers and loads under overload.
#[test]
#[ignore = "takes minutes, and repeats other tests"]
fn overload_table() {
    print(rows::overload::rows().into_iter().chain(rows::overload::grid()));
}

/// Prints how long high-priority requests wait behind the bulk, and what the bulk gets.
#[test]
#[ignore = "repeats another test"]
fn priority_table() {
    print(rows::priority::rows());
}

/// Prints the rows whose names begin with `ROW`.
#[test]
#[ignore = "for one row at a time"]
fn some_rows() {
    let prefix = std::env::var("ROW").unwrap_or_default();
    let all = rows::all().into_iter().chain(rows::long());
    print(all.filter(|row| row.name.starts_with(&prefix)));
}

fn print(rows: impl IntoIterator<Item = Row>) {
    println!("{}", Line::head());
    for row in rows {
        for line in row.measure(&[Subject::Throttle, Subject::Stack]) {
            println!("{line}");
        }
    }
}

/// A row that all bad throttles pass would say nothing.
#[test]
#[ignore = "takes a minute, and tests the rows"]
fn each_row_fails_for_a_bad_throttle() {
    let bad = [Subject::Stuck, Subject::Careless, Subject::Serial];
    let is_passed = |row: &Row| {
        let is_noticed =
            |subject| row.measure(&[subject]).iter().any(|line| !line.is_met_by(subject));
        !bad.into_iter().any(is_noticed)
    };
    let passed: Vec<_> = rows::all().into_iter().filter(is_passed).map(|row| row.name).collect();
    assert!(passed.is_empty(), "passed by bad throttles: {passed:?}");
}
