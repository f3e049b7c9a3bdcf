//! The request says how it fails.

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{BoxError, FallbackLayer, classify::ErrorClass, fallback::OnFailure};

use super::{Ended, Outcome, ended, io_error, text};
use crate::support::{
    probe::Body,
    scripted::{get, response},
};

fn picture() -> OnFailure {
    OnFailure::fail_open(|_| Response::new("a grey picture"))
}

async fn outcome_of(
    layer: &FallbackLayer,
    asked: Option<OnFailure>,
    path: &str,
    upstream: impl Into<Result<Response<Body>, BoxError>>,
) -> Outcome {
    let mut request = get(path);
    if let Some(asked) = asked {
        request.extensions_mut().insert(asked);
    }
    send(layer, request, upstream.into()).await
}

async fn send(
    layer: &FallbackLayer,
    request: Request<Body>,
    upstream: Result<Response<Body>, BoxError>,
) -> Outcome {
    let upstream = std::sync::Mutex::new(Some(upstream));
    let upstream = std::sync::Arc::new(upstream);
    let mut client = layer.layer(tower::service_fn(move |_: Request<Body>| {
        let upstream = upstream.lock().unwrap().take().unwrap();
        async move { upstream }
    }));
    client.ready().await?.call(request).await
}

fn down() -> Result<Response<Body>, BoxError> {
    Ok(response(503, &[]))
}

#[tokio::test]
async fn the_request_chooses_where_no_pattern_speaks() {
    let layer = FallbackLayer::fail_closed();
    assert_eq!(ended(&outcome_of(&layer, None, "/users/1", down()).await), Ended::Closed);
    let outcome = outcome_of(&layer, Some(picture()), "/users/1", down()).await;
    assert_eq!(ended(&outcome), Ended::Open);
    assert_eq!(text(outcome).await, "a grey picture");

    let layer = FallbackLayer::fail_open(|_| Response::new("[]"));
    let closed = Some(OnFailure::fail_closed());
    assert_eq!(ended(&outcome_of(&layer, closed, "/users/1", down()).await), Ended::Closed);
    let outcome = outcome_of(&layer, Some(picture()), "/users/1", down()).await;
    assert_eq!(text(outcome).await, "a grey picture");
}

#[tokio::test]
async fn closed_wins_where_both_speak() {
    let closed = FallbackLayer::fail_open(|_| Response::new("[]"))
        .endpoint("/users/{id}".parse().unwrap(), |config| config.fail_closed());
    let open = FallbackLayer::fail_closed().endpoint("/users/{id}".parse().unwrap(), |config| {
        config.fail_open(|_| Response::new("{}"))
    });
    let asked = [None, Some(picture()), Some(OnFailure::fail_closed())];
    for (layer, expected) in [
        (&closed, [Ended::Closed, Ended::Closed, Ended::Closed]),
        (&open, [Ended::Open, Ended::Open, Ended::Closed]),
    ] {
        for (asked, expected) in asked.iter().zip(expected) {
            for path in ["/users/1", "//users/1"] {
                let outcome = outcome_of(layer, asked.clone(), path, down()).await;
                let expected = match (path, expected) {
                    // In this spelling it may be no user, and the layer is closed to what no pattern names.
                    ("//users/1", Ended::Open) if asked.is_none() => Ended::Closed,
                    (_, expected) => expected,
                };
                assert_eq!(ended(&outcome), expected, "{path} {asked:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_class_that_the_layer_names_stays_closed() {
    for layer in [FallbackLayer::fail_closed(), FallbackLayer::fail_open(|_| Response::new("[]"))] {
        let layer = layer.fail_closed_on(ErrorClass::Connect);
        let refused = Err(io_error(std::io::ErrorKind::ConnectionRefused));
        let outcome = outcome_of(&layer, Some(picture()), "/users/1", refused).await;
        assert_eq!(ended(&outcome), Ended::Closed);
        assert_eq!(
            ended(&outcome_of(&layer, Some(picture()), "/users/1", down()).await),
            Ended::Open
        );
    }
}

#[tokio::test]
async fn a_request_opens_no_failure_of_credentials() {
    let closed = FallbackLayer::fail_closed();
    let risky = FallbackLayer::fail_open(|_| Response::new("[]"))
        .dangerously_let_in_unauthenticated()
        .dangerously_let_in_forbidden();
    for status in [401, 403, 407, 511] {
        let failed = Ok(response(status, &[("www-authenticate", "Bearer")]));
        let outcome = outcome_of(&closed, Some(picture()), "/users/1", failed).await;
        assert_ne!(ended(&outcome), Ended::Open, "{status}");
        let failed = Ok(response(status, &[]));
        let outcome = outcome_of(&risky, Some(OnFailure::fail_closed()), "/users/1", failed).await;
        assert_ne!(ended(&outcome), Ended::Open, "{status}");
    }
    // A 401 is still meant for this program.
    let outcome = outcome_of(&closed, Some(picture()), "/users/1", Ok(response(401, &[]))).await;
    assert_eq!(ended(&outcome), Ended::Closed);
}

/// Inside of a `Router::nest` the request has lost its prefix, and the pattern has it.
#[cfg(feature = "axum")]
#[tokio::test]
async fn a_pattern_with_the_prefix_of_a_nested_router_matches() {
    use axum::{Router, body::Body, error_handling::HandleErrorLayer, routing::any};
    use tower::ServiceBuilder;
    use tower_heed::integrations::axum::UpstreamError;

    let status_of = async |layer: FallbackLayer, path: &str| {
        let service = ServiceBuilder::new()
            .layer(HandleErrorLayer::new(async |error: BoxError| UpstreamError::from(error)))
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(layer)
            .map_response(|response: Response<Body>| {
                response.map(|_| http_body_util::Full::<bytes::Bytes>::default())
            });
        let down = any(async || http::StatusCode::BAD_GATEWAY);
        let api = Router::new().route("/{*path}", down).layer(service);
        let app = Router::new().nest("/api", api);
        app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap().status()
    };
    let open = || {
        FallbackLayer::fail_open(|_| Response::new("ALLOWED"))
            .endpoint("/api/permissions/{id}".parse().unwrap(), |config| config.fail_closed())
    };
    let closed = || {
        FallbackLayer::fail_closed().endpoint("/api/flags".parse().unwrap(), |config| {
            config.fail_open(|_| Response::new("{}"))
        })
    };
    assert_eq!(status_of(open(), "/api/permissions/1").await, 503);
    assert_eq!(status_of(open(), "/api/users/1").await, 200);
    assert_eq!(status_of(closed(), "/api/flags").await, 200);
    assert_eq!(status_of(closed(), "/api/permissions/1").await, 503);
}
