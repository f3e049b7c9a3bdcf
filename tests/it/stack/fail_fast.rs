//! How long a caller waits for the fallback response when the upstream is down.

use std::{io, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{BoxError, ServiceExt, service_fn};
use tower_heed::{FallbackLayer, Stack, extensions::Degraded};

use super::get;
use crate::support::probe::Body;

type Upstream = Arc<dyn Fn() -> Result<Response<Body>, BoxError> + Send + Sync>;

/// The times that calls take, so many a second, from the shortest to the longest.
async fn times(
    per_second: u32,
    upstream: impl Fn() -> Result<Response<Body>, BoxError> + Clone + Send + 'static,
) -> Vec<Duration> {
    let client = service_fn(move |_: Request<Body>| {
        let response = upstream();
        async move {
            sleep(Duration::from_millis(5)).await;
            response
        }
    });
    let open = FallbackLayer::fail_open(|_| Response::new("open"));
    let client = Stack::new().fallback(open).service(client);
    let start = Instant::now();
    let calls = (0..60 * per_second.min(10)).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            sleep_until(start + Duration::from_secs(1) * number / per_second).await;
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

/// It took 21 seconds in the median, because failures were retried as often and as slowly as rate limits, and because a 503 held all
/// requests in the queue.
#[tokio::test(start_paused = true)]
async fn the_fallback_response_comes_within_about_a_second() {
    fn status(status: u16) -> Upstream {
        Arc::new(move || Ok(Response::builder().status(status).body(Body::default())?))
    }
    let fails =
        |kind: io::ErrorKind| -> Upstream { Arc::new(move || Err(io::Error::from(kind).into())) };
    for (name, upstream) in [
        ("500", status(500)),
        ("502", status(502)),
        ("503", status(503)),
        ("504", status(504)),
        ("529", status(529)),
        ("refused", fails(io::ErrorKind::ConnectionRefused)),
        ("reset", fails(io::ErrorKind::ConnectionReset)),
    ] {
        for per_second in [1, 10, 100] {
            let upstream = Arc::clone(&upstream);
            let times = times(per_second, move || upstream()).await;
            let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
            println!("{name}, {per_second}/s: {median:?}, at most {worst:?}");
            assert!(median <= Duration::from_secs(1), "{name}, {per_second}/s: {median:?}");
            assert!(worst <= Duration::from_secs(4), "{name}, {per_second}/s: {worst:?}");
        }
    }
}
