//! Five hundred jobs against a server with a limit, by four strategies side by side: `cargo run -p storm`
//!
//! `--url` has this crate's stack alone do the jobs against any server, `--serve` runs only the server, `--help` says more.
//! The part to copy is `crates/load_test/src/heeding.rs`.

#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that prints what it finds")]

mod args;
mod bars;
mod drive;
mod plot;
mod progress;
mod report;
mod strategies;

use std::{env, fs, process::ExitCode};

use load_test::{
    jobs::Work,
    server::{Path, Server},
};
use tokio::{task::JoinSet, time::sleep};
use tower_heed::BoxError;

use self::{args::Task, strategies::Outcome};

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let task = match args::parse(env::args().skip(1)) {
        Ok(task) => task,
        Err(wrong) => {
            eprintln!("storm: {wrong}\n\n{}", args::USAGE);
            return Ok(ExitCode::from(2));
        }
    };
    match task {
        Task::Help => {
            println!("{}", args::USAGE);
            Ok(ExitCode::SUCCESS)
        }
        Task::Compare { work, svg } => {
            println!(
                "{} jobs, {} at a time, to servers that accept 50 requests in each second and respond 429 to the rest.",
                work.jobs, work.workers
            );
            let outcomes = compare(work).await?;
            report::table(&outcomes);
            if let Some(folder) = svg.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&svg, plot::svg(work, &outcomes)?)?;
            println!("The picture of it: {}", svg.display());
            Ok(report::verdict(work, &outcomes))
        }
        Task::Drive { uri, work, json } => {
            let summary = drive::run(&uri, work).await?;
            if json {
                println!("{}", serde_json::to_string(&summary)?);
            } else {
                println!("{summary}");
            }
            Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Task::Serve { mode, port, max_time } => {
            let server = Server::start(mode, port, Path::default()).await?;
            println!("{}", server.url());
            sleep(max_time).await;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Each strategy has a thread of its own, so that one that storms does not hold up the others.
async fn compare(work: Work) -> Result<Vec<Outcome>, BoxError> {
    let mut threads = JoinSet::new();
    for (strategy, bar) in progress::bars(work)? {
        threads.spawn_blocking(move || strategy.run(work, &bar));
    }
    let mut outcomes = threads.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    outcomes.sort_by_key(|outcome| outcome.strategy);
    Ok(outcomes)
}
