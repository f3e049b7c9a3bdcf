//! Two processes that share a token, an API with a limit, its issuer and a store, on a simulated network that delays, holds, cuts and
//! restarts them by seed: no accepted request is lost or made twice, no call outlasts its limit, and nothing is left.

mod faults;
mod io;
mod servers;

use std::{
    collections::HashMap,
    future::Future,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_heed::{
    BoxError, CircuitBreakerLayer, DetachLayer, Error, ErrorKind, FallbackLayer, Stack,
    ThrottleLayer, TimeoutLayer, TokenCacheLayer, detach::DetachHandle, oauth::ClientCredentials,
    store::SealingKeys, throttle::ThrottleHandle, token_cache::Shared,
};

use self::{
    faults::Faults,
    io::Connector,
    servers::{Counters, Server, World},
};

/// How coarse the network is.
const TICK: Duration = Duration::from_millis(20);
/// No call may take longer: the limit of the stack, and a rounding of tokio's timer.
const LONGEST: Duration = Stack::CALL_TIMEOUT.saturating_add(Duration::from_millis(2));
/// A detached request has more time.
const DETACHED: Duration = Duration::from_secs(300);
/// How long the network stays whole at the end. The longest pause after a failure is shorter, and so is the last call.
const WHOLE: Duration = Duration::from_secs(15 * 60);
/// The last part of it, in which everything has to succeed.
const RECOVERED: Duration = Duration::from_secs(5 * 60);

/// What the processes saw.
#[derive(Debug, Default)]
struct Tally {
    ok: AtomicU64,
    failed: AtomicU64,
    errors: AtomicU64,
    dropped: AtomicU64,
    detached: AtomicU64,
    /// Calls that the throttle gave up after the network was whole again.
    throttled: AtomicU64,
    /// Of an order or an event: whether its success was reported.
    reported: Mutex<HashMap<u64, bool>>,
    /// What failed otherwise after that.
    late: Mutex<Vec<String>>,
}

/// Simulates so many minutes with faults, and some without, for each seed.
///
/// # Panics
///
/// An invariant is broken; the message names the seed.
pub fn run(seeds: Range<u64>, minutes: u64) {
    for seed in seeds {
        let line = simulate(seed, Duration::from_secs(minutes * 60));
        println!("seed {seed}: {line}");
    }
}

fn simulate(seed: u64, length: Duration) -> String {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(length + WHOLE + 20 * DETACHED)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(60))
        .tcp_capacity(1024)
        .enable_random_order()
        .build();
    let world = Arc::new(World::new(Counters::of(seed)));
    for server in [Server::Api, Server::Issuer, Server::Store] {
        let world = Arc::clone(&world);
        sim.host(server.name(), move || servers::serve(server, Arc::clone(&world)));
    }
    let tally = Arc::new(Tally::default());
    let http2 = seed / 3 % 2 == 1;
    for (number, name) in faults::PROCESSES.into_iter().enumerate() {
        let process = Process {
            rng: SmallRng::seed_from_u64(seed * 10 + number as u64),
            length,
            http2,
            world: Arc::clone(&world),
            tally: Arc::clone(&tally),
        };
        sim.client(name, async move {
            process.run().await;
            Ok(())
        });
    }
    let mut faults = Faults::new(seed, length);
    while !sim.step().unwrap_or_else(|error| panic!("seed {seed}: {error}")) {
        faults.apply(&mut sim);
    }
    check(seed, &world, &tally, faults.count());
    let tokens = world.tokens_issued();
    // Two processes, one token: it lasts for ten minutes, and there are some more after a revocation or a fault.
    let expected = length.as_secs() / 400 + world.revocations() + 2 * faults.count() + 2;
    assert!(tokens <= expected, "seed {seed}: {tokens} tokens instead of {expected}");
    format!(
        "{} faults; {} succeeded, {} failed, {} errors ({} throttled at the end), {} dropped, {} detached; {} attempts, {} x 429, {tokens} tokens",
        faults.count(),
        tally.ok.load(Relaxed),
        tally.failed.load(Relaxed),
        tally.errors.load(Relaxed),
        tally.throttled.load(Relaxed),
        tally.dropped.load(Relaxed),
        tally.detached.load(Relaxed),
        world.attempts(),
        world.rate_limited(),
    )
}

/// What was accepted was made once, and nothing was made twice.
fn check(seed: u64, world: &World, tally: &Tally, faults: u64) {
    let made = world.made();
    for (id, times) in &made {
        assert_eq!(*times, 1, "seed {seed}: request {id} was made {times} times");
    }
    for (id, succeeded) in tally.reported.lock().unwrap().iter() {
        assert!(!succeeded || made.contains_key(id), "seed {seed}: request {id} is lost");
    }
    let late = tally.late.lock().unwrap();
    assert!(late.is_empty(), "seed {seed}: after {faults} faults nothing recovered: {late:#?}");
    assert!(tally.ok.load(Relaxed) > 0, "seed {seed}: nothing succeeded");
}

/// One process and its stack.
struct Process {
    rng: SmallRng,
    length: Duration,
    http2: bool,
    world: Arc<World>,
    tally: Arc<Tally>,
}

// === impl Process ===

impl Process {
    async fn run(mut self) {
        let mut http = Client::builder(TokioExecutor::new());
        http.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
        http.pool_idle_timeout(Duration::from_secs(30));
        if self.http2 {
            // A connection on which segments were lost is silent for good.
            http.http2_only(true)
                .http2_keep_alive_interval(Duration::from_secs(5))
                .http2_keep_alive_timeout(Duration::from_secs(5));
        }
        let http = http.build::<_, Full<Bytes>>(Connector);

        let source =
            ClientCredentials::new(http.clone(), "https://issuer/token", "client", "secret")
                .unwrap();
        let keys = SealingKeys::in_clear_text(&[7; 32]);
        let source = Shared::new(source.key().clone(), source, self.world.store(), keys);
        let tokens = TokenCacheLayer::new(source).allow_origin("https://api".parse().unwrap());
        let throttle = ThrottleLayer::new();
        let quotas = throttle.handle();
        let [ok, failed] = [true, false].map(|is_ok| {
            let tally = Arc::clone(&self.tally);
            move |id: u64| {
                let before = tally.reported.lock().unwrap().insert(id, is_ok);
                assert_eq!(before, None, "event {id} ended twice");
            }
        });
        let detach = DetachLayer::new()
            .endpoint("POST /events/{id}".parse().unwrap(), |config| config)
            .on_success(move |request, _| ok(id_of(request.path())))
            .on_failure(move |request, _| failed(id_of(request.path())));
        let queue = detach.handle();
        let timeout = TimeoutLayer::new(Stack::CALL_TIMEOUT)
            .endpoint("POST /events/{id}".parse().unwrap(), |config| config.limit(DETACHED));
        let stack = Stack::new()
            .fallback(FallbackLayer::fail_closed())
            .call_timeout(timeout)
            .circuit_breaker(CircuitBreakerLayer::new())
            .throttle(throttle)
            .token_cache(tokens);
        let client = ServiceBuilder::new().layer(detach).service(stack.service(http));

        self.work(client).await;
        self.left(&quotas, &queue).await;
    }

    /// Calls from now to the end, one by one and in bursts.
    async fn work<S, B>(&mut self, client: S)
    where
        S: Service<
                Request<Full<Bytes>>,
                Response = http::Response<B>,
                Error = BoxError,
                Future: Send,
            > + Clone
            + Send
            + 'static,
        B: http_body::Body<Data: Send, Error: std::fmt::Debug> + Send + 'static,
    {
        let start = Instant::now();
        let mut calls = JoinSet::new();
        while Instant::now() - start < self.length + WHOLE - Duration::from_secs(60) {
            let burst = if self.rng.random_ratio(1, 20) { self.rng.random_range(2..30) } else { 1 };
            for _ in 0..burst {
                let recovered = Instant::now() - start > self.length + WHOLE - RECOVERED;
                let call = self.call(client.clone(), recovered);
                calls.spawn(call);
            }
            while calls.try_join_next().is_some_and(|call| call.is_ok()) {}
            sleep(Duration::from_millis(self.rng.random_range(0..20_000))).await;
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
    }

    fn call<S, B>(
        &mut self,
        client: S,
        recovered: bool,
    ) -> impl Future<Output = ()> + Send + use<S, B>
    where
        S: Service<
                Request<Full<Bytes>>,
                Response = http::Response<B>,
                Error = BoxError,
                Future: Send,
            > + Send
            + 'static,
        B: http_body::Body<Data: Send, Error: std::fmt::Debug> + Send + 'static,
    {
        let id = self.world.next_id();
        let (method, path) = match self.rng.random_range(0..10) {
            0..5 => (Method::GET, format!("/users/{id}")),
            5..8 => (Method::POST, format!("/orders/{id}")),
            _ => (Method::POST, format!("/events/{id}")),
        };
        let is_order = path.starts_with("/orders");
        let patience = match self.rng.random_range(0..30) {
            0 if !recovered => Duration::from_millis(self.rng.random_range(0..2000)),
            _ => Duration::MAX,
        };
        let request = Request::builder().method(method).uri(format!("https://api{path}"));
        let request = request.body(Full::from("a body")).unwrap();
        let tally = Arc::clone(&self.tally);
        async move {
            let start = Instant::now();
            let called = async {
                let response = client.oneshot(request).await?;
                let status = response.status();
                response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
                Ok::<_, BoxError>(status)
            };
            let ended = tokio::time::timeout(patience, called).await;
            let took = Instant::now() - start;
            assert!(took <= LONGEST, "{path} took {took:?}");
            let count = match &ended {
                Err(_) => &tally.dropped,
                Ok(Err(_)) => &tally.errors,
                Ok(Ok(StatusCode::ACCEPTED)) => &tally.detached,
                Ok(Ok(StatusCode::OK)) => {
                    if is_order {
                        tally.reported.lock().unwrap().insert(id, true);
                    }
                    &tally.ok
                }
                Ok(Ok(_)) => &tally.failed,
            };
            count.fetch_add(1, Relaxed);
            match &ended {
                Ok(Ok(status)) if status.is_success() => {}
                // A burst of one process is a limit that comes back late to the other. Counted, and not ruled out.
                Ok(Err(error)) if is_throttled(error) => {
                    tally.throttled.fetch_add(u64::from(recovered), Relaxed);
                }
                _ if recovered => tally.late.lock().unwrap().push(format!("{path}: {ended:?}")),
                _ => {}
            }
        }
    }

    /// All that was accepted has ended, and nothing is queued or in flight.
    async fn left(&self, quotas: &ThrottleHandle, queue: &DetachHandle) {
        // Four at a time, of which each may take as long as it is allowed to.
        for _ in 0..10 {
            sleep(DETACHED).await;
            if queue.pending() == 0 {
                break;
            }
        }
        assert_eq!(queue.pending(), 0, "detached requests are left");
        for quota in quotas.snapshot() {
            assert_eq!((quota.queued(), quota.in_flight()), (0, 0), "{quota:?}");
        }
    }
}

/// Whether the throttle failed the call, under the error of the fallback.
fn is_throttled(error: &BoxError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    std::iter::from_fn(|| {
        let error = next?;
        next = error.source();
        Some(error)
    })
    .filter_map(|error| error.downcast_ref::<Error>())
    .any(|error| matches!(error.kind(), ErrorKind::Throttled { .. }))
}

/// The number in `/orders/7`.
fn id_of(path: &str) -> u64 {
    path.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap()
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_lost_or_made_twice_in_twenty_minutes() {
        super::run(4..5, 20);
    }
}
