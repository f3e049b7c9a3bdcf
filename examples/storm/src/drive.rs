//! The stack alone, against any server.

use std::{fmt, time::Duration};

use http::Uri;
use load_test::{
    heeding,
    jobs::{self, Done, Work},
    tally::Tally,
    wire,
};
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tower_heed::BoxError;

/// So many requests without a response, and never one with: the server is down.
const HOPELESS: usize = 8;

/// What came of it. The keys of the JSON stay what scripts read.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Jobs that ended in a 200.
    pub ok: usize,
    pub failed: usize,
    #[serde(rename = "sends")]
    pub attempts: usize,
    /// Responses that were 429.
    #[serde(rename = "refused")]
    pub rejected: usize,
    pub makespan_ms: u64,
    pub p50_ms: u64,
    pub p99_ms: u64,
    pub connections: usize,
}

/// Gets `uri` until all jobs are done. An error is one of the settings.
pub async fn run(uri: &Uri, work: Work) -> Result<Summary, BoxError> {
    let tally = Tally::begin();
    let client = heeding::stack()?.service(wire::client(&tally, work.workers));
    let uri = uri.clone();
    let job = move || wire::get(client.clone(), uri.clone());
    let start = Instant::now();
    let done = tokio::select! {
        done = jobs::run(work, job, |_| {}) => done,
        () = server_is_down(&tally) => {
            let makespan = Instant::now().saturating_duration_since(start);
            Done { failed: work.jobs, makespan, ..Done::default() }
        }
    };
    Ok(Summary::of(&done, &tally))
}

/// Ends when it is no use to go on.
async fn server_is_down(tally: &Tally) {
    while tally.broken() < HOPELESS || !tally.responses().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
}

// === impl Summary ===

impl Summary {
    fn of(done: &Done, tally: &Tally) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            ok: done.ok,
            failed: done.failed,
            attempts: tally.attempts(),
            rejected: tally.rejected(),
            makespan_ms: ms(done.makespan),
            p50_ms: ms(done.within(0.5)),
            p99_ms: ms(done.within(0.99)),
            connections: tally.connections(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, failed, attempts, rejected, makespan_ms, p50_ms, p99_ms, connections } =
            self;
        writeln!(f, "{ok} jobs done, {failed} failed, in {makespan_ms} ms")?;
        writeln!(
            f,
            "{attempts} requests on {connections} connections, {rejected} rejected with 429"
        )?;
        write!(f, "half of the jobs within {p50_ms} ms, 99 of 100 within {p99_ms} ms")
    }
}
