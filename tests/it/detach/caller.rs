//! What of the caller reaches the background, and what does not.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, TimeoutLayer,
    extensions::{Deadline, Priority},
};

use super::{SECOND, event, reporting, settle};
use crate::support::{
    probe::{Body, ScriptedResponse, probe},
    scripted::get,
};

type Found = Arc<Mutex<Vec<(Option<Deadline>, Option<Priority>)>>>;

/// A service that takes ten seconds, and what it found in force.
fn slow() -> (
    impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send>
    + Clone
    + Send
    + 'static,
    Found,
) {
    let found = Found::default();
    let seen = Arc::clone(&found);
    let service = service_fn(move |request: Request<Body>| {
        let priority = request.extensions().get().copied();
        seen.lock().unwrap().push((Deadline::of(&request), priority));
        async {
            sleep(10 * SECOND).await;
            Ok::<_, BoxError>(Response::new(Body::default()))
        }
    });
    (service, found)
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadlines_end_with_the_call_and_its_marks_travel() {
    let (service, found) = slow();
    let (layer, reported) = reporting();
    // Both kinds: the ambient one of a layer around, and the one in the extensions.
    let mut client = TimeoutLayer::new(SECOND).layer(layer.layer(service));
    let mut request = event("login");
    request.extensions_mut().insert(Deadline::at(Instant::now() + SECOND));
    request.extensions_mut().insert(Priority::Low);
    assert_eq!(client.ready().await.unwrap().call(request).await.unwrap().status(), 202);
    sleep(11 * SECOND).await;
    assert_eq!(reported.take(), ["/events/login succeeded 200"]);
    assert_eq!(*found.lock().unwrap(), [(None, Some(Priority::Low))]);
}

#[tokio::test(start_paused = true)]
async fn what_passes_through_keeps_its_deadlines() {
    let (service, found) = slow();
    let mut client = TimeoutLayer::new(SECOND).layer(reporting().0.layer(service));
    let soon = Deadline::at(Instant::now() + SECOND / 2);
    let mut request = get("/users/1");
    request.extensions_mut().insert(soon);
    assert!(client.ready().await.unwrap().call(request).await.is_err());
    assert_eq!(*found.lock().unwrap(), [(Some(soon), None)]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_sent_all_the_same() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let mut client = layer.layer(probe);
    client.ready().await.unwrap();
    drop(client.call(event("login")));
    settle().await;
    assert_eq!(watch.attempts(), 1);
    assert_eq!(reported.take(), ["/events/login succeeded 200"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_that_passes_through_ends_the_inner_one() {
    let (probe, watch) = probe(4);
    let mut client = reporting().0.layer(probe);
    watch.push(ScriptedResponse::never());
    client.ready().await.unwrap();
    let call = client.call(get("/users/1"));
    assert_eq!(watch.in_flight(), 1);
    drop(call);
    assert_eq!(watch.in_flight(), 0);
}
