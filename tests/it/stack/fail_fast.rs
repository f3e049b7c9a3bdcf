//! How long a caller waits for the fallback response when the upstream is down.

use std::{io, time::Duration};

use http::{Request, Response};
use tokio::time::{Instant, sleep_until};
use tower::{BoxError, ServiceExt, service_fn};
use tower_heed::{FallbackLayer, Stack, extensions::Degraded};

use super::get;
use crate::support::probe::Body;

/// The times that calls take, one a second, from the shortest to the longest.
async fn times(
    upstream: impl Fn() -> Result<Response<Body>, BoxError> + Clone + Send + 'static,
) -> Vec<Duration> {
    let client = service_fn(move |_: Request<Body>| std::future::ready(upstream()));
    let open = FallbackLayer::fail_open(|_| Response::new("open"));
    let client = Stack::new().fallback(open).service(client);
    let start = Instant::now();
    let calls = (0..120).map(|second| {
        let client = client.clone();
        tokio::spawn(async move {
            sleep_until(start + Duration::from_secs(second)).await;
            let began = Instant::now();
            let response = client.oneshot(get()).await.unwrap();
            assert!(response.extensions().get::<Degraded>().is_some());
            Instant::now() - began
        })
    });
    let mut times = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        times.push(call.await.unwrap());
    }
    times.sort();
    times
}

/// It took 21 seconds in the median, because failures were retried as often and as slowly as rate limits.
#[tokio::test(start_paused = true)]
async fn the_fallback_response_comes_within_about_a_second() {
    let status = |status| move || Ok(Response::builder().status(status).body(Body::default())?);
    for (name, times) in [
        ("500", times(status(500)).await),
        ("502", times(status(502)).await),
        ("refused", times(|| Err(io::Error::from(io::ErrorKind::ConnectionRefused).into())).await),
        ("reset", times(|| Err(io::Error::from(io::ErrorKind::ConnectionReset).into())).await),
    ] {
        let median = times[times.len() / 2];
        println!("{name}: {median:?}");
        assert!(median <= Duration::from_secs(1), "{name}: {median:?}");
    }
}
