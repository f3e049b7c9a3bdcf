//! `DetachLayer`: which requests get a 202, how they end, and the end of the queue.

mod bodies;
mod caller;
mod ends;
mod events;
mod ordering;
mod queue;
mod readiness;
mod responses;
mod runtimes;
mod shutdown;
mod spelling;

use std::{
    fmt::Write,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, DetachLayer,
    detach::{Detach, DetachBody, DetachHandle},
};

use crate::support::probe::{Body, Probe, Watch, probe};

const SECOND: Duration = Duration::from_secs(1);
const EVENTS: &str = "POST /events/{kind}";

/// The reported ends, in order: `/events/login succeeded 200`, `/events/login response unavailable`.
#[derive(Clone, Debug, Default)]
struct Reported(Arc<Mutex<Vec<String>>>);

/// A layer that detaches [`EVENTS`], and reports.
fn reporting() -> (DetachLayer, Reported) {
    let reported = Reported::default();
    let (failures, successes) = (reported.clone(), reported.clone());
    let layer = DetachLayer::new()
        .endpoint(EVENTS.parse().unwrap(), |config| config)
        .on_failure(move |request, failure| {
            let mut line = format!("{} {}", request.path(), failure.as_str());
            if let Some(class) = failure.class() {
                write!(line, " {class}").unwrap();
            }
            failures.note(line);
        })
        .on_success(move |request, status| {
            successes.note(format!("{} succeeded {}", request.path(), status.as_u16()));
        });
    (layer, reported)
}

/// A service that sends one request at a time, around a probe with four permits.
fn one_at_a_time() -> (Detach<Probe>, Watch, DetachHandle, Reported) {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let layer = layer.max_concurrent(NonZeroUsize::MIN);
    (layer.layer(probe), watch, layer.handle(), reported)
}

fn event(kind: &str) -> Request<Body> {
    Request::post(format!("https://id.example/events/{kind}")).body(Body::from("sent")).unwrap()
}

async fn send<S>(client: &mut S, request: Request<Body>) -> Result<S::Response, BoxError>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
{
    client.ready().await.map_err(Into::into)?.call(request).await.map_err(Into::into)
}

/// Detaches one event, which must be queued.
async fn detach<S, B>(client: &mut S, kind: &str)
where
    S: Service<Request<Body>, Response = Response<DetachBody<B>>, Error = BoxError>,
{
    assert_eq!(send(client, event(kind)).await.unwrap().status(), 202);
}

/// Lets the tasks run that are ready to.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn paths(watch: &Watch) -> Vec<String> {
    watch.take_requests().iter().map(|request| request.uri().path().to_owned()).collect()
}

// === impl Reported ===

impl Reported {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
