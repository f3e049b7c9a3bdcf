//! A web app's session recovery in one bad minute, with the old logic and with the layers:
//! `cargo run -p session`
//!
//! The token fetch of each user fails for real, once. The call that would recover the session is under a limit and responds 429,
//! again and again. The old logic takes each 429 for another sign-out; `layers.rs` is the part to copy. The provider is a service
//! in this program, and the time is tokio's, paused: the minute is over at once.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a program that prints what it finds, and may end when it is broken itself"
)]

mod layers;
mod old;
mod provider;
mod report;
mod user;

use std::{process::ExitCode, time::Duration};

use tower_heed::BoxError;

use self::{provider::Provider, user::USERS};

/// Sessions that the provider recovers for the app in each window.
const LIMIT: usize = 10;
const WINDOW: Duration = Duration::from_secs(4);
/// For how long others use all of that up.
const LIMITED: Duration = Duration::from_secs(12);
/// From a request to its response.
const ROUND_TRIP: Duration = Duration::from_millis(350);

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<ExitCode, BoxError> {
    println!("{USERS} users come back to a web app.");
    println!("  - The first token fetch of each gets 401: this is a real sign-out.");
    println!(
        "  - Recovery (touching the session) would resolve it. The provider takes {LIMIT} of these in"
    );
    println!(
        "    {WINDOW:?}, which others use up for {LIMITED:?}: it responds 429, again and again."
    );

    let provider = Provider::start();
    let users = user::all(|number| old::session(&provider, number)).await;
    let old = report::Outcome::of(&provider, &users);
    println!("\nWith the old logic, the first user:\n");
    provider.print(0);
    println!("             {}", users[0]);

    let provider = Provider::start();
    let sessions = layers::Sessions::new()?;
    let users = user::all(|number| sessions.session(&provider, number)).await;
    let layers = report::Outcome::of(&provider, &users);
    println!("\nWith the layers, the same user:\n");
    provider.print(0);
    println!("             {}", users[0]);

    report::table(&old, &layers);
    Ok(report::verdict(&old, &layers))
}
