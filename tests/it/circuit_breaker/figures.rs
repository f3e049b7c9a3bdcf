//! How long callers wait for an upstream that is down.

use http::Request;
use tokio::time::Instant;
use tower_heed::{FallbackLayer, Stack, extensions::Degraded};

use super::*;
use crate::support::scripted::scripted;

fn open() -> FallbackLayer {
    FallbackLayer::fail_open(|_| Response::new("[]"))
}

/// The time that a call takes to its open response.
async fn login<S, B>(client: &S, request: Request<Body>) -> Duration
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone,
{
    let began = Instant::now();
    let response = client.clone().ready().await.unwrap().call(request).await.unwrap();
    assert!(response.extensions().get::<Degraded>().is_some());
    Instant::now() - began
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Calls one after the other. Of a probe the caller waits for as long as the probe takes.
#[tokio::test(start_paused = true)]
async fn of_an_upstream_that_hangs() {
    for method in ["GET", "POST"] {
        let hangs = Probe::new().otherwise(|_| ScriptedResponse::never());
        let breaker = CircuitBreakerLayer::new();
        let client = Stack::new().circuit_breaker(breaker).fallback(open()).service(hangs);
        let mut times = Vec::new();
        for _ in 0..100 {
            let request = get("/session").map(|body| body);
            let (mut head, body) = request.into_parts();
            head.method = method.parse().unwrap();
            times.push(login(&client, Request::from_parts(head, body)).await);
        }
        let first: Vec<u64> = times.iter().take(10).map(|time| time.as_secs()).collect();
        let worst = times[9..].iter().max().unwrap();
        println!(
            "upstream hangs, {method}: seconds of the first ten calls {first:?}; from the tenth on at most {worst:?}"
        );
        assert!(*worst <= SECOND / 100, "{worst:?}");
    }
}

/// A call a second, for ten minutes.
#[tokio::test(start_paused = true)]
async fn of_an_upstream_that_hangs_and_of_its_probes() {
    let hangs = Probe::new().otherwise(|_| ScriptedResponse::never());
    let breaker = CircuitBreakerLayer::new();
    let client = Stack::new().circuit_breaker(breaker).fallback(open()).service(hangs);
    let calls = (0..600).map(|second| {
        let client = client.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SECOND * second).await;
            login(&client, get("/session")).await
        })
    });
    let mut times = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        times.push(call.await.unwrap());
    }
    let waited = times[30..].iter().filter(|time| **time > SECOND / 100).count();
    println!(
        "upstream hangs, a call a second: after half a minute {waited} of 570 callers waited, for a probe"
    );
    assert!(waited <= 15, "{waited}");
}

/// Calls one after the other, a second apart.
#[tokio::test(start_paused = true)]
async fn of_an_upstream_that_fails() {
    for status in [500, 502, 503, 504, 529] {
        let down = scripted(move |_| crate::support::scripted::response(status, &[]));
        let client = Stack::new().fallback(open()).service(down);
        let mut times = Vec::new();
        for _ in 0..120 {
            times.push(login(&client, get("/session")).await);
            tokio::time::sleep(SECOND).await;
        }
        let worst = *times.iter().max().unwrap();
        let median = median(times);
        println!(
            "upstream responds {status}, no circuit breaker: median {median:?} to the open response, at most {worst:?}"
        );
        // The two backoffs of the retries: 0.9 seconds in the middle, 1.2 at most.
        assert!(median <= SECOND && worst <= 5 * SECOND / 2, "{status}: {median:?}, {worst:?}");
    }
}

/// A server that hangs for a minute: the first response comes at the first probe after it.
#[tokio::test(start_paused = true)]
async fn of_the_recovery() {
    let began = Instant::now();
    let hangs = Probe::new().otherwise(move |_| {
        if Instant::now() - began < 60 * SECOND {
            ScriptedResponse::never()
        } else {
            ScriptedResponse::status(200)
        }
    });
    let client = Stack::new().circuit_breaker(CircuitBreakerLayer::new()).service(hangs);
    let mut back = None;
    while back.is_none() {
        tokio::time::sleep(SECOND / 10).await;
        if ended(&client, "/").await == "200" {
            back = Some(Instant::now() - began - 60 * SECOND);
        }
    }
    println!("upstream hangs for a minute: back after {back:?}");
    assert!(back.unwrap() <= 45 * SECOND);
    for _ in 0..100 {
        assert_eq!(ended(&client, "/").await, "200");
    }
}
