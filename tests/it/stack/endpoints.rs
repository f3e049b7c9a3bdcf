//! One endpoint of all layers.

use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tower_heed::{
    BoxError, Error, RetryOnRateLimit, Stack, error::find, retry::RetryOutcome,
    test_util::ScriptedResponse,
};

use crate::support::probe::{Body, probe};

async fn send<S>(client: &mut S, request: Request<Body>) -> Result<S::Response, BoxError>
where
    S: Service<Request<Body>, Error = BoxError>,
{
    client.ready().await?.call(request).await
}

fn post(path: &str) -> Request<Body> {
    Request::post(format!("https://id.example{path}")).body(Body::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_set_for_all_layers_at_once() {
    let (probe, watch) = probe(4);
    let mut client = Stack::new()
        .endpoint("POST /events".parse().unwrap(), |endpoint| {
            endpoint.timeout(Duration::from_secs(3)).idempotent().max_retries(1).throttle_exempt()
        })
        .service(probe);

    // What may be sent again after any failure is, and once.
    watch.respond(500, &[]);
    watch.respond(500, &[]);
    let response = send(&mut client, post("/events")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);

    watch.push(ScriptedResponse::never());
    let start = Instant::now();
    let Err(error) = send(&mut client, post("/events")).await else { panic!("a success") };
    assert_eq!(Instant::now() - start, Duration::from_secs(3));
    let elapsed = find::<Error>(error.as_ref()).unwrap();
    assert_eq!(elapsed.endpoint(), Some("POST /events"));

    // Another endpoint has none of it.
    watch.respond(500, &[]);
    let response = send(&mut client, post("/others")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_starts_from_the_layers_whatever_the_order() {
    let endpoint = |stack: Stack| {
        let pattern = "GET /users/1".parse().unwrap();
        stack.endpoint(pattern, |endpoint| endpoint.retry(|config| config.idempotent()))
    };
    let layers = |stack: Stack| stack.retry(RetryOnRateLimit::new().max_retries(2));
    for stack in [layers(endpoint(Stack::new())), endpoint(layers(Stack::new()))] {
        let (probe, watch) = probe(4);
        let mut client = stack.service(probe);
        for _ in 0..9 {
            watch.respond(429, &[("retry-after", "1")]);
        }
        let get = Request::get("https://id.example/users/1").body(Body::default()).unwrap();
        let response = send(&mut client, get).await.unwrap();
        assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_inside_can_be_reached() {
    let (probe, watch) = probe(4);
    let stacks = [
        Stack::new(),
        Stack::new().token_cache(super::tokens()),
        Stack::new()
            .token_cache(super::tokens())
            .fallback(tower_heed::FallbackLayer::fail_closed()),
    ];
    for stack in stacks {
        let mut client = stack.service(probe.clone());
        let _: (&_, &mut _) = (&client.get_ref().clone(), client.get_mut());
        client.into_inner().ready().await.unwrap().call(post("/users")).await.unwrap();
    }
    assert_eq!(watch.attempts(), 3);
}
