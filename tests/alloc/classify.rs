//! `ErrorClassifyLayer`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use tower::Layer;
use tower_heed::ErrorClassifyLayer;

use crate::{api, counted};

fn request(headers: &HeaderMap) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(Bytes::from_static(b"{}")));
    *request.method_mut() = Method::PATCH;
    *request.uri_mut() = Uri::from_static("/users/1");
    request.headers_mut().clone_from(headers);
    request
}

/// The allocations of the second call with a response of this status.
fn allocations(layer: &ErrorClassifyLayer, status: StatusCode) -> u64 {
    let mut headers = HeaderMap::new();
    for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        headers.insert(name, HeaderValue::from_static("60"));
    }
    // It hands back the header map of the request.
    let mut client = layer.layer(api(move |request: Request<Full<Bytes>>| {
        let (head, body) = request.into_parts();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = head.headers;
        response
    }));
    counted(&mut client, request(&headers));
    counted(&mut client, request(&headers)).count_total
}

#[test]
fn a_success_costs_no_allocation() {
    let layer = ErrorClassifyLayer::new();
    let with_endpoint = layer.clone().endpoint("PATCH /{*path}".parse().unwrap(), |config| config);
    let with_two = with_endpoint.clone().endpoint("/{*path}".parse().unwrap(), |config| config);
    let with_handler = layer.clone().on_unauthenticated(|| async {});
    for layer in [layer.clone(), layer.error_for_status(), with_endpoint, with_two, with_handler] {
        assert_eq!(allocations(&layer, StatusCode::OK), 0);
        assert_eq!(allocations(&layer, StatusCode::NOT_MODIFIED), 0);
    }
}

#[test]
fn a_failure_costs_its_extension_and_nothing_else() {
    // The map, its table, and the box of the one entry.
    assert_eq!(allocations(&ErrorClassifyLayer::new(), StatusCode::NOT_FOUND), 3);
    assert_eq!(allocations(&ErrorClassifyLayer::new(), StatusCode::UNAUTHORIZED), 3);
}
