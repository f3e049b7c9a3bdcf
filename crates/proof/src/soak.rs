//! Calls through every layer, of more tenants and to more hosts than any layer keeps: memory stays flat, and in the end nothing is left.

use std::{
    fmt::Write,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    runtime::{Builder, Handle},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower::{Service, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer, service_fn};
use tower_heed::{
    AttemptSpanLayer, BoxError, CircuitBreakerLayer, DetachLayer, FallbackLayer,
    ResponseCacheLayer, Stack, ThrottleLayer, TokenCacheLayer,
    clock::Clock,
    extensions::Priority,
    token_cache::{Token, TokenKey, TokenRequest, TokenScope},
};

/// More than the tokens, quotas, circuits and responses that are kept.
const TENANTS: u32 = 100_000;
const HOSTS: u32 = 100_000;
/// Calls at a time, and the permits of the client inside.
const WORKERS: u64 = 256;
const PERMITS: usize = 128;
/// No call may take longer: the limit of the stack, and a rounding of tokio's timer.
const LONGEST: Duration = Stack::CALL_TIMEOUT.saturating_add(Duration::from_millis(2));
/// What the resident memory may gain between the first quarter's end and the last's: the allocator's own.
const SLACK_KIB: u64 = 32 * 1024;

/// How the calls ended.
#[derive(Debug, Default)]
struct Counts {
    ok: AtomicU64,
    failed: AtomicU64,
    errors: AtomicU64,
    dropped: AtomicU64,
    detached: AtomicU64,
    ended: AtomicU64,
    attempts: AtomicU64,
    tokens: AtomicU64,
    in_flight: AtomicU64,
}

/// Counts what is in flight in a client, also if it is dropped.
struct InFlight(Arc<Counts>);

impl InFlight {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// Makes `calls` calls in paused time.
///
/// # Panics
///
/// Memory grew, a call took longer than its limit, or something was left at the end.
pub fn run(calls: u64) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(soak(calls));
}

/// An API that now and then limits, fails, hangs, breaks off, denies, and names a limit, a bucket or a lifetime of its own.
async fn respond(
    request: Request<Full<Bytes>>,
    counts: Arc<Counts>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let _in_flight = InFlight::new(&counts);
    counts.attempts.fetch_add(1, Relaxed);
    let mut rng = rand_of(counts.attempts.load(Relaxed));
    sleep(Duration::from_millis(rng.random_range(0..60))).await;
    let response = Response::builder();
    let response = match rng.random_range(0..100) {
        0..3 => response.status(429).header("retry-after", rng.random_range(0..3)),
        3 => response.status(429),
        4 => response.status(503).header("retry-after", 1),
        5 => response.status(500),
        6 => response.status(401).header("www-authenticate", "Bearer error=\"invalid_token\""),
        7 => return Err("the connection broke".into()),
        8 if rng.random_ratio(1, 20) => std::future::pending().await,
        9..25 => response
            .header("x-ratelimit-limit", 1000)
            .header("x-ratelimit-remaining", rng.random_range(0..1000))
            .header("x-ratelimit-reset", rng.random_range(1..60)),
        25..30 => response
            .header("x-ratelimit-bucket", format!("{:x}", rng.random_range(0..1000)))
            .header("x-ratelimit-limit", 5)
            .header("x-ratelimit-remaining", rng.random_range(0..5))
            .header("x-ratelimit-reset-after", 1),
        30..33 => response.status(404),
        _ => response,
    };
    let body = vec![b'x'; rng.random_range(0..2000)];
    let response = response.header("x-path", request.uri().path()).body(Full::from(body))?;
    Ok(response)
}

/// Reproducible, and different for each number.
fn rand_of(number: u64) -> SmallRng {
    SmallRng::seed_from_u64(number)
}

fn request(rng: &mut impl Rng) -> Request<Full<Bytes>> {
    // Most calls are of few tenants and to few hosts.
    let mut mostly = |few, all| {
        let most = if rng.random_ratio(1, 3) { all } else { few };
        rng.random_range(0..most)
    };
    let (tenant, host) = (mostly(20, TENANTS), mostly(20, HOSTS));
    let (method, path) = match rng.random_range(0..10) {
        0..2 => (Method::GET, format!("/users/{}", rng.random_range(0..2000))),
        2 => (Method::POST, "/events".to_owned()),
        3..5 => (Method::POST, format!("/orders/{}", rng.random_range(0..1000))),
        _ => (Method::GET, format!("/{:x}/{:x}", rng.random_range(0..50), rng.random::<u32>())),
    };
    let len = if method == Method::GET { 0 } else { rng.random_range(0..200) };
    let scope = TokenScope::new(TokenKey::new().with_organization(format!("tenant-{tenant}")));
    let priority = [Priority::Low, Priority::Normal, Priority::High][rng.random_range(0..3)];
    Request::builder()
        .method(method)
        .uri(format!("https://host-{host}.example{path}"))
        .extension(scope)
        .extension(priority)
        .body(Full::from(vec![b'y'; len]))
        .unwrap()
}

/// One call, which its caller drops now and then, before or while its body is read.
async fn call<S, B>(client: &S, number: u64, counts: &Counts)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = BoxError> + Clone,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let mut rng = rand_of(u64::MAX - number);
    let request = request(&mut rng);
    let patience = match rng.random_range(0..20) {
        0 => Duration::from_millis(rng.random_range(0..100)),
        1 => Duration::from_millis(rng.random_range(0..10_000)),
        _ => Duration::MAX,
    };
    let reads = rng.random_ratio(3, 4);
    let whole = async {
        let response = client.clone().oneshot(request).await?;
        let status = response.status();
        if reads {
            drop(response.into_body().collect().await);
        }
        Ok::<_, BoxError>(status)
    };
    let start = Instant::now();
    let count = match timeout(patience, whole).await {
        Err(_) => &counts.dropped,
        Ok(Err(_)) => &counts.errors,
        Ok(Ok(status)) if status == 202 => &counts.detached,
        Ok(Ok(status)) if status.is_success() => &counts.ok,
        Ok(Ok(_)) => &counts.failed,
    };
    count.fetch_add(1, Relaxed);
    let took = Instant::now() - start;
    assert!(took <= LONGEST, "call {number} took {took:?}");
}

async fn soak(calls: u64) {
    let counts = Arc::new(Counts::default());
    let of_client = Arc::clone(&counts);
    let permits = Arc::new(Semaphore::new(PERMITS));
    let http = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&permits)))
        .service_fn(move |request| respond(request, Arc::clone(&of_client)));

    let of_source = Arc::clone(&counts);
    let source = service_fn(move |request: TokenRequest| {
        let number = of_source.tokens.fetch_add(1, Relaxed);
        async move {
            let mut rng = rand_of(number);
            sleep(Duration::from_millis(rng.random_range(0..40))).await;
            if rng.random_ratio(1, 50) {
                return Err::<_, BoxError>("the issuer is down".into());
            }
            let tenant = request.key().organization().unwrap_or_default();
            let token = Token::bearer(format!("{number}-of-{tenant}"))?;
            Ok(token.expires_in(Duration::from_secs(rng.random_range(1..3600))))
        }
    });

    let tokens = TokenCacheLayer::new(source).allow_any_https_origin();
    let throttle = ThrottleLayer::new();
    let breaker = CircuitBreakerLayer::new();
    let cache = ResponseCacheLayer::with_max_bytes(16 << 20)
        .unwrap()
        .endpoint("GET /users/{id}".parse().unwrap(), |c| c.ttl(Duration::from_secs(60)));
    let ended = [Arc::clone(&counts), Arc::clone(&counts)];
    let [succeeded, failed] = ended.map(|counts| {
        move || {
            counts.ended.fetch_add(1, Relaxed);
        }
    });
    let detach = DetachLayer::new()
        .max_concurrent(16.try_into().unwrap())
        .endpoint("POST /events".parse().unwrap(), |c| c)
        .on_success(move |_, _| succeeded())
        .on_failure(move |_, _| failed());
    let (queue, quotas) = (detach.handle(), throttle.handle());
    let (token_slots, circuits) = (tokens.handle(), breaker.handle());
    let responses = cache.handle();
    let stack = Stack::new()
        .clock(Clock::starting_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
        .fallback(FallbackLayer::fail_open(|_| Response::new(Bytes::new())))
        .response_cache(cache)
        .circuit_breaker(breaker)
        .throttle(throttle)
        .token_cache(tokens)
        .attempt_span(AttemptSpanLayer::new());
    let client = ServiceBuilder::new().layer(detach).service(stack.service(http));

    println!("{calls} calls of {TENANTS} tenants to {HOSTS} hosts, {WORKERS} at a time");
    let begun = Instant::now();
    let mut resident = Vec::new();
    for quarter in 0..4 {
        let next = Arc::new(AtomicU64::new(calls * quarter / 4));
        let end = calls * (quarter + 1) / 4;
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (client, counts, next) = (client.clone(), Arc::clone(&counts), Arc::clone(&next));
            workers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= end {
                        break;
                    }
                    call(&client, number, &counts).await;
                }
            });
        }
        workers.join_all().await;
        resident.push(resident_kib());
        let mut line =
            format!("quarter {}: {} KiB resident", quarter + 1, resident[quarter as usize]);
        write!(
            line,
            ", {} quotas, {} tokens, {} circuits, {:?}",
            quotas.snapshot().len(),
            token_slots.snapshot().len(),
            circuits.snapshot().len(),
            responses.snapshot(),
        )
        .unwrap();
        println!("{line}");
    }
    println!("{:?} of simulated time; {counts:?}", Instant::now() - begun);

    // The last detached request, fetch and timer, and what counts as in flight for a while.
    sleep(Duration::from_secs(600)).await;
    assert_eq!(queue.pending(), 0, "detached requests are left");
    assert_eq!(
        counts.detached.load(Relaxed),
        counts.ended.load(Relaxed),
        "detached requests have not ended"
    );
    assert_eq!(counts.in_flight.load(Relaxed), 0, "attempts are in flight");
    assert_eq!(permits.available_permits(), PERMITS, "permits of the client are out");
    for quota in quotas.snapshot() {
        assert_eq!((quota.queued(), quota.in_flight()), (0, 0), "{quota:?}");
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "tasks are left");
    // The queue still serves.
    let mut ok = 0;
    for number in 0..100 {
        let request =
            Request::get(format!("https://after-{number}.example/")).body(Full::default());
        ok += u32::from(
            client.clone().oneshot(request.unwrap()).await.is_ok_and(|r| r.status() == 200),
        );
    }
    assert!(ok > 80, "{ok} of 100 calls succeed after it");
    let (first, last) = (resident[0], resident[3]);
    assert!(last <= first + SLACK_KIB, "memory grew: {resident:?}");
    println!("nothing is left: no task, no request queued or in flight, no permit out");
}

/// The resident memory of this process; zero where the system does not say.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_left_after_a_short_soak() {
        super::run(5_000);
    }
}
