//! The tokens of a machine, over a day or against a real server: `cargo run -p m2m_tokens`
//!
//! Without options a day passes in a second: tokens that live for two hours, an issuer that is out for a while, that limits, and
//! whose client secret is rotated, and an API that forgets all tokens at noon. It prints what happened when.
//!
//! With `--token-url` and the options below it drives any real server instead:
//!
//! ```text
//! m2m_tokens --token-url https://tenant.eu.auth0.com/oauth/token --client-id ID --secret SECRET --auth post \
//!     --audience https://tenant.eu.auth0.com/api/v2/ --api-url https://tenant.eu.auth0.com/api/v2/clients \
//!     --calls 60 --every 1000 --json
//! ```

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a program that prints what it finds, and may end when it is broken itself"
)]

mod counts;
mod day;
mod drive;
mod http_client;
mod job;
mod options;
mod report;
mod source;

use std::{env, process::ExitCode};

use tower_heed::BoxError;

use self::options::Options;

// One thread, so that the day's clock can be stopped and put forward.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.is_empty() {
        return day::run().await;
    }
    let driven = match Options::parse(arguments) {
        Ok(options) => drive::run(&options).await,
        Err(why) => Err(format!("{why}\n\n{}", options::USAGE).into()),
    };
    if let Err(why) = driven {
        eprintln!("{why}");
        return Ok(ExitCode::from(2));
    }
    Ok(ExitCode::SUCCESS)
}
