//! Jobs that must all be done in the end, against a server with a limit: this crate beside what one would use otherwise.
//!
//! `cargo run --release --manifest-path benches/goodput/Cargo.toml` prints a table for each number of workers. A cell is the
//! time against that of a client that knows the limiter, the rejections, and the jobs that were given up.

mod args;
mod cell;
mod client;
mod rule;
mod table;
mod towers;

use std::{env, process::ExitCode};

use load_test::{server::Mode};
use tokio::task::JoinSet;
use tower_heed::BoxError;

use self::{args::Plan, cell::Cell, client::Client};

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let plan = match args::parse(env::args().skip(1)) {
        Ok(plan) => plan,
        Err(wrong) => {
            eprintln!("goodput: {wrong}\n\n{}", args::USAGE);
            return Ok(ExitCode::from(2));
        }
    };
    println!("{} jobs; {}\n", plan.jobs, plan.delays());
    for workers in plan.workers.clone() {
        let mut columns = Vec::new();
        for mode in plan.modes.clone() {
            eprintln!("{workers} workers, {} ...", mode.name());
            let column = column(&plan, mode, workers).await?;
            columns.push((mode, column));
        }
        table::print(workers, &columns);
    }
    Ok(ExitCode::SUCCESS)
}

/// The cells of one limiter. The peers run side by side: they are not after milliseconds. This crate runs alone.
async fn column(plan: &Plan, mode: Mode, workers: usize) -> Result<Vec<(Client, Cell)>, BoxError> {
    let (ours, peers): (Vec<_>, Vec<_>) =
        plan.clients().into_iter().partition(|client| *client == Client::Heed);
    let mut running = JoinSet::new();
    for client in peers {
        let plan = plan.clone();
        running.spawn(async move { (client, cell::measure(client, mode, workers, &plan).await) });
    }
    let mut column = Vec::new();
    for (client, cell) in running.join_all().await {
        column.push((client, cell?));
    }
    for client in ours {
        let mut runs = Vec::new();
        for _ in 0..plan.runs {
            runs.push(cell::measure(client, mode, workers, plan).await?);
        }
        column.push((client, Cell::median(&runs)));
    }
    Ok(column)
}
