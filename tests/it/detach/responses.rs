//! Which requests are detached, the 202 they get, and which pass through.

use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower::Layer;
use tower_heed::{DetachLayer, detach::Detached};

use super::{event, reporting, send, settle};
use crate::support::probe::{Body, ScriptedResponse, probe};

#[tokio::test(start_paused = true)]
async fn a_named_endpoint_gets_a_202_before_its_request_is_sent() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let mut client = layer.layer(probe);
    watch.push(ScriptedResponse::never());
    let response = send(&mut client, event("login")).await.unwrap();
    assert_eq!((response.status().as_u16(), watch.attempts()), (202, 0));
    assert_eq!(response.extensions().get(), Some(&Detached));
    assert!(response.headers().is_empty());
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0));
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());

    settle().await;
    assert_eq!((watch.attempts(), watch.in_flight()), (1, 1));
    assert!(reported.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_request_is_sent_unchanged() {
    let (probe, watch) = probe(4);
    let mut client = reporting().0.layer(probe);
    let mut request = event("login");
    *request.uri_mut() = "https://id.example/events/login?at=7".parse().unwrap();
    request.headers_mut().insert("x-kept", "as it was".parse().unwrap());
    request.extensions_mut().insert(7_u8);
    send(&mut client, request).await.unwrap();
    settle().await;
    let sent = watch.take_requests().pop().unwrap();
    assert_eq!(sent.method(), Method::POST);
    assert_eq!(sent.uri(), "https://id.example/events/login?at=7");
    assert_eq!(sent.headers()["x-kept"], "as it was");
    assert_eq!(sent.extensions().get(), Some(&7_u8));
    assert_eq!(sent.into_body().collect().await.unwrap().to_bytes(), "sent");
}

#[tokio::test(start_paused = true)]
async fn other_requests_pass_through_with_their_own_responses() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let layer = layer.endpoint("POST /events/audit".parse().unwrap(), |config| config.attached());
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    for (method, path) in [
        ("GET", "/events/login"),
        ("POST", "/events"),
        ("POST", "/users"),
        ("POST", "/events/audit"),
    ] {
        let response = Response::builder().status(503).header("x-own", "yes");
        watch.push(ScriptedResponse::from(response.body(Body::from("own")).unwrap()));
        let request = Request::builder().method(method).uri(format!("https://id.example{path}"));
        let response = send(&mut client, request.body(Body::default()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 503, "{method} {path}");
        assert_eq!(response.headers()["x-own"], "yes");
        assert!(response.extensions().is_empty());
        assert_eq!(response.body().size_hint().exact(), Some(3));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "own");
        assert_eq!((watch.take_requests().len(), handle.pending()), (1, 0));
    }
    settle().await;
    assert!(reported.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_layer_without_endpoints_detaches_nothing() {
    let (probe, watch) = probe(4);
    let mut client = DetachLayer::new().layer(probe);
    assert_eq!(send(&mut client, event("login")).await.unwrap().status(), 200);
    assert_eq!(watch.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_of_two_equal_patterns_wins() {
    let (probe, _) = probe(4);
    let layer = reporting().0.endpoint(super::EVENTS.parse().unwrap(), |config| config.attached());
    assert_eq!(send(&mut layer.layer(probe), event("login")).await.unwrap().status(), 200);
}
