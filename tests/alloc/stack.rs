//! The recommended stack.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::ACCEPT};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{AttemptSpanLayer, BoxError, Stack, TokenCacheLayer, token_cache::StaticToken};

use crate::{api, counted};

type Body = Full<Bytes>;

fn request() -> Request<Body> {
    Request::post(Uri::from_static("https://id.example/users"))
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Full::from(Bytes::from_static(b"{}")))
        .unwrap()
}

/// An API that responds at once.
fn responses()
-> impl Service<Request<Body>, Response = Response<Body>, Error: Into<BoxError>, Future: Send>
+ Clone
+ Send {
    api(|_: Request<Body>| Response::new(Body::default()))
}

/// The allocations of the second call, which nothing stops.
async fn allocations(mut client: impl Service<Request<Body>, Error = BoxError>) -> u64 {
    client.ready().await.unwrap().call(request()).await.map(drop).unwrap();
    counted(&mut client, request()).count_total
}

fn token() -> TokenCacheLayer {
    let token = TokenCacheLayer::new(StaticToken::new("key").unwrap());
    token.allow_origin("https://id.example".parse().unwrap())
}

/// With the feature `metrics` each attempt is measured, and has labels.
const MEASURED: u64 = if cfg!(feature = "metrics") { 1 } else { 0 };

/// The copy of the request's header fields, and nothing else.
#[tokio::test]
async fn a_call_that_nothing_stops_allocates_once() {
    assert_eq!(
        allocations(Stack::new().token_cache(token()).service(responses())).await,
        1 + MEASURED
    );
}

#[tokio::test]
async fn a_span_that_no_subscriber_wants_allocates_nothing() {
    let spans = AttemptSpanLayer::new().endpoint("POST /users".parse().unwrap(), |config| config);
    assert_eq!(allocations(spans.layer(responses())).await, MEASURED);
    assert_eq!(
        allocations(Stack::new().token_cache(token()).attempt_span(spans).service(responses()))
            .await,
        1 + MEASURED
    );
}
