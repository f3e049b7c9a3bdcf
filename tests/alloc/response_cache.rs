//! `ResponseCacheLayer`: nothing for what passes, and no more than it says for what is kept.

use std::{convert::Infallible, time::Duration};

use allocation_counter::measure;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_heed::ResponseCacheLayer;

use crate::{api, counted};

/// Answers with a body of so many bytes, out of a buffer that is longer, and so many fields more than usual.
fn answers(
    bytes: usize,
    fields: usize,
) -> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send {
    api(move |_: Request<()>| {
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
fn what_passes_costs_no_allocation_a_write_to_what_may_be_kept_included() {
    let mut client = layer(1 << 20).layer(answers(0, 0));
    for (method, uri) in [
        ("GET", "https://id.example/groups/1"),
        ("POST", "https://id.example/oauth/token"),
        ("PATCH", "https://id.example/users/1"),
        ("HEAD", "https://id.example/users/1"),
    ] {
        let request = || {
            let mut request = Request::new(());
            *request.method_mut() = method.parse().unwrap();
            *request.uri_mut() = Uri::from_static(uri);
            request
        };
        counted(&mut client, request());
        assert_eq!(counted(&mut client, request()).count_total, 0, "{method} {uri}");
    }
}

/// The response's header map and the `Age` in digits.
#[tokio::test]
async fn a_hit_allocates_no_more_than_five_times() {
    let mut client = layer(1 << 20).layer(answers(1_000, 0));
    let request = || {
        let mut request = Request::get("https://id.example/users/1").body(()).unwrap();
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        request
    };
    for _ in 0..100 {
        client.ready().await.unwrap().call(request()).await.unwrap();
    }
    let count = counted(&mut client, request()).count_total;
    assert!(count <= 5, "{count} allocations");
}

/// What the books say is what the memory says: a response is kept without the buffers that it was a piece of.
#[test]
fn the_books_count_what_is_allocated() {
    for (profiles, body, fields) in [(4_000, 200, 0), (1_000, 3_000, 0), (1_000, 200, 40)] {
        let mut kept = None;
        let measured = measure(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let layer = layer(64 << 20);
            let mut client = layer.layer(answers(body, fields));
            runtime.unwrap().block_on(async {
                // A copy of what is kept may have it put into another form.
                for user in (0..profiles).chain(0..profiles) {
                    let uri = format!("https://id.example/users/{user}");
                    let request = Request::get(uri).body(()).unwrap();
                    client.ready().await.unwrap().call(request).await.unwrap();
                }
            });
            kept = Some(layer);
        });
        let seen = kept.as_ref().unwrap().handle().snapshot();
        assert_eq!(seen.entries(), profiles);
        // The counts of what was invalidated, and what the cache takes when it is empty.
        let taken = u64::try_from(measured.bytes_current).unwrap() - (600 << 10);
        assert!(taken <= seen.bytes(), "{taken} taken, {} in the books", seen.bytes());
        assert!(seen.bytes() <= 2 * taken, "{taken} taken, {} in the books", seen.bytes());
    }
}
