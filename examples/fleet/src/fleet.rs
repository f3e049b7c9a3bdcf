//! One fleet: processes of this program, and the provider that they call.

use std::{env, process::Stdio, sync::Arc, time::Duration};

use fake_idp::{Idp, Limit};
use rand::random;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::watch,
    time::{Instant, interval_at, sleep_until},
};
use tower_heed::BoxError;

use super::{
    args::Run,
    outcome::{LIMIT, Outage, Outcome},
    process::{Report, Setup},
    progress::Line,
};

const SECOND: Duration = Duration::from_secs(1);

/// A process, which ends when it is dropped.
struct Process {
    _child: Child,
    /// It ends when this is closed, also if this program is killed.
    _input: ChildStdin,
    reports: watch::Receiver<Report>,
}

/// Runs a fleet, with the store at this address if there is one.
pub async fn run(
    name: &'static str,
    run: &Run,
    store: Option<String>,
    outage: Outage,
    line: Line,
) -> Result<Outcome, BoxError> {
    let idp = Idp::builder()
        .api_limit(Limit::fixed_window(LIMIT, SECOND))
        .token_lifetime(Duration::from_secs(3600))
        .start()
        .await;
    let begun = Instant::now();
    let has_store = store.is_some();
    let setup = Setup {
        api: idp.url(""),
        token_url: idp.token_url(),
        client_id: idp.client_id().to_owned(),
        client_secret: idp.client_secret(),
        audience: idp.audience().to_owned(),
        store,
        namespace: random(),
        key: random(),
    };
    let setup = Arc::new(serde_json::to_string(&setup)? + "\n");
    let mut processes = Vec::new();
    for _ in 0..run.processes {
        processes.push(Process::start(&setup).await?);
    }
    let reported = || {
        processes.iter().map(|process| *process.reports.borrow()).fold(
            Report::default(),
            |all, each| Report {
                store_calls: all.store_calls + each.store_calls,
                failed: all.failed + each.failed,
            },
        )
    };
    let end = begun + run.time;
    let mut ticks = interval_at(begun + SECOND, SECOND);
    loop {
        tokio::select! {
            now = ticks.tick() => {
                let passed = now - begun;
                let is_down = has_store && passed >= outage.from && passed < outage.until;
                line.show(passed, &idp.seen(), is_down);
            }
            () = sleep_until(end) => break,
        }
    }
    let (seen, reports) = (idp.seen(), reported());
    line.end();
    Ok(Outcome::new(name, run.processes, run.time, &seen, reports))
}

// === impl Process ===

impl Process {
    async fn start(setup: &str) -> Result<Self, BoxError> {
        let mut child = Command::new(env::current_exe()?)
            .arg("--process")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a process without pipes".into());
        };
        input.write_all(setup.as_bytes()).await?;
        input.flush().await?;
        let (sender, reports) = watch::channel(Report::default());
        tokio::spawn(read(BufReader::new(output).lines(), sender));
        Ok(Self { _child: child, _input: input, reports })
    }
}

/// Reads what a process says until it ends.
async fn read(mut lines: Lines<BufReader<ChildStdout>>, reports: watch::Sender<Report>) {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(report) = serde_json::from_str(&line) {
            reports.send_replace(report);
        }
    }
}
