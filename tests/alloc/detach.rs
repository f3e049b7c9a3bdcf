//! `DetachLayer`.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::Layer;
use tower_heed::DetachLayer;

use crate::{api, counted};

type Body = Empty<Bytes>;

#[test]
fn a_call_that_passes_through_allocates_nothing() {
    let layer = DetachLayer::new()
        .endpoint("POST /login-events".parse().unwrap(), |config| config)
        .endpoint("POST /users/{id}".parse().unwrap(), |config| config.attached());
    let mut client = layer.layer(api(|_: Request<Body>| Response::new(Body::new())));
    for (method, path) in [("GET", "/login-events"), ("POST", "/other"), ("POST", "/users/1")] {
        let request = Request::builder().method(method).uri(format!("https://id.example{path}"));
        let request = request.body(Body::new()).unwrap();
        assert_eq!(counted(&mut client, request).count_total, 0, "{method} {path}");
    }
}
