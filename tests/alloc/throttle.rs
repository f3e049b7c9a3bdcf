//! `ThrottleLayer`.

use http::{HeaderName, HeaderValue, Request, Response};
use tower::Layer;
use tower_heed::ThrottleLayer;

use crate::{api, counted};

type Fields = &'static [(&'static str, &'static str)];

fn request() -> Request<()> {
    Request::get("https://id.example/users/1").body(()).unwrap()
}

/// What the layer adds to the allocations of a call with a turn available, once its key is known.
fn allocations(fields: Fields) -> u64 {
    let mut bare = api(move |_: Request<()>| {
        let mut response = Response::new(());
        for (name, value) in fields {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    });
    let mut client = ThrottleLayer::new().layer(bare.clone());
    for _ in 0..20 {
        counted(&mut client, request());
    }
    let inner = counted(&mut bare, request()).count_total;
    counted(&mut client, request()).count_total - inner
}

#[test]
fn a_call_with_a_permit_allocates_nothing() {
    assert_eq!(allocations(&[]), 0);
    assert_eq!(allocations(&[("content-type", "application/json")]), 0);
    let counted = &[
        ("x-ratelimit-limit", "1000000"),
        ("x-ratelimit-remaining", "900000"),
        ("x-ratelimit-reset", "3600"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    assert_eq!(allocations(counted), 0);
}
