//! What happened to one fleet, and when its store was down.

use std::time::Duration;

use fake_idp::{Outcome as Response, Seen};
use store_contract::server::Server;
use tokio::{task::block_in_place, time::sleep};
use tower_heed::BoxError;

use super::process::Report;

/// The requests in each second that the provider accepts.
pub const LIMIT: u32 = 50;

/// What comes before is not counted: the processes start, one of them fetches a token, and one learns the limit.
pub const START: Duration = Duration::from_secs(5);

/// When the store is down.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    pub from: Duration,
    pub until: Duration,
}

/// One fleet.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub name: &'static str,
    pub processes: usize,
    pub time: Duration,
    /// When each request came to the provider, and whether it was accepted.
    pub requests: Vec<(Duration, bool)>,
    pub token_fetches: usize,
    pub reports: Report,
}

/// The responses in a span.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub accepted: u32,
    pub rejected: u32,
    seconds: f64,
}

// === impl Outage ===

impl Outage {
    /// From half of the time on, for a fifth of it.
    pub fn of(time: Duration) -> Self {
        Self { from: time / 2, until: time / 2 + time / 5 }
    }

    /// Kills the server, starts it again, and ends it.
    pub async fn happen(self, mut server: Server, time: Duration) -> Result<(), BoxError> {
        sleep(self.from).await;
        block_in_place(|| server.kill());
        sleep(self.until - self.from).await;
        block_in_place(|| server.restart());
        sleep(time.saturating_sub(self.until)).await;
        Ok(())
    }
}

// === impl Outcome ===

impl Outcome {
    pub fn new(
        name: &'static str,
        processes: usize,
        time: Duration,
        seen: &Seen,
        reports: Report,
    ) -> Self {
        let requests = seen.requests.iter().filter(|request| request.endpoint.starts_with("GET"));
        let accepted = |request: &fake_idp::Request| match request.outcome {
            Response::Responded(status) => Some((request.at, status != 429)),
            _ => None,
        };
        Self {
            name,
            processes,
            time,
            requests: requests.filter_map(accepted).filter(|(at, _)| *at < time).collect(),
            token_fetches: seen.tokens_granted,
            reports,
        }
    }

    pub fn within(&self, from: Duration, until: Duration) -> Span {
        let mut span =
            Span { seconds: until.saturating_sub(from).as_secs_f64(), ..Span::default() };
        for (_, accepted) in self.requests.iter().filter(|(at, _)| (from..until).contains(at)) {
            if *accepted { span.accepted += 1 } else { span.rejected += 1 }
        }
        span
    }

    /// All but the start.
    pub fn counted(&self) -> Span {
        self.within(START, self.time)
    }

    /// For each process and second.
    pub fn store_calls(&self) -> f64 {
        self.reports.store_calls as f64 / self.processes as f64 / self.time.as_secs_f64()
    }
}

// === impl Span ===

impl Span {
    pub fn per_second(&self) -> f64 {
        f64::from(self.accepted) / self.seconds.max(0.001)
    }

    pub fn of_limit(&self) -> f64 {
        self.per_second() / f64::from(LIMIT)
    }

    pub fn rejected_share(&self) -> f64 {
        f64::from(self.rejected) / f64::from((self.accepted + self.rejected).max(1))
    }
}
