//! Requests a second over loopback, ours beside tower's and tower-http's: `cargo bench -p benches --bench loopback [ROUNDS]`.
//!
//! A server that refuses nothing names its limit in each response. All clients take turns in each round, on one thread. See
//! `docs/performance.md`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails as a test does")]
#![allow(clippy::print_stdout, reason = "its output is what it is run for")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

#[path = "support/towers.rs"]
mod towers;

use std::{
    convert::Infallible,
    env,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, runtime, sync::oneshot, task::JoinSet, time::Instant};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn as tower_service_fn};
use tower_heed::{
    Stack, TokenCacheLayer, integrations::reqwest::ReqwestService, token_cache::StaticToken,
};

type Body = Full<Bytes>;

const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl";

const WORKERS: [usize; 2] = [32, 256];

/// The time that a client has in a round.
const SPAN: Duration = Duration::from_millis(800);

const CLIENTS: [&str; 5] = [
    "hyper-util",
    "tower + tower-http around it",
    "Stack around it",
    "reqwest",
    "Stack around ReqwestService",
];

fn main() {
    // What `cargo bench` adds.
    let rounds = env::args().skip(1).find_map(|it| it.parse().ok()).unwrap_or(9);
    let address = serve();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for workers in WORKERS {
        let mut rates = [const { Vec::new() }; CLIENTS.len()];
        // The first round opens the connections, and does not count.
        for round in 0..=rounds {
            let turn = runtime.block_on(round_of(address, workers));
            for (rates, rate) in rates.iter_mut().zip(turn).filter(|_| round > 0) {
                rates.push(rate);
            }
        }
        print(workers, &rates.map(median));
    }
}

fn print(workers: usize, rates: &[f64; CLIENTS.len()]) {
    println!("{workers} workers");
    println!("{:<30} {:>10} {:>8} {:>10}", "client", "a second", "of bare", "of tower's");
    for (at, (client, rate)) in CLIENTS.iter().zip(rates).enumerate() {
        let bare = if at < 3 { rates[0] } else { rates[3] };
        let tower = if at == 2 { format!("{:.2}", rate / rates[1]) } else { String::new() };
        println!("{client:<30} {rate:>10.0} {:>8.2} {tower:>10}", rate / bare);
    }
    println!();
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

// === Clients ===

/// The requests a second of each client in turn.
async fn round_of(address: SocketAddr, workers: usize) -> [f64; CLIENTS.len()] {
    let uri: Uri = format!("http://{address}/api/v2/users").parse().unwrap();
    let http = || Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let tower = ServiceBuilder::new()
        .layer(towers::timeout())
        .layer(towers::retry())
        .layer(towers::bearer())
        .layer(towers::classify())
        .layer(towers::timeout());
    let reqwest = reqwest::Client::new();
    let bare_reqwest = {
        let (client, url) = (reqwest.clone(), uri.to_string());
        tower_service_fn(move |_: Request<Body>| {
            let response = client.get(&url).send();
            async { response.await.map(Response::<reqwest::Body>::from) }
        })
    };
    let stack = || {
        let token = TokenCacheLayer::new(StaticToken::new(TOKEN).unwrap());
        Stack::new().token_cache(token.allow_origin(format!("http://{address}").parse().unwrap()))
    };
    [
        rate(http(), &uri, workers).await,
        rate(tower.service(http()), &uri, workers).await,
        rate(stack().service(http()), &uri, workers).await,
        rate(bare_reqwest, &uri, workers).await,
        rate(stack().service(ReqwestService::new(reqwest)), &uri, workers).await,
    ]
}

/// The requests a second of that many workers, each of which sends one after the other.
async fn rate<S, B>(service: S, uri: &Uri, workers: usize) -> f64
where
    S: Service<Request<Body>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let (mut service, uri) = (service.clone(), uri.clone());
        tasks.spawn(async move {
            let mut count = 0_u32;
            while start.elapsed() < SPAN {
                let request = Request::get(uri.clone()).body(Body::default()).unwrap();
                let called = service.ready().await.map_err(Into::into).unwrap().call(request);
                let response = called.await.map_err(Into::into).unwrap();
                assert!(response.status().is_success());
                drop(response.into_body().collect().await.map_err(Into::into).unwrap());
                count += 1;
            }
            count
        });
    }
    let counts = tasks.join_all().await;
    f64::from(counts.iter().sum::<u32>()) / start.elapsed().as_secs_f64()
}

// === The server ===

/// On a thread of its own.
fn serve() -> SocketAddr {
    let (tell, address) = oneshot::channel();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let connection = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(respond));
                tokio::spawn(connection);
            }
        });
    });
    address.blocking_recv().unwrap()
}

/// A window of an hour with more units than any run uses.
async fn respond(_: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    const UNITS: u64 = 90_000_000;
    static USED: AtomicU64 = AtomicU64::new(0);
    static RESET: std::sync::LazyLock<HeaderValue> = std::sync::LazyLock::new(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        HeaderValue::from(now.as_secs() + 3_600)
    });
    let left = UNITS - USED.fetch_add(1, Ordering::Relaxed);
    let response = Response::builder()
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header("x-ratelimit-limit", HeaderValue::from(UNITS))
        .header("x-ratelimit-remaining", HeaderValue::from(left))
        .header("x-ratelimit-reset", RESET.clone())
        .body(Body::from(r#"{"user_id":"auth0|5f7c8ec7c33c6c004bbafe82"}"#));
    Ok(response.unwrap())
}
