//! Fallback responses.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, channel::Channel};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, FallbackLayer, TimeoutLayer,
    classify::{ErrorClass, Preset},
    error::{Phase, find},
    extensions::Degraded,
    fallback::FailedRequest,
};

use super::{Ended, ended, io_error, outcome_of, text, unavailable};
use crate::support::{
    self,
    error::timeout,
    probe::{Body, ScriptedResponse, probe},
    scripted::{get, response},
};

#[tokio::test(start_paused = true)]
async fn the_closure_gets_the_request_and_its_failure() {
    let layer = FallbackLayer::fail_open(|failed: &FailedRequest| {
        let text = format!(
            "{} {} {:?} {} {:?} {:?}",
            failed.method(),
            failed.uri(),
            failed.endpoint(),
            failed.class(),
            failed.retry_after(),
            failed.classification().status(),
        );
        assert!(!format!("{failed:?}").contains("secret"), "{failed:?}");
        Response::builder().header(CONTENT_TYPE, "text/plain").body(text).unwrap()
    })
    .endpoint("/users/{id}".parse().unwrap(), |config| config);
    let upstream = response(429, &[("retry-after", "30"), ("x-upstream", "1")]);
    let outcome = outcome_of(&layer, "/users/1?secret=1", Ok(upstream)).await;
    let response = outcome.as_ref().unwrap();
    assert_eq!(response.headers().len(), 1, "nothing of the upstream's: {response:?}");
    let mark = *response.extensions().get::<Degraded>().unwrap();
    assert_eq!(mark, Degraded::new(ErrorClass::RateLimited, Some(Duration::from_secs(30))));
    assert_eq!(response.extensions().len(), 1);
    assert_eq!(
        text(outcome).await,
        "GET https://id.example/users/1?secret=1 Some(\"/users/{id}\") rate_limited Some(30s) Some(429)"
    );
}

#[tokio::test(start_paused = true)]
async fn the_body_says_how_long_it_is() {
    for expected in ["", "twelve bytes"] {
        let layer = FallbackLayer::fail_open(move |_| Response::new(expected));
        let outcome = outcome_of(&layer, "/", Ok(response(503, &[]))).await;
        let mut body = outcome.unwrap().into_body();
        assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
        assert_eq!(body.is_end_stream(), expected.is_empty());
        if let Some(frame) = body.frame().await {
            assert_eq!(frame.unwrap().into_data().unwrap(), expected);
        }
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fallback_response_it_fails_closed() {
    let cached: Option<Response<Bytes>> = None;
    let now = FallbackLayer::fail_open(move |_| cached.clone());
    let later = FallbackLayer::fail_open_async(async |_| None::<Response<String>>);
    for layer in [now, later] {
        let outcome = outcome_of(&layer, "/", Ok(response(429, &[("retry-after", "9")]))).await;
        assert_eq!(unavailable(&outcome).retry_after(), Some(Duration::from_secs(9)));
        let refused = io_error(std::io::ErrorKind::ConnectionRefused);
        let outcome = outcome_of(&layer, "/", Err(refused)).await;
        assert_eq!(unavailable(&outcome).class(), Some(ErrorClass::Connect));
        assert!(find::<std::io::Error>(outcome.map(drop).unwrap_err().as_ref()).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_async_closure_is_awaited() {
    let layer = FallbackLayer::fail_open_async(async |failed: FailedRequest| {
        sleep(Duration::from_secs(2)).await;
        Response::new(failed.uri().path().to_owned())
    });
    for upstream in [Ok(response(500, &[])), Err(io_error(std::io::ErrorKind::ConnectionRefused))] {
        let start = Instant::now();
        let outcome = outcome_of(&layer, "/users/1", upstream).await;
        assert_eq!(Instant::now() - start, Duration::from_secs(2));
        assert_eq!(ended(&outcome), Ended::Open);
        assert_eq!(text(outcome).await, "/users/1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_fails_open_or_closed() {
    let (probe, watch) = probe(1);
    watch.push(ScriptedResponse::never());
    let limit = TimeoutLayer::new(Duration::from_secs(3));
    let mut client = FallbackLayer::fail_open(|_| Response::new("late")).layer(limit.layer(probe));
    let response = client.ready().await.unwrap().call(get("/")).await.unwrap();
    assert_eq!(response.extensions().get::<Degraded>().unwrap().class(), ErrorClass::Timeout);
    assert_eq!(watch.in_flight(), 0, "the call that hung is dropped");
    assert_eq!(watch.permits(), 1);
    watch.push(ScriptedResponse::never());
    let mut client = FallbackLayer::fail_closed().layer(limit.layer(watch.service()));
    let error = client.ready().await.unwrap().call(get("/")).await.map(drop).unwrap_err();
    let source = support::error::unavailable(error.as_ref()).source().unwrap();
    assert_eq!(timeout(source), (Duration::from_secs(3), Phase::Headers));
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_panics_affects_its_own_call_only() {
    let asked = Arc::new(AtomicU32::new(0));
    let wait = || {
        let asked = Arc::clone(&asked);
        move || assert!(asked.fetch_add(1, Ordering::Relaxed) % 2 == 1, "on purpose")
    };
    let (now, later) = (wait(), wait());
    let layers = [
        FallbackLayer::fail_open(move |_| {
            now();
            Response::new("")
        }),
        FallbackLayer::fail_open_async(move |_| {
            let later = later.clone();
            async move {
                later();
                Response::new("")
            }
        }),
    ];
    for layer in layers {
        let client =
            layer.layer(service_fn(async |_: Request<Body>| Ok::<_, BoxError>(response(503, &[]))));
        let call = tokio::spawn(client.clone().oneshot(get("/")));
        assert!(call.await.unwrap_err().is_panic());
        assert_eq!(ended(&client.oneshot(get("/")).await), Ended::Open);
    }
}

/// A response that is kept and given again has the mark of the failure that it stands in for now.
#[tokio::test(start_paused = true)]
async fn a_reused_response_is_marked_anew() {
    let mut kept = Response::new("kept");
    kept.extensions_mut().insert(Degraded::new(ErrorClass::Connect, None));
    let layer = FallbackLayer::fail_open(move |_| kept.clone());
    for (status, class) in [(503, ErrorClass::Unavailable), (504, ErrorClass::Timeout)] {
        let outcome = outcome_of(&layer, "/", Ok(response(status, &[]))).await;
        assert_eq!(outcome.unwrap().extensions().get::<Degraded>().unwrap().class(), class);
    }
}

#[tokio::test(start_paused = true)]
async fn a_setter_changes_one_layer_and_none_of_its_clones() {
    let one = FallbackLayer::fail_open(|_| Response::new(""));
    let client =
        one.layer(service_fn(async |_: Request<Body>| Ok::<_, BoxError>(response(503, &[]))));
    let other = one.clone().fail_closed_on(ErrorClass::Unavailable);
    assert_eq!(ended(&outcome_of(&one, "/", Ok(response(503, &[]))).await), Ended::Open);
    assert_eq!(ended(&outcome_of(&other, "/", Ok(response(503, &[]))).await), Ended::Closed);
    assert_eq!(ended(&client.oneshot(get("/")).await), Ended::Open);
}

#[tokio::test(start_paused = true)]
async fn the_upstreams_own_body_passes_with_its_trailers() {
    let (mut sender, body) = Channel::<Bytes>::new(4);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-checksum", "7".parse().unwrap());
    sender.send_data(Bytes::from_static(b"all ")).await.unwrap();
    sender.send_data(Bytes::from_static(b"well")).await.unwrap();
    sender.send_trailers(trailers).await.unwrap();
    drop(sender);
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let http = service_fn(move |_: Request<Body>| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, BoxError>(Response::new(body)) }
    });
    let mut client = FallbackLayer::fail_closed().layer(http);
    let response = client.ready().await.unwrap().call(get("/")).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-checksum"], "7");
    assert_eq!(collected.to_bytes(), "all well");
}

#[tokio::test(start_paused = true)]
async fn the_classifier_decides_about_unclassified_responses() {
    let teapot = |response: &tower_heed::classify::ResponseHead<'_>| {
        (response.status() == 418).then_some(ErrorClass::Unavailable)
    };
    let layer = FallbackLayer::fail_open(|_| Response::new("")).classifier(teapot);
    assert_eq!(ended(&outcome_of(&layer, "/", Ok(response(418, &[]))).await), Ended::Open);
    assert_eq!(ended(&outcome_of(&layer, "/", Ok(response(503, &[]))).await), Ended::Passed);
    let layer = layer.classifier(Preset::Auth0);
    assert_eq!(ended(&outcome_of(&layer, "/", Ok(response(418, &[]))).await), Ended::Passed);
    assert_eq!(ended(&outcome_of(&layer, "/", Ok(response(503, &[]))).await), Ended::Open);
}

#[tokio::test(start_paused = true)]
async fn a_layer_outside_handles_the_error_by_its_class() {
    let http = service_fn(|_: Request<Body>| async {
        let response = Response::builder().status(429).header("retry-after", "30");
        Ok::<_, BoxError>(response.body(Full::<Bytes>::default())?)
    });
    let mut closed = FallbackLayer::fail_closed().layer(http);
    let error = closed.ready().await.unwrap().call(get("/")).await.map(drop).unwrap_err();
    let open = FallbackLayer::fail_open(|_| Response::new(""));
    let outcome = outcome_of(&open, "/", Err(error)).await;
    let mark = *outcome.unwrap().extensions().get::<Degraded>().unwrap();
    assert_eq!(mark, Degraded::new(ErrorClass::RateLimited, Some(Duration::from_secs(30))));
}
