//! `FallbackLayer`.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use tower::Layer;
use tower_heed::FallbackLayer;

use crate::{api, counted};

type Body = Full<Bytes>;

fn allocations(layer: &FallbackLayer, uri: Uri) -> u64 {
    let mut client = layer.layer(api(|_: Request<Body>| Response::new(Body::default())));
    let mut request = Request::new(Body::default());
    *request.uri_mut() = uri;
    counted(&mut client, request).count_total
}

#[test]
fn a_success_allocates_nothing() {
    let open = FallbackLayer::fail_open(|_| Response::new("[]"));
    let closed = FallbackLayer::fail_closed();
    let with_endpoint = |layer: FallbackLayer| {
        layer
            .endpoint("/{*path}".parse().unwrap(), |config| config)
            .endpoint("/b".parse().unwrap(), |c| c)
    };
    for layer in [open.clone(), closed.clone(), with_endpoint(open), with_endpoint(closed)] {
        assert_eq!(allocations(&layer, Uri::from_static("https://id.example/users")), 0);
    }
}

#[test]
fn keeping_an_address_allocates_at_most_once() {
    let open = FallbackLayer::fail_open(|_| Response::new("[]"));
    // `http` cuts the parts of a parsed address out of one buffer, which is shared from then on.
    for (uri, most) in [("https://id.example/users/1?a=b", 0), ("/users/1", 1)] {
        assert!(allocations(&open, uri.parse().unwrap()) <= most, "{uri}");
        assert_eq!(allocations(&FallbackLayer::fail_closed(), uri.parse().unwrap()), 0, "{uri}");
    }
}
