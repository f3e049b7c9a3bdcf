//! Sixty calls to an identity API, first with a bare client and then with the stack: `cargo run -p quickstart`
//!
//! The API is a fake identity provider on 127.0.0.1 with Auth0's headers. It serves ten calls a second, its tokens last for three
//! seconds, all of them are revoked once in the middle of the job, and one endpoint never responds. `stack.rs` is the part to copy.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a program that prints what it finds, and may end when it is broken itself"
)]

mod bare;
mod job;
mod report;
mod stack;
mod timeline;

use std::{process::ExitCode, sync::Arc, time::Duration};

use fake_idp::{Fault, Idp, Limit};
use tower_heed::BoxError;

use self::timeline::Timeline;

/// Calls that the API serves in each second.
const LIMIT: u32 = 10;
/// How long a token lasts.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3);
/// How long the API takes for a call.
const LATENCY: Duration = Duration::from_millis(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    println!("A job of {} calls, {} at a time, to an identity API that", job::CALLS, job::WORKERS);
    println!("  - serves {LIMIT} calls a second and responds 429 (too many requests) to the rest,");
    println!("  - gives out tokens that last for {TOKEN_LIFETIME:?},");
    println!("  - revokes all of them once, in the middle of the job,");
    println!("  - has one endpoint that never responds.");

    println!("\nThe job with a bare client:\n");
    let idp = provider().await;
    let timeline = Timeline::start();
    let bare = bare::run(&idp, &timeline).await?;
    timeline.print(&idp);

    println!("\nThe same job with the stack:\n");
    let idp = provider().await;
    let timeline = Timeline::start();
    let stack = stack::run(&idp, &timeline).await?;
    timeline.print(&idp);

    report::table(&bare, &stack);
    Ok(report::verdict(&stack))
}

async fn provider() -> Arc<Idp> {
    let idp = Idp::builder()
        .api_limit(Limit::fixed_window(LIMIT, Duration::from_secs(1)))
        .token_lifetime(TOKEN_LIFETIME)
        .start()
        .await;
    idp.always(job::USERS, Fault::Delay(LATENCY));
    Arc::new(idp)
}
