//! The identity provider: users' sessions, their tokens, and a limit on the call that recovers them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::RETRY_AFTER, response::Builder};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::{Service, service_fn};
use tower_heed::BoxError;

use super::{LIMIT, LIMITED, ROUND_TRIP, WINDOW};

pub type Body = Full<Bytes>;

/// What a session asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A token for the page.
    Token,
    /// The session back.
    Touch,
}

/// Clones are the same provider.
#[derive(Clone)]
pub struct Provider {
    start: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    recovered: BTreeSet<usize>,
    log: Vec<LogEntry>,
}

/// One response.
#[derive(Clone, Copy)]
pub struct LogEntry {
    at: Duration,
    user: usize,
    pub call: Call,
    pub status: StatusCode,
}

// === impl Call ===

impl Call {
    /// The request that asks for it.
    pub fn of(self, user: usize) -> Request<Body> {
        let what = match self {
            Self::Token => "tokens",
            Self::Touch => "touch",
        };
        Request::post(format!("https://id.example/sessions/{user}/{what}"))
            .body(Body::default())
            .expect("the address is valid")
    }

    fn parse(path: &str) -> Option<(usize, Self)> {
        let (user, what) = path.strip_prefix("/sessions/")?.split_once('/')?;
        let call = if what == "touch" { Self::Touch } else { Self::Token };
        Some((user.parse().ok()?, call))
    }
}

// === impl Provider ===

impl Provider {
    pub fn start() -> Self {
        Self { start: Instant::now(), state: Arc::default() }
    }

    /// An HTTP client of this provider.
    pub fn client(
        &self,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send>
    + Clone
    + Send
    + Sync
    + use<> {
        let provider = self.clone();
        service_fn(move |request: Request<Body>| {
            let provider = provider.clone();
            async move {
                sleep(ROUND_TRIP / 2).await;
                let response = provider.response(request.uri().path())?;
                sleep(ROUND_TRIP / 2).await;
                Ok::<_, BoxError>(response)
            }
        })
    }

    pub fn log(&self) -> Vec<LogEntry> {
        self.state().log.clone()
    }

    /// What it has sent to one user; responses that repeat are one line.
    pub fn print(&self, user: usize) {
        let log = self.log();
        let own: Vec<_> = log.iter().filter(|entry| entry.user == user).collect();
        for same in own.chunk_by(|one, next| (one.call, one.status) == (next.call, next.status)) {
            let (first, last) = (same[0], same[same.len() - 1]);
            let line =
                format!("{:>8.2} s   {:?}: {}", first.at.as_secs_f64(), first.call, first.status);
            match same.len() {
                1 => println!("{line}"),
                times => println!("{line}, {times} times until {:.2} s", last.at.as_secs_f64()),
            }
        }
    }

    fn response(&self, path: &str) -> Result<Response<Body>, BoxError> {
        let (user, call) = Call::parse(path).ok_or("no such endpoint")?;
        let at = Instant::now().saturating_duration_since(self.start);
        let mut state = self.state();
        let status = match call {
            Call::Token if state.recovered.contains(&user) => StatusCode::OK,
            Call::Token => StatusCode::UNAUTHORIZED,
            Call::Touch if state.left(at) == 0 => StatusCode::TOO_MANY_REQUESTS,
            Call::Touch => {
                state.recovered.insert(user);
                StatusCode::OK
            }
        };
        state.log.push(LogEntry { at, user, call, status });
        let mut response = Response::builder().status(status);
        if call == Call::Touch {
            response = state.limit_headers(response, at);
        }
        Ok(response.body(Body::default())?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// How many touches are left of the window.
    fn left(&self, at: Duration) -> usize {
        if at < LIMITED {
            return 0;
        }
        let begin = at - into_window(at);
        let served = |entry: &&LogEntry| {
            entry.call == Call::Touch && entry.status == StatusCode::OK && entry.at >= begin
        };
        LIMIT.saturating_sub(self.log.iter().filter(served).count())
    }

    /// What the provider says of that, on every touch.
    fn limit_headers(&self, response: Builder, at: Duration) -> Builder {
        let left = self.left(at);
        let reset = (WINDOW - into_window(at)).as_secs_f64().ceil();
        let response = response.header("ratelimit-limit", LIMIT);
        let response =
            response.header("ratelimit-remaining", left).header("ratelimit-reset", reset as u64);
        if left == 0 { response.header(RETRY_AFTER, reset as u64) } else { response }
    }
}

/// How far the window has come.
fn into_window(at: Duration) -> Duration {
    Duration::from_nanos((at.as_nanos() % WINDOW.as_nanos()).try_into().unwrap_or_default())
}
