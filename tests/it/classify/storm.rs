//! The storm that this layer is there to end: a limited recovery call was treated as a sign-out, which called for recovery.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Request, Response};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, ErrorClassifyLayer,
    classify::AuthStatus::{self, Degraded},
};

use crate::support::{
    probe::{Body, Probe},
    scripted::{get, response, scripted},
};

const STORM: Duration = Duration::from_secs(11);
const ROUND_TRIP: Duration = Duration::from_millis(350);

/// An API under a limit, its recovery call included, one round trip away.
fn limited() -> (
    Probe,
    impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone,
) {
    let api = scripted(|_| response(429, &[("retry-after", "20")]));
    let far = api.clone();
    let service = service_fn(move |request| {
        let api = far.clone();
        async move {
            sleep(ROUND_TRIP).await;
            Ok::<_, BoxError>(api.oneshot(request).await?)
        }
    });
    (api, service)
}

/// How clients used to do it: every 4xx is a sign-out, and the recovery call is a call like any other.
async fn every_4xx_is_a_sign_out<S>(mut client: S, until: Instant)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError>,
{
    let mut path = "/users/1";
    while Instant::now() < until {
        let response = client.ready().await.unwrap().call(get(path)).await.unwrap();
        if !response.status().is_client_error() {
            return;
        }
        path = "/touch";
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_logic_runs_away() {
    let (api, client) = limited();
    every_4xx_is_a_sign_out(client, Instant::now() + STORM).await;
    assert!(
        api.handle().attempts() > 30,
        "one request became {} attempts",
        api.handle().attempts()
    );
}

#[tokio::test(start_paused = true)]
async fn fifty_requests_rate_limited_for_eleven_seconds_are_no_sign_out() {
    let (api, client) = limited();
    let layer = ErrorClassifyLayer::new();
    let recovering = layer.layer(client.clone());
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let service = layer
        .clone()
        .on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            let client = recovering.clone();
            async move { drop(client.oneshot(get("/touch")).await) }
        })
        .layer(client);

    let seen = Arc::new(Mutex::new(Vec::<AuthStatus>::new()));
    let (mut status, history) = (layer.status(), Arc::clone(&seen));
    let watching = tokio::spawn(async move {
        while let Some(now) = status.changed().await {
            history.lock().unwrap().push(now);
        }
    });

    let mut calls = JoinSet::new();
    for number in 0..50 {
        let client = service.clone();
        calls.spawn(async move {
            sleep(STORM / 50 * number).await;
            client.oneshot(get("/users/1")).await.unwrap().status().as_u16()
        });
    }
    assert_eq!(calls.join_all().await, [429; 50]);
    sleep(STORM).await;

    assert_eq!((runs.load(SeqCst), api.handle().attempts()), (0, 50));
    assert_eq!(*seen.lock().unwrap(), [Degraded]);
    drop((service, layer));
    watching.await.unwrap();
}
