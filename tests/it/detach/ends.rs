//! The end of a detached request, which is reported once.

use std::{error::Error, future, time::Duration};

use http::{Request, Response};
use tokio::sync::mpsc;
use tower::{Layer, ServiceBuilder, service_fn};
use tower_heed::{
    BoxError, DetachLayer, ErrorClassifyLayer, RetryOnRateLimit, TimeoutLayer,
    classify::{Classification, ErrorClass, ResponseHead},
    detach::Failure,
    error::{Phase, find},
};

use super::{EVENTS, SECOND, detach, reporting, settle};
use crate::support::{
    error::timeout,
    probe::{Body, ProbeError, ScriptedResponse, probe},
};

#[tokio::test(start_paused = true)]
async fn successes_and_failures_are_reported() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let mut client = layer.layer(probe);
    for (status, end) in [
        (200, "/events/a succeeded 200"),
        (302, "/events/a succeeded 302"),
        (401, "/events/a response unauthenticated"),
        (429, "/events/a response rate_limited"),
        (503, "/events/a response unavailable"),
    ] {
        watch.respond(status, &[]);
        detach(&mut client, "a").await;
        settle().await;
        assert_eq!(reported.take(), [end]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_handed_on() {
    let (probe, watch) = probe(4);
    let (losses, mut lost) = mpsc::unbounded_channel();
    let layer = DetachLayer::new()
        .endpoint(EVENTS.parse().unwrap(), |config| config)
        .on_failure(move |request, failure| losses.send((request, failure)).unwrap());
    let mut client = layer.layer(probe);
    watch.push(ScriptedResponse::error(ProbeError("broken")));
    detach(&mut client, "login").await;
    let (request, failure) = lost.recv().await.unwrap();
    assert_eq!(failure.class(), None);
    assert_eq!(request.endpoint(), EVENTS);
    assert_eq!((request.method(), request.path()), (&http::Method::POST, "/events/login"));
    assert_eq!(request.to_string(), "POST /events/login");
    assert_eq!(failure.to_string(), "the request failed: the scripted service failed");
    assert_eq!(failure.source().unwrap().source().unwrap().to_string(), "broken");
    let Failure::Error(error) = failure else { panic!("{failure:?}") };
    assert_eq!(find::<ProbeError>(error.as_ref()), Some(&ProbeError("broken")));
}

#[tokio::test(start_paused = true)]
async fn the_report_contains_no_secret() {
    let (probe, watch) = probe(4);
    let (losses, mut lost) = mpsc::unbounded_channel();
    let layer = DetachLayer::new()
        .endpoint(EVENTS.parse().unwrap(), |config| config)
        .on_failure(move |request, failure| losses.send((request, failure)).unwrap());
    let mut client = layer.layer(probe);
    watch.respond(500, &[]);
    let mut request = super::event("login");
    *request.uri_mut() = "https://u:secret@id.example/events/login?code=secret".parse().unwrap();
    request.headers_mut().insert("authorization", "secret".parse().unwrap());
    super::send(&mut client, request).await.unwrap();
    let (request, failure) = lost.recv().await.unwrap();
    assert_eq!(request.path(), "/events/login");
    let text = format!("{request:?} {request} {failure:?} {failure} {layer:?}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_inner_layers_classification_comes_before_the_classifier() {
    let (layer, reported) = reporting();
    let layer = layer.classifier(|_: &ResponseHead<'_>| Some(ErrorClass::Rejected));
    let api = service_fn(async |request: Request<Body>| {
        let mut response = Response::new(Body::default());
        if request.uri().path() == "/events/said" {
            response.extensions_mut().insert(Classification::of_class(ErrorClass::Unavailable));
        }
        Ok::<_, BoxError>(response)
    });
    let mut client = layer.layer(api);
    detach(&mut client, "said").await;
    detach(&mut client, "unsaid").await;
    settle().await;
    assert_eq!(
        reported.take(),
        ["/events/said response unavailable", "/events/unsaid response rejected"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_response_that_became_an_error_keeps_its_class() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let mut client = layer.layer(ErrorClassifyLayer::new().error_for_status().layer(probe));
    watch.respond(403, &[]);
    detach(&mut client, "a").await;
    settle().await;
    assert_eq!(reported.take(), ["/events/a error forbidden"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_retry_inside_saves_is_one_success() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let mut client = layer.layer(RetryOnRateLimit::new().layer(probe));
    watch.respond(429, &[("retry-after", "5")]);
    detach(&mut client, "a").await;
    tokio::time::sleep(4 * SECOND).await;
    assert!(reported.take().is_empty());
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(reported.take(), ["/events/a succeeded 200"]);
    assert_eq!(watch.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_inside_ends_a_request_that_hangs_and_frees_its_worker() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let layer = layer.max_concurrent(std::num::NonZeroUsize::MIN);
    let mut client = layer.layer(TimeoutLayer::new(3 * SECOND).layer(probe));
    watch.push(ScriptedResponse::never());
    detach(&mut client, "hangs").await;
    detach(&mut client, "next").await;
    tokio::time::sleep(Duration::from_millis(2_900)).await;
    assert!(reported.take().is_empty());
    tokio::time::sleep(SECOND).await;
    assert_eq!(reported.take(), ["/events/hangs error timeout", "/events/next succeeded 200"]);
    assert_eq!(watch.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_that_limit_is_found() {
    let (losses, mut lost) = mpsc::unbounded_channel();
    let layer = DetachLayer::new()
        .endpoint(EVENTS.parse().unwrap(), |config| config)
        .on_failure(move |request, failure| losses.send((request, failure)).unwrap());
    let hangs =
        service_fn(|_: Request<Body>| future::pending::<Result<Response<Body>, BoxError>>());
    let mut client = layer.layer(TimeoutLayer::new(SECOND).layer(hangs));
    detach(&mut client, "a").await;
    let (_, failure) = lost.recv().await.unwrap();
    let Failure::Error(error) = failure else { panic!("{failure:?}") };
    assert_eq!(timeout(error.as_ref()), (SECOND, Phase::Headers));
}

/// In `call`, in the future, and in the drop of it.
#[tokio::test(start_paused = true)]
async fn a_service_that_panics_is_a_failure_and_the_next_request_goes_on() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the service's own fault, at the end");
        }
    }
    let (layer, reported) = reporting();
    let layer = layer.max_concurrent(std::num::NonZeroUsize::MIN);
    let handle = layer.handle();
    let api = service_fn(|request: Request<Body>| {
        let path = request.uri().path().to_owned();
        assert!(path != "/events/call", "the service's own fault");
        async move {
            match path.as_str() {
                "/events/poll" => panic!("the service's own fault, later"),
                "/events/drop" => {
                    let bomb = Bomb;
                    future::pending::<()>().await;
                    drop(bomb);
                }
                _ => {}
            }
            Ok::<_, BoxError>(Response::new(Body::default()))
        }
    });
    let mut client = ServiceBuilder::new().layer(layer).service(api);
    for kind in ["call", "poll", "fine"] {
        detach(&mut client, kind).await;
    }
    settle().await;
    let expected = ["/events/call panicked", "/events/poll panicked", "/events/fine succeeded 200"];
    assert_eq!(reported.take(), expected);
    detach(&mut client, "drop").await;
    settle().await;
    let report = handle.shutdown(SECOND).await;
    assert_eq!((report.succeeded(), report.failed(), report.dropped()), (0, 0, 1));
    settle().await;
    assert_eq!(reported.take(), ["/events/drop interrupted"]);
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_takes_nothing_down() {
    let (probe, watch) = probe(4);
    let layer = DetachLayer::new()
        .endpoint(EVENTS.parse().unwrap(), |config| config)
        .max_concurrent(std::num::NonZeroUsize::MIN)
        .on_failure(|_, _| panic!("the callback's own fault"))
        .on_success(|_, _| panic!("the callback's own fault"));
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    watch.respond(500, &[]);
    for kind in ["a", "b", "c"] {
        detach(&mut client, kind).await;
    }
    let report = handle.shutdown(SECOND).await;
    assert_eq!((report.succeeded(), report.failed(), report.dropped()), (2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_callback_may_send_by_the_same_client() {
    let (probe, watch) = probe(4);
    let again = std::sync::Arc::new(std::sync::Mutex::new(None::<tower_heed::detach::Detach<_>>));
    let slot = std::sync::Arc::clone(&again);
    let layer = DetachLayer::new().endpoint(EVENTS.parse().unwrap(), |config| config).on_failure(
        move |request, _| {
            assert_eq!(request.path(), "/events/first");
            let mut client = slot.lock().unwrap().take().unwrap();
            drop(tokio::spawn(async move { detach(&mut client, "second").await }));
        },
    );
    let mut client = layer.layer(probe);
    *again.lock().unwrap() = Some(client.clone());
    watch.respond(500, &[]);
    detach(&mut client, "first").await;
    settle().await;
    assert_eq!(super::paths(&watch), ["/events/first", "/events/second"]);
}
