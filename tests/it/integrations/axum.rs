//! Errors as responses of an axum app: their status, and nothing of the upstream's.

use std::{
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    error_handling::HandleErrorLayer,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, channel::Channel};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_heed::{
    BoxError, DetachLayer, Error as LayerError, ErrorClassifyLayer, FallbackLayer,
    RetryOnRateLimit, Stack, ThrottleLayer, TimeoutLayer, TokenCacheLayer,
    body::{ReplayBody, ReplayableBody},
    classify::{Classification, ErrorClass},
    error::{InvalidConfig, find},
    error::{TokenError, TokenErrorKind},
    integrations::axum::UpstreamError,
    token_cache::StaticToken,
};

use crate::support::{
    probe::{Body as ProbeBody, ProbeError, ScriptedResponse, probe},
    scripted::{get as request, response, scripted},
};

/// The error of one call through `layer`.
async fn error_of<L>(layer: L, status: u16, headers: &[(&str, &str)]) -> BoxError
where
    L: Layer<crate::support::probe::Probe>,
    L::Service: Service<Request<ProbeBody>, Error = BoxError>,
{
    let (probe, watch) = probe(4);
    watch.respond(status, headers);
    let mut client = layer.layer(probe);
    client.ready().await.unwrap().call(request("/")).await.map(drop).unwrap_err()
}

async fn classified(status: u16, headers: &[(&str, &str)]) -> BoxError {
    error_of(ErrorClassifyLayer::new().error_for_status(), status, headers).await
}

async fn closed(status: u16, headers: &[(&str, &str)]) -> BoxError {
    error_of(FallbackLayer::fail_closed(), status, headers).await
}

async fn timed_out() -> BoxError {
    let (probe, watch) = probe(1);
    watch.push(ScriptedResponse::never());
    let mut client = TimeoutLayer::new(Duration::from_secs(1)).layer(probe);
    client.ready().await.unwrap().call(request("/")).await.map(drop).unwrap_err()
}

async fn throttled(seconds: &str) -> BoxError {
    let (probe, watch) = probe(4);
    watch.respond(429, &[("retry-after", seconds)]);
    let layer = ThrottleLayer::new().max_wait(Duration::from_millis(1));
    let mut client = layer.layer(probe);
    drop(client.ready().await.unwrap().call(request("/")).await);
    client.ready().await.unwrap().call(request("/")).await.map(drop).unwrap_err()
}

async fn origin_rejected() -> BoxError {
    let token = TokenCacheLayer::new(StaticToken::new("sesame").unwrap());
    error_of(token, 200, &[]).await
}

/// A request that was not queued, for one of the reasons `full`, `shut_down` and `no_runtime`.
async fn not_queued(reason: &str) -> BoxError {
    let (probe, watch) = probe(4);
    watch.push(ScriptedResponse::never());
    let layer =
        DetachLayer::new().endpoint("GET /".parse().unwrap(), |config| config).max_queued(0);
    let layer = layer.max_concurrent(NonZeroUsize::MIN);
    let mut client = layer.layer(probe);
    match reason {
        "shut_down" => drop(layer.handle().shutdown(Duration::ZERO).await),
        "no_runtime" => {
            let call = move || {
                let mut ready = tokio_test::task::spawn(client.ready());
                let service = tokio_test::assert_ready!(ready.poll()).unwrap();
                let mut call = tokio_test::task::spawn(service.call(request("/")));
                tokio_test::assert_ready!(call.poll()).map(drop).unwrap_err()
            };
            return std::thread::spawn(call).join().unwrap();
        }
        _ => drop(client.ready().await.unwrap().call(request("/")).await.unwrap()),
    }
    client.ready().await.unwrap().call(request("/")).await.map(drop).unwrap_err()
}

/// The body of a request that was taken over by a later attempt.
async fn superseded() -> BoxError {
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
    sender.send_data(Bytes::from_static(b"sesame")).await.unwrap();
    let mut earlier = ReplayBody::new(body, 64);
    let mut later = earlier.try_clone().unwrap();
    earlier.frame().await.unwrap().unwrap();
    later.frame().await.unwrap().unwrap();
    earlier.collect().await.map(drop).unwrap_err()
}

/// A head that came in time, and a body that did not.
async fn timed_out_in_the_body() -> BoxError {
    let (sender, body) = Channel::<Bytes, BoxError>::new(1);
    let body = Arc::new(Mutex::new(Some(body)));
    let http = service_fn(move |_: Request<ProbeBody>| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, BoxError>(Response::new(body)) }
    });
    let limit = TimeoutLayer::new(Duration::from_secs(1));
    let client = FallbackLayer::fail_closed().layer(limit.layer(http));
    let response = client.oneshot(request("/")).await.unwrap();
    let error = response.into_body().collect().await.map(drop).unwrap_err();
    drop(sender);
    error
}

#[cfg(feature = "response-cache")]
async fn shared() -> BoxError {
    let layer = tower_heed::ResponseCacheLayer::new()
        .endpoint("GET /".parse().unwrap(), |config| config.ttl(Duration::from_secs(1)));
    let classify = ErrorClassifyLayer::new().error_for_status();
    error_of((layer, classify), 429, &[("retry-after", "30")]).await
}

fn token(failure: TokenErrorKind, wait: Option<u64>) -> BoxError {
    let error = TokenError::new(failure).with_description("sesame").with_status(StatusCode::OK);
    match wait {
        Some(wait) => error.with_retry_after(Duration::from_secs(wait)).into(),
        None => error.into(),
    }
}

/// What it says: status, `Retry-After`, and the problem.
async fn said(response: Response) -> (u16, Option<String>, serde_json::Value) {
    let (head, body) = response.into_parts();
    let retry_after =
        head.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(head.headers["content-type"], "application/problem+json");
    let body = body.collect().await.unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&body).contains("sesame"));
    (head.status.as_u16(), retry_after, serde_json::from_slice(&body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn each_error_has_its_status() {
    use io::ErrorKind as Kind;
    let long = [("retry-after", "30")];
    let rejected =
        [("www-authenticate", "Bearer error=\"invalid_token\", error_description=\"sesame\"")];
    let io = |kind| BoxError::from(io::Error::new(kind, "sesame"));
    let throttled = throttled("30").await;
    let kind = find::<LayerError>(throttled.as_ref()).unwrap().kind();
    assert!(matches!(kind, tower_heed::ErrorKind::Throttled { .. }), "{kind}");
    let table: Vec<(&str, BoxError, u16, Option<&str>)> = vec![
        ("closed, 429", closed(429, &long).await, 503, Some("30")),
        ("closed, 429 without a wait", closed(429, &[]).await, 503, Some("5")),
        (
            "closed, for ever",
            closed(429, &[("retry-after", "9999999999")]).await,
            503,
            Some("86400"),
        ),
        ("closed, part of a second", closed(503, &[("retry-after", "1.2")]).await, 503, Some("2")),
        ("closed, 401", closed(401, &rejected).await, 503, Some("5")),
        ("closed, 504", closed(504, &[]).await, 503, Some("5")),
        ("late", timed_out().await, 504, None),
        ("throttled", throttled, 503, Some("30")),
        ("429", classified(429, &long).await, 503, Some("30")),
        ("500", classified(500, &[]).await, 503, Some("5")),
        ("504", classified(504, &[]).await, 504, None),
        ("401", classified(401, &rejected).await, 502, None),
        ("403", classified(403, &[]).await, 502, None),
        ("404", classified(404, &[]).await, 502, None),
        ("issuer limits", token(TokenErrorKind::RateLimited, Some(40)), 503, Some("40")),
        ("issuer is out", token(TokenErrorKind::Unavailable, None), 503, Some("5")),
        ("issuer is late", token(TokenErrorKind::Timeout, None), 503, Some("5")),
        ("issuer rejects", token(TokenErrorKind::Rejected, Some(40)), 502, None),
        ("issuer talks nonsense", token(TokenErrorKind::Malformed, Some(40)), 502, None),
        ("no connection", io(Kind::ConnectionRefused), 502, None),
        ("broken connection", io(Kind::ConnectionReset), 502, None),
        ("late body", timed_out_in_the_body().await, 504, None),
        ("shed load", tower::load_shed::error::Overloaded::new().into(), 503, Some("5")),
        ("full queue", not_queued("full").await, 503, Some("5")),
        ("queue that is shut down", not_queued("shut_down").await, 503, Some("5")),
        ("no runtime", not_queued("no_runtime").await, 500, None),
        ("body", superseded().await, 500, None),
        #[cfg(feature = "response-cache")]
        ("shared", shared().await, 503, Some("30")),
        ("origin", origin_rejected().await, 500, None),
        ("setting", InvalidConfig::new("limit", "sesame").into(), 500, None),
        ("unknown", ProbeError("sesame").into(), 500, None),
        ("text", "sesame".into(), 500, None),
    ];
    for (name, error, status, retry_after) in table {
        let error = UpstreamError::from(error);
        assert_eq!(error.status(), status, "{name}");
        let response = error.into_response();
        assert!(response.extensions().get::<UpstreamError>().is_some(), "{name}");
        let (said_status, said_retry_after, problem) = said(response).await;
        assert_eq!((said_status, said_retry_after.as_deref()), (status, retry_after), "{name}");
        assert_eq!(problem["type"], "about:blank", "{name}");
        assert_eq!(problem["status"], status, "{name}");
        let phrase = StatusCode::from_u16(status).unwrap().canonical_reason().unwrap();
        assert_eq!(problem["title"], phrase, "{name}");
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{name}");
        let seconds = retry_after.map(|seconds| seconds.parse::<u64>().unwrap());
        assert_eq!(
            problem.get("retry_after").and_then(serde_json::Value::as_u64),
            seconds,
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn our_errors_are_responses_by_themselves() {
    fn status_of<E: IntoResponse + Clone + std::error::Error + 'static>(error: &BoxError) -> u16 {
        find::<E>(error.as_ref()).unwrap().clone().into_response().status().as_u16()
    }
    assert_eq!(status_of::<LayerError>(&timed_out().await), 504);
    assert_eq!(status_of::<LayerError>(&throttled("9").await), 503);
    assert_eq!(status_of::<LayerError>(&classified(401, &[]).await), 502);
    assert_eq!(status_of::<TokenError>(&token(TokenErrorKind::RateLimited, None)), 503);
    assert_eq!(status_of::<LayerError>(&closed(429, &[]).await), 503);
    assert_eq!(status_of::<LayerError>(&origin_rejected().await), 500);
    assert_eq!(status_of::<InvalidConfig>(&InvalidConfig::new("a", "b").into()), 500);
    assert_eq!(status_of::<LayerError>(&superseded().await), 500);
    assert_eq!(status_of::<LayerError>(&not_queued("shut_down").await), 503);
    #[cfg(feature = "response-cache")]
    assert_eq!(status_of::<LayerError>(&shared().await), 503);
}

#[tokio::test]
async fn a_layer_outside_finds_the_error() {
    let response = UpstreamError::from(closed(429, &[]).await).into_response();
    // What the upstream's response meant is not what this one means.
    assert!(response.extensions().get::<Classification>().is_none());
    let carried = response.extensions().get::<UpstreamError>().unwrap();
    assert_eq!(carried.classification().unwrap().class(), ErrorClass::RateLimited);
    crate::support::error::unavailable(carried.error());
    assert!(UpstreamError::from(ProbeError("unknown")).classification().is_none());
}

type Client = BoxCloneSyncService<Request<ProbeBody>, Response, BoxError>;

/// An app that calls an upstream which responds `/NNN` with the status `NNN`, through the stack, failing closed.
fn app() -> Router {
    let api = scripted(|request| {
        let status = request.uri().path()[1..].parse().unwrap();
        response(status, &[("retry-after", "30"), ("www-authenticate", "Bearer")])
    });
    let client = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(Body::new))
        .layer(FallbackLayer::fail_closed())
        .service(Stack::new().retry(RetryOnRateLimit::new().max_retries(0)).service(api));
    async fn call(
        State(client): State<Client>,
        request: Request<Body>,
    ) -> Result<Response, UpstreamError> {
        let uri = format!("https://id.example{}", request.uri().path());
        Ok(client.oneshot(Request::get(uri).body(ProbeBody::default())?).await?)
    }
    Router::new().route("/{status}", get(call)).with_state(BoxCloneSyncService::new(client))
}

#[tokio::test(start_paused = true)]
async fn an_app_that_fails_closed_says_neither_401_nor_407_nor_429() {
    for status in 100..=599_u16 {
        // An app of its own, so that no rejection holds back the next request.
        let request = Request::get(format!("/{status}")).body(Body::empty()).unwrap();
        let response = app().oneshot(request).await.unwrap();
        let expected = match status {
            401 | 407 | 408 | 420 | 425 | 429 | 440 | 498 | 500.. => 503,
            // With `Retry-After`, so that it is a limit.
            403 => 503,
            status => status,
        };
        assert_eq!(response.status(), expected, "{status}");
        if expected == 503 {
            let (_, retry_after, problem) = said(response).await;
            assert_eq!(problem["status"], 503, "{status}");
            let known =
                if matches!(status, 401 | 407 | 408 | 440 | 498 | 504 | 561) { "5" } else { "30" };
            assert!([known, "30"].contains(&retry_after.unwrap().as_str()), "{status}");
        }
    }
}

/// The limit around the router is known to the client in the state, which does not begin to wait in vain.
#[tokio::test(start_paused = true)]
async fn a_limit_around_the_router_reaches_the_client_in_the_state() {
    let (probe, watch) = probe(4);
    watch.respond(429, &[("retry-after", "30")]);
    let client = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(Body::new))
        .layer(FallbackLayer::fail_closed())
        .service(Stack::new().service(probe));
    let client: Client = BoxCloneSyncService::new(client);
    let limit = |seconds| {
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(async |error: BoxError| UpstreamError::from(error)))
            .layer(TimeoutLayer::new(Duration::from_secs(seconds)))
    };
    let handler = async |State(client): State<Client>| {
        Ok::<_, UpstreamError>(client.oneshot(request("/users/1")).await?)
    };
    let app = Router::new().route("/", get(handler)).with_state(client.clone()).layer(limit(5));
    let start = Instant::now();
    let get = || Request::get("/").body(Body::empty()).unwrap();
    let response = app.oneshot(get()).await.unwrap();
    assert_eq!(Instant::now(), start, "it did not wait until the limit was up");
    let (status, retry_after, _) = said(response).await;
    assert_eq!((status, retry_after.as_deref()), (503, Some("30")));

    // What hangs is ended by the limit itself.
    let hangs = async || std::future::pending::<Response>().await;
    let app: Router = Router::new().route("/", axum::routing::get(hangs)).layer(limit(5));
    let (status, ..) = said(app.oneshot(get()).await.unwrap()).await;
    assert_eq!((status, Instant::now() - start), (504, Duration::from_secs(5)));
}

/// With `fail_closed` a 404 passes, and the handler reads JSON out of a page.
#[tokio::test]
async fn what_is_not_the_expected_json_is_a_bad_gateway() {
    let read = |body: &str| serde_json::from_str::<u64>(body).unwrap_err();
    for body in ["<h1>not found</h1>", "{\"message\":\"not found\"}", ""] {
        let error: BoxError = read(body).into();
        assert_eq!(UpstreamError::from(error).status(), 502, "{body}");
        let wrapped: BoxError = io::Error::other(read(body)).into();
        assert_eq!(UpstreamError::from(wrapped).status(), 502, "{body}");
    }
    // Not that of another kind, such as of the app's own file.
    let unreadable = serde_json::Error::io(io::Error::other("no such file"));
    assert_eq!(UpstreamError::from(unreadable).status(), 500);
}
