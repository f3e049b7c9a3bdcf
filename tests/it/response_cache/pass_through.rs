//! Requests that pass through, and readiness.

use super::*;
use crate::support::probe::{ScriptedResponse, probe};

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_cached_pass_through() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    let requests = [
        get("/groups/1"),
        get("/users/1/roles"),
        of("POST", "/users/1"),
        of("HEAD", "/users/1"),
        with_headers("/users/1", &[("range", "bytes=0-1")]),
        with_headers("/users/1", &[("if-none-match", "\"7\"")]),
        with_headers("/users/1", &[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]),
        with_headers("/users/1", &[("cache-control", "no-store")]),
    ];
    for (index, request) in requests.iter().enumerate() {
        for time in 1..=2 {
            let got = send(&mut client, request.clone()).await.unwrap();
            assert_eq!((got.age, api.requests()), (None, 2 * index + time), "{}", request.uri());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_request_keeps_the_contract_of_readiness() {
    let (probe, watch) = probe(2);
    let layer = layer();
    let mut client = layer.layer(probe);
    // A miss calls the ready instance.
    client.ready().await.unwrap();
    assert_eq!(watch.permits(), 1);
    client.call(get("/users/1")).await.unwrap();
    assert_eq!((watch.unready_calls(), watch.permits(), watch.attempts()), (0, 2, 1));
    // A hit releases it with its permit.
    client.ready().await.unwrap();
    client.call(get("/users/1")).await.unwrap();
    assert_eq!((watch.permits(), watch.attempts()), (2, 1));
    // So does a call that joins a fetch.
    watch.push(ScriptedResponse::never());
    let mut leader = client.clone();
    let call = leader.ready().await.unwrap().call(get("/users/2"));
    let mut follower = client.clone();
    let waiting = follower.ready().await.unwrap().call(get("/users/2"));
    assert_eq!((watch.permits(), watch.in_flight()), (1, 1));
    drop((call, waiting));
    assert_eq!(watch.unready_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_sends_its_request_awaits_readiness() {
    let (probe, watch) = probe(3);
    let mut client = layer().layer(probe);
    watch.respond(200, &[("cache-control", "no-store")]);
    let mut other = client.clone();
    let leader = client.ready().await.unwrap().call(get("/users/1"));
    let follower = other.ready().await.unwrap().call(get("/users/1"));
    assert_eq!(leader.await.unwrap().status(), 200);
    assert_eq!(follower.await.unwrap().status(), 200);
    assert_eq!((watch.attempts(), watch.unready_calls(), watch.permits()), (2, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn clones_and_services_of_one_layer_share_a_store() {
    let api = Api::new();
    let layer = layer();
    text(&mut client(&layer, &api), "/users/1").await;
    text(&mut client(&layer.clone(), &api).clone(), "/users/1").await;
    assert_eq!(api.requests(), 1);
    text(&mut client(&super::layer(), &api), "/users/1").await;
    assert_eq!(api.requests(), 2, "another layer has another store");
}

#[test]
fn requests_pass_through_outside_of_a_runtime() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    for requests in 1..=2 {
        let mut call = tokio_test::task::spawn(client.call(get("/users/1")));
        assert!(call.poll().is_ready());
        assert_eq!(api.requests(), requests);
    }
}
