//! The job: the same for both clients.

use std::{
    future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use fake_idp::Idp;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower_heed::{BoxError, Error, ErrorKind, error::find};

use super::timeline::{Note, Timeline};

pub const CALLS: usize = 60;
/// Calls that are under way at one time.
pub const WORKERS: usize = 5;
/// Where all calls but one go to.
pub const USERS: &str = "GET /api/v2/users/{id}";

/// The call that goes to the endpoint that never responds.
const HUNG: usize = 15;
/// Before this call every token is revoked.
const REVOKED: usize = 45;

/// What became of a job.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub succeeded: usize,
    /// The time limit that ended the call which hung; none if nothing ended it.
    pub given_up: Option<Duration>,
    pub rate_limited: usize,
    pub sign_outs: usize,
    pub token_fetches: usize,
    pub time: Duration,
}

struct Job<Send> {
    send: Send,
    idp: Arc<Idp>,
    timeline: Timeline,
    next: AtomicUsize,
    outcome: Mutex<Outcome>,
}

/// Makes all calls by `send`, which gives the status of a response when its body was read.
///
/// Who has patience waits for that long. Who has none waits until all calls have come to an end.
pub async fn run<F>(
    idp: &Arc<Idp>,
    timeline: &Timeline,
    patience: Option<Duration>,
    send: impl Fn(Request<Full<Bytes>>) -> F + Send + Sync + 'static,
) -> Outcome
where
    F: Future<Output = Result<StatusCode, BoxError>> + Send + 'static,
{
    let job = Arc::new(Job {
        send,
        idp: Arc::clone(idp),
        timeline: timeline.clone(),
        next: AtomicUsize::new(0),
        outcome: Mutex::default(),
    });
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let job = Arc::clone(&job);
        workers.spawn(async move { job.work().await });
    }
    let over = async {
        match patience {
            Some(patience) => sleep(patience).await,
            None => future::pending().await,
        }
    };
    tokio::select! {
        () = over => timeline.note(Note::Stopped),
        () = async { while workers.join_next().await.is_some() {} } => {}
    }
    let mut outcome = job.outcome().clone();
    outcome.time = Instant::now().saturating_duration_since(start);
    let seen = idp.seen();
    outcome.rate_limited = seen.rate_limited();
    outcome.token_fetches = seen.requests_to("POST /oauth/token");
    outcome
}

// === impl Job ===

impl<F, S> Job<S>
where
    S: Fn(Request<Full<Bytes>>) -> F,
    F: Future<Output = Result<StatusCode, BoxError>>,
{
    /// One call after the other, until there are none left.
    async fn work(&self) {
        loop {
            let number = self.next.fetch_add(1, SeqCst);
            if number >= CALLS {
                return;
            }
            if number == REVOKED {
                self.idp.revoke_all();
                self.timeline.note(Note::Revoked);
            }
            let path = match number {
                HUNG => "/hang/head".to_owned(),
                _ => format!("/api/v2/users/u{number}"),
            };
            let request = Request::get(self.idp.url(&path)).body(Full::default());
            match (self.send)(request.expect("the address is valid")).await {
                Ok(status) if status.is_success() => self.outcome().succeeded += 1,
                Ok(_) => {}
                Err(error) => {
                    let limit = match find(error.as_ref()).map(Error::kind) {
                        Some(ErrorKind::Timeout { limit, .. }) => Some(*limit),
                        _ => None,
                    };
                    self.timeline.note(Note::Failed(match limit {
                        Some(limit) => format!("GET {path} given up after {limit:?}"),
                        None => format!("GET {path}: {error}"),
                    }));
                    self.outcome().given_up = limit;
                }
            }
        }
    }
}

impl<S> Job<S> {
    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
