//! Four processes, one limit, one token, and a store that fails half way: `cargo run --release -p fleet`
//!
//! Two fleets run side by side, each against a fake provider of its own that accepts 50 requests a second. The processes of the first
//! share a redis-server, which this program starts, kills half way, and starts again, empty. Those of the second share nothing.
//! `--help` says more. The part to copy is `process.rs`.

#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that prints what it finds")]

mod args;
mod fleet;
mod outcome;
mod plot;
mod process;
mod progress;
mod report;

use std::{env, fs, process::ExitCode};

use store_contract::server::Server;
use tower_heed::BoxError;

use self::{
    args::{Run, Task},
    outcome::{Outage, Outcome},
};

/// Where there is no redis-server.
const NO_SERVER: &str = "\
fleet: there is no redis-server. There are two ways to get one:
  install it        Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis
  name a program    REDIS_SERVER=/path/to/redis-server cargo run --release -p fleet";

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let run = match args::parse(env::args().skip(1)) {
        Ok(Task::Run(run)) => run,
        Ok(Task::Process) => {
            process::run().await?;
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Task::Help) => {
            println!("{}", args::USAGE);
            return Ok(ExitCode::SUCCESS);
        }
        Err(wrong) => {
            eprintln!("fleet: {wrong}\n\n{}", args::USAGE);
            return Ok(ExitCode::from(2));
        }
    };
    if !Server::has_redis() {
        eprintln!("{NO_SERVER}");
        return Ok(ExitCode::from(3));
    }
    let outage = Outage::of(run.time);
    if !run.json {
        println!(
            "{} processes with eight callers each, twice, for {} s: one fleet shares a redis-server, which is down from {:.0} to {:.0} s.",
            run.processes,
            run.time.as_secs(),
            outage.from.as_secs_f64(),
            outage.until.as_secs_f64()
        );
    }
    let outcomes = compare(&run, outage).await?;
    if run.json {
        println!("{}", serde_json::to_string(&report::Summary::new(&run, &outcomes))?);
    } else {
        report::table(&outcomes, outage);
    }
    if let Some(folder) = run.svg.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&run.svg, plot::svg(&run, &outcomes, outage)?)?;
    if !run.json {
        println!("\nThe picture of it: {}", run.svg.display());
    }
    Ok(report::verdict(&outcomes[0]))
}

/// Runs both fleets at the same time: the one with the store first.
async fn compare(run: &Run, outage: Outage) -> Result<[Outcome; 2], BoxError> {
    let [shared, alone] = progress::lines(run)?;
    let server = Server::redis(&[]);
    let address = Some(format!("redis://{}", server.address()));
    let (_, shared, alone) = tokio::try_join!(
        outage.happen(server, run.time),
        fleet::run("shared", run, address, outage, shared),
        fleet::run("alone", run, None, outage, alone),
    )?;
    Ok([shared, alone])
}
