//! What a token from the cache costs, beside the simplest things that hold one, and how ten thousand callers share one fetch.
//!
//! `cargo bench --bench token`. Each row sends a request with three headers through a service that adds `Authorization`; the
//! `bare` row adds none and is what the others are compared with.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark fails as a test does, prints its results and reads the real clock"
)]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use allocation_counter::measure;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Full;
use tokio::{
    runtime::Builder,
    sync::{RwLock, watch},
    task::JoinSet,
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    TokenCacheLayer,
    token_cache::{StaticToken, Token, TokenError, TokenKey, TokenRequest, TokenScope},
};

type Body = Full<Bytes>;

const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl";
const ORIGIN: &str = "https://acme.eu.auth0.com";
const ROUNDS: usize = 9;
const CALLS: usize = 40_000;
const CALLERS: usize = 10_000;
const FETCH: Duration = Duration::from_millis(50);

/// The API, which allocates nothing.
#[derive(Clone)]
struct Api;

impl Service<Request<Body>> for Api {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(())))
    }
}

/// What others would keep a token in.
#[derive(Clone)]
enum Place {
    Swap(Arc<ArcSwap<HeaderValue>>),
    SwapAndClocks(Arc<ArcSwap<HeaderValue>>, u8),
    Watch(watch::Receiver<HeaderValue>),
    Lock(Arc<RwLock<HeaderValue>>),
}

#[derive(Clone)]
struct Simple(Place);

impl Simple {
    async fn send(&self, mut request: Request<Body>) {
        let header = match &self.0 {
            Place::Swap(swap) => HeaderValue::clone(&swap.load()),
            Place::SwapAndClocks(swap, clocks) => {
                black_box(Instant::now());
                if *clocks > 1 {
                    black_box(SystemTime::now());
                }
                HeaderValue::clone(&swap.load())
            }
            Place::Watch(receiver) => receiver.borrow().clone(),
            Place::Lock(lock) => lock.read().await.clone(),
        };
        request.headers_mut().insert(AUTHORIZATION, header);
        drop(Api.call(request).await);
    }
}

fn request() -> Request<Body> {
    let json = HeaderValue::from_static("application/json");
    Request::patch(Uri::from_static("https://acme.eu.auth0.com/api/v2/users/1"))
        .header(CONTENT_TYPE, json.clone())
        .header(ACCEPT, json)
        .header(USER_AGENT, HeaderValue::from_static("bench"))
        .body(Full::from(Bytes::from_static(b"{}")))
        .unwrap()
}

fn header() -> HeaderValue {
    let bytes = Bytes::from_owner(format!("Bearer {TOKEN}").into_bytes());
    let mut header = HeaderValue::from_maybe_shared(bytes).unwrap();
    header.set_sensitive(true);
    header
}

fn source() -> TokenCacheLayer {
    TokenCacheLayer::new(service_fn(|_: TokenRequest| async {
        Ok::<_, TokenError>(Token::bearer(TOKEN)?.expires_in(Duration::from_secs(86_400)))
    }))
    .allow_origin(ORIGIN)
    .unwrap()
}

/// The time of one call, in nanoseconds, with so many tasks at once; the median of several rounds.
async fn time<F, Fut>(tasks: usize, call: F) -> f64
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let each = CALLS / tasks;
        let start = Instant::now();
        let mut set = JoinSet::new();
        for _ in 0..tasks {
            let call = call.clone();
            set.spawn(async move {
                for _ in 0..each {
                    call().await;
                }
            });
        }
        set.join_all().await;
        rounds.push(start.elapsed().as_nanos() as f64 / (each * tasks) as f64);
    }
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// The allocations of one call, counted.
fn allocations<Fut: Future<Output = ()>>(call: impl Fn() -> Fut) -> u64 {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call());
    let counted = |times: usize| {
        measure(|| {
            runtime.block_on(async {
                for _ in 0..times {
                    call().await;
                }
            });
        })
        .count_total
    };
    // The difference of the two leaves out what the runtime needs by itself.
    (counted(1001) - counted(1)) / 1000
}

async fn row<F, Fut>(name: &str, bare: Option<([f64; 3], u64)>, call: F) -> ([f64; 3], u64)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let mut times = [0.0; 3];
    for (time_of, tasks) in times.iter_mut().zip([1, 8, 64]) {
        *time_of = time(tasks, call.clone()).await;
    }
    let count = std::thread::spawn(move || allocations(call)).join().unwrap();
    let (base, least) = bare.unwrap_or_default();
    let [one, eight, many] = [0, 1, 2].map(|index| times[index] - base[index]);
    println!("{name:<34} {one:>7.0} {eight:>7.0} {many:>7.0} {:>5}", count - least);
    (times, count)
}

async fn hits() {
    println!("{:<34} {:>7} {:>7} {:>7} {:>5}", "ns over `bare`, by tasks", 1, 8, 64, "alloc");
    let bare = row("bare (absolute)", None, || async {
        drop(Api.call(request()).await);
    })
    .await;
    let swap = Arc::new(ArcSwap::from_pointee(header()));
    let (_keep, receiver) = watch::channel(header());
    for (name, place) in [
        ("arc-swap", Place::Swap(Arc::clone(&swap))),
        ("arc-swap, one clock", Place::SwapAndClocks(Arc::clone(&swap), 1)),
        ("arc-swap, two clocks", Place::SwapAndClocks(swap, 2)),
        ("tokio watch", Place::Watch(receiver)),
        ("tokio RwLock", Place::Lock(Arc::new(RwLock::new(header())))),
    ] {
        let simple = Simple(place);
        row(name, Some(bare), move || {
            let simple = simple.clone();
            async move { simple.send(request()).await }
        })
        .await;
    }
    let static_token = TokenCacheLayer::new(StaticToken::new(TOKEN).unwrap());
    let scope = TokenScope::new(TokenKey::new().with_audience("https://acme.eu.auth0.com/api/v2/"));
    for (name, layer, scope) in [
        ("ours, static token", static_token.allow_origin(ORIGIN).unwrap(), None),
        ("ours, replay left to the retry layer", source().leave_replay_to_retry(), None),
        ("ours, with a copy for the replay", source(), None),
        ("ours, a key in the request", source().leave_replay_to_retry(), Some(scope)),
    ] {
        let client = layer.layer(Api);
        row(name, Some(bare), move || {
            let (mut client, mut request) = (client.clone(), request());
            if let Some(scope) = &scope {
                request.extensions_mut().insert(scope.clone());
            }
            async move { drop(client.ready().await.unwrap().call(request).await) }
        })
        .await;
    }
}

/// All callers at once on a cold cache, against the same number of tasks that wait for one `watch` to change.
async fn stampede() {
    let floor = {
        let (send, receive) = watch::channel(false);
        let start = Instant::now();
        let mut set = JoinSet::new();
        for _ in 0..CALLERS {
            let mut receive = receive.clone();
            set.spawn(async move { drop(receive.wait_for(|done| *done).await) });
        }
        tokio::time::sleep(FETCH).await;
        send.send(true).unwrap();
        set.join_all().await;
        start.elapsed()
    };
    for fails in [false, true] {
        let fetches = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = Arc::clone(&fetches);
        let source = service_fn(move |_: TokenRequest| {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                tokio::time::sleep(FETCH).await;
                if fails {
                    return Err(TokenError::of_source("refused"));
                }
                Ok(Token::bearer(TOKEN)?.expires_in(Duration::from_secs(86_400)))
            }
        });
        let client = TokenCacheLayer::new(source).allow_origin(ORIGIN).unwrap().layer(Api);
        let start = Instant::now();
        let mut set = JoinSet::new();
        for _ in 0..CALLERS {
            let client = client.clone();
            set.spawn(async move { client.oneshot(request()).await.is_ok() });
        }
        let answered = set.join_all().await.into_iter().filter(|ok| *ok).count();
        println!(
            "{CALLERS} cold callers, a fetch of {FETCH:?} that {}: {} fetches, {answered} answers in {:?}; floor {floor:?}",
            if fails { "fails" } else { "succeeds" },
            fetches.load(std::sync::atomic::Ordering::Relaxed),
            start.elapsed(),
        );
    }
}

fn main() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(hits());
    runtime.block_on(stampede());
}
