//! The table, and whether the layers have done what they are there for.

use std::process::ExitCode;

use http::StatusCode;

use super::{
    provider::{Call, Provider},
    user::{Ended, Page, USERS},
};

/// What became of all users.
pub struct Outcome {
    login_pages: usize,
    sign_outs: usize,
    requests: usize,
    recoveries: usize,
    rejections: usize,
}

/// What a row shows.
type Cell = fn(&Outcome) -> usize;

// === impl Outcome ===

impl Outcome {
    pub fn of(provider: &Provider, users: &[Ended]) -> Self {
        let log = provider.log();
        Self {
            login_pages: users.iter().filter(|user| user.page == Page::Login).count(),
            sign_outs: users.iter().map(|user| user.sign_outs).sum(),
            requests: log.len(),
            recoveries: log.iter().filter(|entry| entry.call == Call::Touch).count(),
            rejections: log
                .iter()
                .filter(|entry| entry.status == StatusCode::TOO_MANY_REQUESTS)
                .count(),
        }
    }
}

pub fn table(old: &Outcome, layers: &Outcome) {
    let rows: [(&str, Cell); 5] = [
        ("users on the login page", |it| it.login_pages),
        ("responses treated as a sign-out", |it| it.sign_outs),
        ("requests", |it| it.requests),
        ("of these, recovery calls", |it| it.recoveries),
        ("of these, rejected", |it| it.rejections),
    ];
    println!("\n{:<30} {:>9} {:>16}", format!("{USERS} users"), "old logic", "with the layers");
    for (name, cell) in rows {
        println!("{name:<30} {:>9} {:>16}", cell(old), cell(layers));
    }
}

/// Fails the program if the layers did not do their job, or the old logic was not as bad as that.
pub fn verdict(old: &Outcome, layers: &Outcome) -> ExitCode {
    let checks = [
        ("the old logic signs everybody out", old.login_pages == USERS),
        ("it attempts thirty requests for each", old.recoveries >= 30 * USERS),
        ("the layers sign no user out", layers.login_pages == 0),
        ("only the real sign-outs count, once each", layers.sign_outs == USERS),
        ("few recovery calls are sent", layers.recoveries <= 5 * USERS),
        (
            "two token fetches are all that it takes",
            layers.requests - layers.recoveries == 2 * USERS,
        ),
    ];
    let mut code = ExitCode::SUCCESS;
    for (promise, _) in checks.iter().filter(|(_, kept)| !kept) {
        println!("\nNot so: {promise}.");
        code = ExitCode::FAILURE;
    }
    code
}
