//! What `ResponseCacheLayer` allocates, counted: nothing for what passes, and no more than it says for what is kept.

#![cfg(feature = "response-cache")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test's helpers fail as a test does")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_heed::ResponseCacheLayer;

/// Answers with a body of so many bytes, out of a buffer that is longer.
#[derive(Clone)]
struct Api(usize);

impl Service<Request<()>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        if self.0 == 0 {
            return ready(Ok(Response::new(Full::default())));
        }
        let buffer = Bytes::from(vec![b'x'; self.0 + 8192]);
        let mut response = Response::new(Full::from(buffer.slice(..self.0)));
        let etag = Bytes::from(vec![b'x'; 8192]).slice(..16);
        let etag = HeaderValue::from_maybe_shared(etag).unwrap();
        response.headers_mut().insert("etag", etag);
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        ready(Ok(response))
    }
}

fn layer(max_bytes: u64) -> ResponseCacheLayer {
    ResponseCacheLayer::with_max_bytes(max_bytes)
        .unwrap()
        .endpoint("/users/{id}", |config| config.ttl(Duration::from_secs(3600)))
        .unwrap()
}

#[test]
fn what_passes_costs_no_allocation_a_write_to_what_may_be_kept_included() {
    let mut client = layer(1 << 20).layer(Api(0));
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
        let mut send = |request| {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Service::<Request<()>>::poll_ready(&mut client, &mut cx).is_ready());
            let call = pin!(client.call(request));
            assert!(call.poll(&mut cx).is_ready());
        };
        send(request());
        let request = request();
        assert_eq!(measure(|| send(request)).count_total, 0, "{method} {uri}");
    }
}

/// The response's header map and the `Age` in digits.
#[tokio::test]
async fn a_hit_allocates_no_more_than_five_times() {
    let mut client = layer(1 << 20).layer(Api(1_000));
    let request = || {
        let mut request = Request::get("https://id.example/users/1").body(()).unwrap();
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        request
    };
    for _ in 0..100 {
        client.ready().await.unwrap().call(request()).await.unwrap();
    }
    let request = request();
    let counted = measure(|| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Service::<Request<()>>::poll_ready(&mut client, &mut cx).is_ready());
        let call = pin!(client.call(request));
        assert!(call.poll(&mut cx).is_ready());
    });
    assert!(counted.count_total <= 5, "{} allocations", counted.count_total);
}

/// What the books say is what the memory says: a response is kept without the buffers that it was a piece of.
#[test]
fn the_books_count_what_is_allocated() {
    for (profiles, body) in [(4_000, 200), (1_000, 3_000)] {
        let mut kept = None;
        let measured = measure(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let layer = layer(64 << 20);
            let mut client = layer.layer(Api(body));
            runtime.unwrap().block_on(async {
                for user in 0..profiles {
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
