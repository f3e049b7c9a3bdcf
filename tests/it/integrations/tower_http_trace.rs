//! tower-http's `TraceLayer` takes for failures what our layers do.

use std::{
    error::Error,
    fmt, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use http_body_util::{BodyExt, channel::Channel};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, ErrorClassifyLayer, FallbackLayer, TimeoutLayer,
    classify::{ErrorClass, Preset},
    error::{TokenError, TokenErrorKind},
    integrations::tower_http::{ClassesAsFailures, TraceFailure},
};
use tower_http::{
    classify::{ClassifiedResponse, ClassifyEos, ClassifyResponse},
    trace::TraceLayer,
};
use tracing::Span;

use crate::support::{
    probe::{Body, ProbeError, ScriptedResponse, probe},
    scripted::{get, response},
};

fn of_response(failures: ClassesAsFailures, response: &Response<Body>) -> Option<TraceFailure> {
    match failures.classify_response(response) {
        ClassifiedResponse::Ready(result) => result.err(),
        ClassifiedResponse::RequiresEos(rest) => rest.classify_eos(None).err(),
    }
}

#[test]
fn responses_are_failures_by_their_class() {
    for (status, class) in [
        (200, None),
        (304, None),
        (401, Some(ErrorClass::Unauthenticated)),
        (403, Some(ErrorClass::Forbidden)),
        (404, Some(ErrorClass::Rejected)),
        (408, Some(ErrorClass::Timeout)),
        (429, Some(ErrorClass::RateLimited)),
        (503, Some(ErrorClass::Unavailable)),
    ] {
        let failure = of_response(ClassesAsFailures::new(), &response(status, &[]));
        assert_eq!(failure.and_then(|failure| failure.class()), class, "{status}");
    }
    let failures = ClassesAsFailures::new().without(ErrorClass::Rejected);
    assert_eq!(of_response(failures.clone(), &response(404, &[])), None);
    assert!(of_response(failures.clone(), &response(403, &[])).is_some());
    assert_eq!(format!("{failures:?}"), "ClassesAsFailures { without: {Rejected}, .. }");
}

#[test]
fn what_a_layer_inside_has_said_counts() {
    let clerk = ClassesAsFailures::new().classifier(Preset::Clerk);
    let class = |failure: Option<TraceFailure>| failure.unwrap().class();
    assert_eq!(
        class(of_response(clerk.clone(), &response(422, &[]))),
        Some(ErrorClass::Unauthenticated)
    );
    let mut said = response(422, &[]);
    let standard = tower_heed::classify::Classification::of_class(ErrorClass::Rejected);
    said.extensions_mut().insert(standard);
    assert_eq!(class(of_response(clerk, &said)), Some(ErrorClass::Rejected));
}

#[test]
fn a_failure_shows_class_status_and_wait() {
    let failures = ClassesAsFailures::new;
    let of_error = |error: &BoxError| ClassifyResponse::classify_error(failures(), error);
    let limited = of_response(failures(), &response(429, &[("retry-after", "30")])).unwrap();
    assert_eq!(limited.to_string(), "rate_limited (429), retry after 30s");
    assert_eq!(limited.retry_after(), Some(Duration::from_secs(30)));
    assert_eq!(limited.status().unwrap(), 429);
    let token = TokenError::new(TokenErrorKind::RateLimited).with_description("sesame");
    let token = of_error(&token.into());
    assert_eq!(token.to_string(), "token_unavailable");
    let io = ClassifyResponse::classify_error(
        failures(),
        &io::Error::new(io::ErrorKind::TimedOut, "sesame"),
    );
    assert_eq!(io.to_string(), "timeout");
    let unknown = of_error(&ProbeError("sesame").into());
    assert_eq!((unknown.to_string().as_str(), unknown.class()), ("unknown", None));
    assert_eq!(ClassifyResponse::classify_error(failures(), &"sesame").to_string(), "unknown");
}

/// Calls through a `TraceLayer` around `inner` and tells the failures that it saw.
async fn seen<S, RB>(inner: S) -> Vec<String>
where
    S: Service<Request<Body>, Response = Response<RB>>,
    S::Error: fmt::Display + fmt::Debug + 'static,
    RB: http_body::Body<Error: fmt::Display + 'static>,
{
    let failures = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&failures);
    let layer = TraceLayer::new(ClassesAsFailures::new().into_make_classifier()).on_failure(
        move |failure: TraceFailure, _: Duration, _: &Span| {
            seen.lock().unwrap().push(failure.to_string());
        },
    );
    let mut client = layer.layer(inner);
    let response = client.ready().await.unwrap().call(get("/")).await;
    if let Ok(response) = response {
        drop(std::pin::pin!(response.into_body()).collect().await);
    }
    let seen = failures.lock().unwrap();
    seen.clone()
}

#[tokio::test(start_paused = true)]
async fn a_trace_layer_shares_our_meaning() {
    let scripted = |outcome: ScriptedResponse| {
        let (probe, watch) = probe(1);
        watch.push(outcome);
        probe
    };
    let limited = || scripted(ScriptedResponse::from(response(429, &[("retry-after", "30")])));
    assert_eq!(seen(limited()).await, ["rate_limited (429), retry after 30s"]);
    let inside = ErrorClassifyLayer::new().classifier(Preset::Auth0).layer(limited());
    assert_eq!(seen(inside).await, ["rate_limited (429), retry after 30s"]);
    let as_error = ErrorClassifyLayer::new().error_for_status().layer(limited());
    assert_eq!(seen(as_error).await, ["rate_limited (429), retry after 30s"]);
    let late = TimeoutLayer::new(Duration::from_secs(1)).layer(scripted(ScriptedResponse::never()));
    assert_eq!(seen(late).await, ["timeout"]);
    assert_eq!(seen(scripted(ScriptedResponse::from(response(200, &[])))).await, [""; 0]);
    let open = FallbackLayer::fail_open(|_| Response::new("")).layer(limited());
    assert_eq!(seen(open).await, [""; 0]);
    let closed = FallbackLayer::fail_closed().layer(limited());
    assert_eq!(seen(closed).await, ["rate_limited (429), retry after 30s"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_late_is_a_failure_as_well() {
    let (sender, body) = Channel::<bytes::Bytes, BoxError>::new(1);
    let body = Arc::new(Mutex::new(Some(body)));
    let http = service_fn(move |_: Request<Body>| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, BoxError>(Response::new(body)) }
    });
    let late = TimeoutLayer::new(Duration::from_secs(1)).layer(http);
    assert_eq!(seen(late).await, ["timeout"]);
    drop(sender);
}

/// What can be distinguished in the errors of a client that is not boxed.
#[cfg(feature = "hyper")]
#[tokio::test]
async fn the_errors_of_hyper_util_are_known_unboxed() {
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let http = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let request = Request::get(format!("http://{address}/")).body(Body::default()).unwrap();
    let error = http.request(request).await.unwrap_err();
    assert!(error.source().is_some());
    assert_eq!(
        ClassifyResponse::classify_error(ClassesAsFailures::new(), &error).to_string(),
        "connect"
    );
}
