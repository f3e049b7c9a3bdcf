//! One client against one server.

use std::{fmt, time::Duration};

use http::Uri;
use load_test::{jobs::{self, Work}, server::{Mode, Server}};
use tower_heed::BoxError;

use super::{args::Plan, client::Client};

/// A client that takes longer than this, or than four times the ideal, is stopped.
const PATIENCE: Duration = Duration::from_secs(40);

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    times_ideal: f64,
    rejected: usize,
    failed: usize,
    stopped: bool,
}

/// Does all jobs.
pub async fn measure(
    client: Client,
    mode: Mode,
    workers: usize,
    plan: &Plan,
) -> Result<Cell, BoxError> {
    let server = Server::start(mode, 0, plan.path).await?;
    let uri: Uri = server.url().parse()?;
    let job = client.job(mode, uri, workers)?;
    let ideal = server.ideal(plan.jobs, workers);
    let max_time = PATIENCE.max(ideal * 4);
    let work = Work { jobs: plan.jobs, workers, max_time };
    let done = jobs::run(work, move || job(), |_| {}).await;
    Ok(Cell {
        times_ideal: done.makespan.as_secs_f64() / ideal.as_secs_f64(),
        rejected: server.rejected(),
        failed: done.failed,
        stopped: done.makespan >= max_time,
    })
}

// === impl Cell ===

impl Cell {
    /// Each figure's median, and the worst number of jobs given up.
    pub fn median(cells: &[Self]) -> Self {
        let middle = cells.len() / 2;
        let mut times: Vec<_> = cells.iter().map(|cell| cell.times_ideal).collect();
        times.sort_by(f64::total_cmp);
        let mut rejected: Vec<_> = cells.iter().map(|cell| cell.rejected).collect();
        rejected.sort_unstable();
        Self {
            times_ideal: times[middle],
            rejected: rejected[middle],
            failed: cells.iter().map(|cell| cell.failed).max().unwrap_or_default(),
            stopped: cells.iter().any(|cell| cell.stopped),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stopped, self.failed) {
            (true, _) => write!(f, "> {:.1} · {}", self.times_ideal, self.rejected),
            (false, 0) => write!(f, "{:.2} · {}", self.times_ideal, self.rejected),
            // Who gives up is soon done: the time says nothing.
            (false, failed) => write!(f, "{failed} fail · {}", self.rejected),
        }
    }
}
