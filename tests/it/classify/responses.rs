//! What becomes of a response: annotated, or turned into an error with a bounded piece of its body.

use std::{
    convert::Infallible, future::ready, pin::Pin, task::Context, task::Poll, time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Full, channel::Channel};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, Error, ErrorClassifyLayer, ErrorKind, TimeoutLayer,
    classify::{Classification, ErrorClass, Preset},
    error::find,
    extensions::Deadline,
};

use crate::support::{
    probe::{Body, ProbeError, ScriptedResponse, probe},
    scripted::{as_asked, get, response, scripted},
};

const SECOND: Duration = Duration::from_secs(1);

type Piped = Channel<Bytes, BoxError>;

/// A service that gives this response, once.
fn once<B>(
    response: Response<B>,
) -> impl Service<Request<Body>, Response = Response<B>, Error = Infallible, Future: Send>
where
    B: Send,
{
    let mut response = Some(response);
    service_fn(move |_| ready(Ok(response.take().unwrap())))
}

fn failing<B>(body: B) -> Response<B> {
    Response::builder().status(503).header("x-request-id", "r-1").body(body).unwrap()
}

fn error_in(error: &BoxError) -> &Error {
    find(error.as_ref()).unwrap_or_else(|| panic!("not made of a response: {error}"))
}

fn body_of(error: &Error) -> &Bytes {
    error.response().unwrap().body()
}

fn is_body_complete(error: &Error) -> bool {
    let ErrorKind::Response { is_body_complete, .. } = error.kind() else { panic!("{error}") };
    *is_body_complete
}

async fn error_of<B: http_body::Body + Send + 'static>(
    layer: &ErrorClassifyLayer,
    body: B,
) -> Error {
    let result = layer.layer(once(failing(body))).oneshot(get("/")).await;
    error_in(&result.map(drop).unwrap_err()).clone()
}

#[tokio::test]
async fn a_failing_response_carries_its_meaning_and_a_success_carries_nothing() {
    let api = ErrorClassifyLayer::new().layer(scripted(|_| response(503, &[("retry-after", "7")])));
    let response = api.oneshot(get("/")).await.unwrap();
    let found = response.extensions().get::<Classification>().unwrap();
    assert_eq!(found.class(), ErrorClass::Unavailable);
    assert_eq!(found.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(found.retry_after(), Some(7 * SECOND));

    for layer in [ErrorClassifyLayer::new(), ErrorClassifyLayer::new().error_for_status()] {
        let response = layer.layer(as_asked()).oneshot(get("/200")).await.unwrap();
        // Not even an empty map: the first extension costs allocations.
        assert!(response.extensions().is_empty());
    }
}

#[tokio::test]
async fn an_error_has_the_response_s_head_and_body() {
    let layer = ErrorClassifyLayer::new().error_for_status();
    let error = error_of(&layer, Body::from("{\"error\":\"maintenance\"}")).await;
    assert_eq!(error.class(), Some(ErrorClass::Unavailable));
    assert_eq!(error.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    let response = error.response().unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["x-request-id"], "r-1");
    assert_eq!(response.body(), "{\"error\":\"maintenance\"}");
    assert!(is_body_complete(&error));
}

#[tokio::test]
async fn the_text_of_an_error_shows_neither_headers_nor_body() {
    let layer = ErrorClassifyLayer::new().error_for_status();
    let error = error_of(&layer, Body::from("hush")).await;
    assert_eq!(error.to_string(), "the server's response is a failure (503)");
    let debug = format!("{error:?}");
    assert!(!debug.contains("hush") && !debug.contains("r-1"), "{debug}");
}

#[tokio::test]
async fn an_error_keeps_its_meaning_for_the_layers_outside() {
    let layer = ErrorClassifyLayer::new().error_for_status();
    let api = layer.layer(scripted(|_| response(429, &[("retry-after", "30")])));
    let error = api.oneshot(get("/")).await.unwrap_err();
    let found = Classification::of_error(error.as_ref()).unwrap();
    assert_eq!((found.class(), found.retry_after()), (ErrorClass::RateLimited, Some(30 * SECOND)));
}

#[tokio::test]
async fn an_inner_error_passes_unchanged() {
    for layer in [ErrorClassifyLayer::new(), ErrorClassifyLayer::new().error_for_status()] {
        let (api, watch) = probe(1);
        watch.push(ScriptedResponse::error(ProbeError("its own")));
        let error = layer.layer(api).oneshot(get("/")).await.unwrap_err();
        assert_eq!(find(error.as_ref()), Some(&ProbeError("its own")));
    }
}

#[tokio::test]
async fn a_long_body_is_cut_at_the_bound() {
    let layer = ErrorClassifyLayer::new().error_for_status();
    for (max, length, whole) in
        [(4, 3, true), (4, 4, true), (4, 5, false), (0, 0, true), (0, 1, false)]
    {
        let layer = layer.clone().error_body_bytes(max);
        let error = error_of(&layer, Body::from("x".repeat(length))).await;
        assert_eq!(body_of(&error).len(), length.min(max), "{length} of {max}");
        assert_eq!(is_body_complete(&error), whole, "{length} of {max}");
    }
    let error = error_of(&layer, Body::from("x".repeat(10_000))).await;
    assert_eq!(body_of(&error).len(), 8 * 1024);
}

/// Data without end, which says beforehand that it is 5 GB.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"and so on ")))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(5 << 30)
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_bound() {
    let error = error_of(&ErrorClassifyLayer::new().error_for_status(), Endless).await;
    assert_eq!((body_of(&error).len(), is_body_complete(&error)), (8 * 1024, false));
}

#[tokio::test]
async fn a_body_that_breaks_gives_what_came() {
    let (mut sender, body) = Piped::new(4);
    sender.send_data(Bytes::from_static(b"half of ")).await.unwrap();
    sender.abort("connection lost".into());
    let error = error_of(&ErrorClassifyLayer::new().error_for_status(), body).await;
    assert_eq!((&body_of(&error)[..], is_body_complete(&error)), (&b"half of "[..], false));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_hangs_gives_what_came_within_two_seconds() {
    let (mut sender, body) = Piped::new(4);
    sender.send_data(Bytes::from_static(b"half of ")).await.unwrap();
    let begun = Instant::now();
    let error = error_of(&ErrorClassifyLayer::new().error_for_status(), body).await;
    assert_eq!((&body_of(&error)[..], is_body_complete(&error)), (&b"half of "[..], false));
    assert_eq!(Instant::now() - begun, 2 * SECOND);
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_has_no_more_time_than_one_that_hangs() {
    let (mut sender, body) = Piped::new(1);
    let trickle = tokio::spawn(async move {
        while sender.send_data(Bytes::from_static(b".")).await.is_ok() {
            tokio::time::sleep(SECOND / 2).await;
        }
    });
    let begun = Instant::now();
    let error = error_of(&ErrorClassifyLayer::new().error_for_status(), body).await;
    assert!((3..=5).contains(&body_of(&error).len()), "{:?}", body_of(&error));
    assert_eq!(Instant::now() - begun, 2 * SECOND);
    trickle.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_reading_and_not_the_error() {
    let layer = ErrorClassifyLayer::new().error_for_status();
    let begun = Instant::now();
    let (_sender, body) = Piped::new(1);
    let mut request = get("/");
    request.extensions_mut().insert(Deadline::at(begun + SECOND));
    let result = layer.layer(once(failing(body))).oneshot(request).await;
    assert_eq!(error_in(&result.map(drop).unwrap_err()).class(), Some(ErrorClass::Unavailable));
    assert_eq!(Instant::now() - begun, SECOND);

    // The deadline of a layer outside, which puts nothing into the request.
    let (_sender, body) = Piped::new(1);
    let outside = TimeoutLayer::new(SECOND);
    let result = outside.layer(layer.layer(once(failing(body)))).oneshot(get("/")).await;
    assert_eq!(error_in(&result.map(drop).unwrap_err()).class(), Some(ErrorClass::Unavailable));
    assert_eq!(Instant::now() - begun, 2 * SECOND);

    // A far deadline lengthens nothing.
    let (_sender, body) = Piped::new(1);
    let mut request = get("/");
    request.extensions_mut().insert(Deadline::at(begun + 60 * SECOND));
    let result = layer.error_body_wait(SECOND).layer(once(failing(body))).oneshot(request).await;
    assert!(result.is_err());
    assert_eq!(Instant::now() - begun, 3 * SECOND);
}

#[test]
fn a_body_that_is_there_needs_no_timer_and_no_runtime() {
    let layer = ErrorClassifyLayer::new().error_for_status();
    let mut call = tokio_test::task::spawn(layer.layer(as_asked()).oneshot(get("/500")));
    let error = tokio_test::assert_ready!(call.poll()).unwrap_err();
    assert_eq!(error_in(&error).status(), Some(StatusCode::INTERNAL_SERVER_ERROR));
}

#[tokio::test]
async fn a_body_that_is_given_up_is_released() {
    let (sender, body) = Piped::new(1);
    let layer = ErrorClassifyLayer::new().error_for_status();
    let mut call = tokio_test::task::spawn(layer.layer(once(failing(body))).oneshot(get("/")));
    tokio_test::assert_pending!(call.poll());
    drop(call);
    let mut sender = sender;
    assert!(sender.send_data(Bytes::new()).await.is_err(), "the body is still held");
}

#[tokio::test]
async fn the_status_changes_before_the_body_is_read() {
    let (_sender, body) = Piped::new(1);
    let layer = ErrorClassifyLayer::new().error_for_status();
    let mut call = tokio_test::task::spawn(layer.layer(once(failing(body))).oneshot(get("/")));
    tokio_test::assert_pending!(call.poll());
    assert!(layer.status().get().as_str() == "degraded");
}

#[tokio::test]
async fn an_endpoint_has_its_own_reading_and_its_own_way_to_fail() {
    let layer = ErrorClassifyLayer::new()
        .classifier(Preset::Clerk)
        .error_for_status()
        .endpoint("POST /422".parse().unwrap(), |config| config.classifier(Preset::Standard))
        .endpoint("/422".parse().unwrap(), |config| config.annotate_only())
        .endpoint("GET /{status}".parse().unwrap(), |config| config.error_body_bytes(1));
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(format!("https://id.example{path}"));
        let api = scripted(|request| {
            let status = request.uri().path()[1..].parse().unwrap();
            response(status, &[]).map(|_| Body::from("body"))
        });
        layer.layer(api).oneshot(request.body(Body::default()).unwrap()).await
    };

    let error = ask("POST", "/422").await.unwrap_err();
    assert_eq!(error_in(&error).class(), Some(ErrorClass::Rejected));
    assert_eq!(error_in(&error).endpoint(), Some("POST /422"));

    let response = ask("PUT", "/422").await.unwrap();
    let found = response.extensions().get::<Classification>().unwrap();
    assert_eq!(found.class(), ErrorClass::Unauthenticated);

    let error = ask("GET", "/500").await.unwrap_err();
    assert_eq!(body_of(error_in(&error)), "b");
    let error = ask("PUT", "/500").await.unwrap_err();
    assert_eq!(body_of(error_in(&error)), "body");
    assert_eq!(error_in(&error).endpoint(), None);
}

#[tokio::test]
async fn an_endpoint_starts_as_the_layer_is_at_its_line() {
    let layer = ErrorClassifyLayer::new()
        .endpoint("/500".parse().unwrap(), |config| config)
        .error_for_status();
    assert!(layer.layer(as_asked()).oneshot(get("/500")).await.is_ok());
    assert!(layer.layer(as_asked()).oneshot(get("/501")).await.is_err());
}

#[tokio::test]
async fn a_success_s_body_is_the_inner_one() {
    let layer = ErrorClassifyLayer::new().error_for_status().error_body_bytes(1);
    let response =
        layer.layer(once(Response::new(Body::from("all of it")))).oneshot(get("/")).await;
    let body: Full<Bytes> = response.unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(9));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "all of it");
}
