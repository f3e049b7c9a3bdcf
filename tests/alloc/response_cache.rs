//! `ResponseCacheLayer`: no allocation for requests that pass through, and a true count of the stored bytes.

use std::{convert::Infallible, time::Duration};

use allocation_counter::measure;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use http_body_util::{Empty, Full};
use tower::{Layer, Service, ServiceExt};
use tower_heed::ResponseCacheLayer;

use crate::{api, counted};

type NoBody = Empty<Bytes>;

/// A server that responds with a body of this length, a slice of a longer buffer, and this many more fields than usual.
fn server(
    bytes: usize,
    fields: usize,
) -> impl Service<Request<NoBody>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send {
    api(move |_: Request<NoBody>| {
        if bytes == 0 {
            return Response::new(Full::default());
        }
        let buffer = Bytes::from(vec![b'x'; bytes + 8192]);
        let mut response = Response::new(Full::from(buffer.slice(..bytes)));
        let etag = Bytes::from(vec![b'x'; 8192]).slice(..16);
        let etag = HeaderValue::from_maybe_shared(etag).unwrap();
        response.headers_mut().insert("etag", etag);
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        for field in 0..fields {
            let name = HeaderName::try_from(format!("x-a-field-of-this-server-{field}")).unwrap();
            response.headers_mut().insert(name, HeaderValue::from_static("some text"));
        }
        response
    })
}

fn layer(max_bytes: u64) -> ResponseCacheLayer {
    ResponseCacheLayer::with_max_bytes(max_bytes)
        .unwrap()
        .endpoint("/users/{id}".parse().unwrap(), |config| config.ttl(Duration::from_secs(3600)))
}

#[test]
fn a_request_that_passes_through_allocates_nothing() {
    let mut client = layer(1 << 20).layer(server(0, 0));
    for (method, uri) in [
        ("GET", "https://id.example/groups/1"),
        ("POST", "https://id.example/oauth/token"),
        ("PATCH", "https://id.example/users/1"),
        ("HEAD", "https://id.example/users/1"),
    ] {
        let request = || {
            let mut request = Request::new(NoBody::new());
            *request.method_mut() = method.parse().unwrap();
            *request.uri_mut() = Uri::from_static(uri);
            request
        };
        counted(&mut client, request());
        assert_eq!(counted(&mut client, request()).count_total, 0, "{method} {uri}");
    }
}

/// For the response's header map and the digits of `Age`.
#[tokio::test]
async fn a_hit_allocates_no_more_than_five_times() {
    let mut client = layer(1 << 20).layer(server(1_000, 0));
    let request = || {
        let mut request = Request::get("https://id.example/users/1").body(NoBody::new()).unwrap();
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        request
    };
    for _ in 0..100 {
        client.ready().await.unwrap().call(request()).await.unwrap();
    }
    let count = counted(&mut client, request()).count_total;
    assert!(count <= 5, "{count} allocations");
}

/// A response is stored without the buffers that it was a slice of.
#[test]
fn the_counted_bytes_are_the_allocated_bytes() {
    for (profiles, body, fields) in [(4_000, 200, 0), (1_000, 3_000, 0), (1_000, 200, 40)] {
        let mut stored = None;
        let measured = measure(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let layer = layer(64 << 20);
            let mut client = layer.layer(server(body, fields));
            runtime.unwrap().block_on(async {
                // Copying a stored response may change its representation.
                for user in (0..profiles).chain(0..profiles) {
                    let uri = format!("https://id.example/users/{user}");
                    let request = Request::get(uri).body(NoBody::new()).unwrap();
                    client.ready().await.unwrap().call(request).await.unwrap();
                }
            });
            stored = Some(layer);
        });
        let seen = stored.as_ref().unwrap().handle().snapshot();
        assert_eq!(seen.entries(), profiles);
        // The invalidation counters, and what an empty cache takes.
        let taken = u64::try_from(measured.bytes_current).unwrap() - (600 << 10);
        assert!(taken <= seen.bytes(), "{taken} taken, {} counted", seen.bytes());
        assert!(seen.bytes() <= 2 * taken, "{taken} taken, {} counted", seen.bytes());
    }
}
