//! A client, its callers and a server, in paused time, and what came of each call and attempt.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, Uri, header};
use limiter_sim::{
    MILLI, Nanos, SECOND,
    trouble::{self, Server},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tower::{Service, ServiceExt};
use tower_heed::{Error, ErrorKind, error::find, extensions::Priority};

use super::subject::{Client, Subject};
use crate::support::probe::Body;

/// The one-way delay of the network.
const DELAY: Nanos = MILLI;

/// The longest pause of a worker whose call got no permit.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Calls of one kind.
#[derive(Clone, Debug)]
pub struct Calls {
    pub paths: Vec<Uri>,
    /// Their `authorization` headers.
    pub users: Vec<HeaderValue>,
    pub load: Load,
    pub from: Nanos,
    pub until: Nanos,
    pub priority: Priority,
    pub is_post: bool,
}

/// When calls begin.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// One after each such time, whatever became of those before.
    Every(Nanos),
    /// So many at once.
    Burst(usize),
    /// So many callers, each with the next call when the last one is over, until so many succeeded or the time is over.
    Workers { workers: usize, jobs: usize },
}

/// All that a client does in a scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub server: Server,
    pub calls: Vec<Calls>,
    pub call_timeout: Duration,
    pub attempt_timeout: Duration,
    pub max_block: Option<Duration>,
}

/// A call that is over.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Which of the scenario's `calls`.
    pub kind: usize,
    pub from: Nanos,
    pub until: Nanos,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Status(u16),
    /// No permit in time, and how long to wait.
    Throttled(Option<Duration>),
    Failed,
}

/// An attempt, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub at: Nanos,
    pub refused: bool,
}

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Run {
    pub calls: Vec<Call>,
    pub attempts: Vec<Attempt>,
}

/// The server as a service.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    server: Mutex<Server>,
    attempts: Mutex<Vec<Attempt>>,
    begun: Instant,
}

// === impl Calls ===

impl Calls {
    pub fn new(load: Load, from: Nanos, until: Nanos) -> Self {
        let (paths, users) = (Vec::new(), Vec::new());
        let (priority, is_post) = (Priority::Normal, false);
        let calls = Self { paths, users, load, from, until, priority, is_post };
        calls.to(["/v1/things"]).by(["app"])
    }

    pub fn per_second(rate: u64, from: Nanos, until: Nanos) -> Self {
        Self::new(Load::Every(SECOND / rate), from, until)
    }

    pub fn to(mut self, paths: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        let uri = |path| Uri::try_from(format!("https://id.example{path}")).unwrap();
        self.paths = paths.into_iter().map(uri).collect();
        self
    }

    pub fn by(mut self, users: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        let value = |user| HeaderValue::try_from(format!("Bearer {user}")).unwrap();
        self.users = users.into_iter().map(value).collect();
        self
    }

    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    pub fn post(mut self) -> Self {
        self.is_post = true;
        self
    }

    /// The request of the call with this number.
    fn request(&self, number: usize) -> Request<Body> {
        let path = &self.paths[number % self.paths.len()];
        let user = &self.users[number / self.paths.len() % self.users.len()];
        let mut request = Request::new(Body::default());
        *request.method_mut() = if self.is_post { Method::POST } else { Method::GET };
        *request.uri_mut() = path.clone();
        request.headers_mut().insert(header::AUTHORIZATION, user.clone());
        if self.priority != Priority::Normal {
            request.extensions_mut().insert(self.priority);
        }
        request
    }
}

// === impl Scenario ===

impl Scenario {
    pub fn new(server: Server) -> Self {
        Self {
            server,
            calls: Vec::new(),
            call_timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            max_block: None,
        }
    }

    pub fn run(&self, subject: Subject) -> Run {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(self.play(subject))
    }

    async fn play(&self, subject: Subject) -> Run {
        let begun = Instant::now();
        let api = Api(Arc::new(Shared {
            server: Mutex::new(self.server.clone()),
            attempts: Mutex::default(),
            begun,
        }));
        let client = subject.client(api.clone(), self);
        let over: Arc<Mutex<Vec<Call>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let mut starts: Vec<(Nanos, usize, usize)> = Vec::new();
        for (kind, calls) in self.calls.iter().enumerate() {
            match calls.load {
                Load::Every(gap) => {
                    let number = (calls.until - calls.from).div_ceil(gap);
                    starts.extend(
                        (0..number).map(|call| (calls.from + call * gap, kind, call as usize)),
                    );
                }
                Load::Burst(number) => {
                    starts.extend((0..number).map(|call| (calls.from, kind, call)));
                }
                Load::Workers { workers, jobs } => {
                    let left = Arc::new(Mutex::new(jobs));
                    for worker in 0..workers {
                        let (client, calls) = (client.clone(), calls.clone());
                        let (over, left) = (Arc::clone(&over), Arc::clone(&left));
                        tasks.spawn(work(client, calls, kind, begun, over, left, worker));
                    }
                }
            }
        }
        starts.sort_unstable();
        for (at, kind, number) in starts {
            sleep_until(begun + Duration::from_nanos(at)).await;
            let (client, over) = (client.clone(), Arc::clone(&over));
            let request = self.calls[kind].request(number);
            tasks.spawn(async move {
                let from = passed(begun);
                let outcome = call(client, request).await;
                over.lock().unwrap().push(Call { kind, from, until: passed(begun), outcome });
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let calls = std::mem::take(&mut *over.lock().unwrap());
        let attempts = std::mem::take(&mut *api.0.attempts.lock().unwrap());
        Run { calls, attempts }
    }
}

/// The work of one of the workers that share what is left of the jobs.
async fn work(
    client: Client,
    calls: Calls,
    kind: usize,
    begun: Instant,
    over: Arc<Mutex<Vec<Call>>>,
    left: Arc<Mutex<usize>>,
    worker: usize,
) {
    sleep_until(begun + Duration::from_nanos(calls.from)).await;
    for number in worker.. {
        {
            let mut left = left.lock().unwrap();
            if *left == 0 || passed(begun) >= calls.until {
                return;
            }
            *left -= 1;
        }
        let from = passed(begun);
        let outcome = call(client.clone(), calls.request(number)).await;
        over.lock().unwrap().push(Call { kind, from, until: passed(begun), outcome });
        if outcome != Outcome::Status(200) {
            *left.lock().unwrap() += 1;
        }
        if let Outcome::Throttled(wait) = outcome {
            // Such a call may fail at once, and time would not move.
            let wait = wait.unwrap_or_default();
            sleep(wait.clamp(Duration::from_millis(100), LONGEST_PAUSE)).await;
        }
    }
}

async fn call(client: Client, request: Request<Body>) -> Outcome {
    match client.oneshot(request).await {
        Ok(status) => Outcome::Status(status.as_u16()),
        Err(error) => match find::<Error>(error.as_ref()) {
            Some(error) if matches!(error.kind(), ErrorKind::Throttled { .. }) => {
                Outcome::Throttled(error.retry_after())
            }
            _ => Outcome::Failed,
        },
    }
}

fn passed(begun: Instant) -> Nanos {
    (Instant::now() - begun).as_nanos() as Nanos
}

// === impl Run ===

impl Run {
    /// The calls of a kind that began in this time.
    pub fn calls(&self, kind: usize, from: Nanos, until: Nanos) -> impl Iterator<Item = &Call> {
        self.calls
            .iter()
            .filter(move |call| call.kind == kind && (from..until).contains(&call.from))
    }

    /// The share of those that succeeded.
    pub fn ok_share(&self, kind: usize, from: Nanos, until: Nanos) -> f64 {
        let (mut all, mut ok) = (0_u32, 0_u32);
        for call in self.calls(kind, from, until) {
            all += 1;
            ok += u32::from(call.is_ok());
        }
        f64::from(ok) / f64::from(all)
    }

    /// How many calls of all kinds succeeded.
    pub fn ok(&self) -> f64 {
        self.calls.iter().filter(|call| call.is_ok()).count() as f64
    }

    /// How many calls had their success in this time.
    pub fn ok_within(&self, kind: usize, from: Nanos, until: Nanos) -> f64 {
        let is_within = |call: &&Call| call.kind == kind && (from..until).contains(&call.until);
        self.calls.iter().filter(is_within).filter(|call| call.is_ok()).count() as f64
    }

    /// How many attempts arrived in this time.
    pub fn attempts(&self, from: Nanos, until: Nanos) -> f64 {
        self.attempts.iter().filter(|attempt| (from..until).contains(&attempt.at)).count() as f64
    }

    pub fn refused(&self) -> f64 {
        self.attempts.iter().filter(|attempt| attempt.refused).count() as f64
    }

    /// How many accepted requests were of no use to their callers.
    pub fn wasted(&self) -> f64 {
        self.attempts.len() as f64 - self.refused() - self.ok()
    }

    /// The time from this moment to the next success, in seconds; infinite without one.
    pub fn first_ok_after(&self, at: Nanos) -> f64 {
        let ends = self.calls.iter().filter(|call| call.is_ok() && call.until >= at);
        ends.map(|call| (call.until - at) as f64 / SECOND as f64).fold(f64::INFINITY, f64::min)
    }

    /// A quantile of the time that the calls of a kind took, failed ones taking for ever, in seconds.
    pub fn took(&self, kind: usize, part: f64, from: Nanos, until: Nanos) -> f64 {
        let took = |call: &Call| {
            let took = (call.until - call.from) as f64 / SECOND as f64;
            if call.is_ok() { took } else { f64::INFINITY }
        };
        let mut times: Vec<f64> = self.calls(kind, from, until).map(took).collect();
        times.sort_by(f64::total_cmp);
        let at = ((times.len() as f64 * part).ceil() as usize).clamp(1, times.len());
        times[at - 1]
    }

    /// The same, whatever came of the calls.
    pub fn ended(&self, kind: usize, part: f64, from: Nanos, until: Nanos) -> f64 {
        let calls = self.calls(kind, from, until);
        let mut times: Vec<_> = calls.map(|call| call.until - call.from).collect();
        times.sort_unstable();
        let at = ((times.len() as f64 * part).ceil() as usize).clamp(1, times.len());
        times[at - 1] as f64 / SECOND as f64
    }

    /// When the last call succeeded, in seconds.
    pub fn finished(&self) -> f64 {
        let ends = self.calls.iter().filter(|call| call.is_ok()).map(|call| call.until);
        ends.max().map_or(f64::INFINITY, |end| end as f64 / SECOND as f64)
    }
}

// === impl Call ===

impl Call {
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Status(200)
    }
}

// === impl Api ===

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let user = request.headers().get(header::AUTHORIZATION);
            let asked = trouble::Request {
                path: request.uri().path(),
                user: user.and_then(|user| user.to_str().ok()).unwrap_or_default(),
            };
            let at = passed(shared.begun) + DELAY;
            let reply = shared.server.lock().unwrap().arrive(at, &asked);
            shared.attempts.lock().unwrap().push(Attempt { at, refused: reply.refused });
            let Some(takes) = reply.takes else { return std::future::pending().await };
            sleep(Duration::from_nanos(takes + 2 * DELAY)).await;
            let mut response = Response::new(Body::default());
            *response.status_mut() = reply.status.try_into().unwrap();
            *response.headers_mut() = reply.headers;
            Ok(response)
        })
    }
}
