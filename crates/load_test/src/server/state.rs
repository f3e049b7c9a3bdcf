//! What all connections of a server share.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use limiter_sim::{Limiter, Nanos};
use tokio::time::{Instant, sleep};
use tower_heed::clock::Clock;

use super::{Mode, Path, TAKES, ideal};

#[derive(Debug)]
pub(super) struct State {
    mode: Mode,
    path: Path,
    limiter: Mutex<Limiter>,
    rejected: AtomicUsize,
    /// The wall clock is read once, so that it cannot be set while the server runs.
    since_1970: Duration,
    begun: Instant,
}

// === impl State ===

impl State {
    pub(super) fn new(mode: Mode, path: Path) -> Self {
        let since_1970 = Clock::default().system_time().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            mode,
            path,
            limiter: Mutex::new(Limiter::new(mode.rule())),
            rejected: AtomicUsize::new(0),
            since_1970: since_1970.unwrap_or_default(),
            begun: Instant::now(),
        }
    }

    pub(super) fn rejected(&self) -> usize {
        self.rejected.load(Relaxed)
    }

    pub(super) fn ideal(&self, jobs: usize, workers: usize) -> Nanos {
        ideal::ideal(self.mode.rule(), self.now(), self.path.mean(), jobs, workers)
    }

    fn now(&self) -> Nanos {
        let now = self.since_1970 + Instant::now().saturating_duration_since(self.begun);
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) async fn response(&self) -> Response<Full<Bytes>> {
        self.path.pass().await;
        let (now, left) = {
            let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.now();
            (now, limiter.arrive(now))
        };
        let mut response = Response::new(Full::from("{}"));
        if !left.accepted {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            self.rejected.fetch_add(1, Relaxed);
        }
        for (name, value) in self.mode.headers(&left, now) {
            response.headers_mut().insert(name, value);
        }
        if left.accepted {
            sleep(TAKES).await;
        }
        self.path.pass().await;
        response
    }
}
