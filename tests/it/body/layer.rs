//! `ReplayBodyLayer`: a body in, one that can be sent again out, and nothing else changed.

use axum::body::Body as AxumBody;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_heed::body::{ReplayBody, ReplayBodyLayer, ReplayableBody};
use tower_test::mock;

type Sent = Request<ReplayBody<AxumBody>>;

#[tokio::test]
async fn a_streaming_body_can_be_sent_again() {
    let echo_twice = service_fn(|request: Sent| async move {
        let kept = request.body().try_clone().ok_or("not replayable")?;
        let first = request.into_body().collect().await?.to_bytes();
        let second = kept.rewind().ok_or("not replayable any more")?.collect().await?.to_bytes();
        Ok::<_, BoxError>(Response::new((first, second)))
    });
    let service = ServiceBuilder::new().layer(ReplayBodyLayer::default()).service(echo_twice);
    let request = Request::post("/oauth/token")
        .body(AxumBody::from("grant_type=client_credentials"))
        .unwrap();
    let (first, second) = service.oneshot(request).await.unwrap().into_body();
    assert_eq!(first, "grant_type=client_credentials");
    assert_eq!(second, first);
}

#[tokio::test]
async fn the_cap_is_the_one_that_was_set() {
    let is_replayable = service_fn(|request: Sent| async move {
        Ok::<_, BoxError>(Response::new(request.body().is_replayable()))
    });
    for (layer, len, expected) in [
        (ReplayBodyLayer::new(10), 10, true),
        (ReplayBodyLayer::new(10), 11, false),
        (ReplayBodyLayer::default(), ReplayBodyLayer::DEFAULT_MAX_BYTES, true),
        (ReplayBodyLayer::default(), ReplayBodyLayer::DEFAULT_MAX_BYTES + 1, false),
    ] {
        let request = Request::new(AxumBody::from(vec![0; len]));
        assert_eq!(
            layer.layer(is_replayable).oneshot(request).await.unwrap().into_body(),
            expected,
            "{len}"
        );
    }
}

#[tokio::test]
async fn readiness_and_parts_pass_through() {
    let (mut service, mut handle) =
        mock::spawn_layer::<Sent, Response<()>, _>(ReplayBodyLayer::default());
    handle.allow(0);
    assert_pending!(service.poll_ready::<Request<AxumBody>>());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready::<Request<AxumBody>>());

    let request = Request::get("/me")
        .header("x-kept", "yes")
        .extension(7_u8)
        .body(AxumBody::empty())
        .unwrap();
    let mut response = task::spawn(service.call(request));
    let (sent, respond) = handle.next_request().await.unwrap();
    assert_eq!((sent.uri().path(), &sent.headers()["x-kept"]), ("/me", &"yes".parse().unwrap()));
    assert_eq!(sent.extensions().get::<u8>(), Some(&7));
    respond.send_response(Response::new(()));
    assert_ready_ok!(response.poll());

    handle.send_error("out of order");
    assert_eq!(
        assert_ready_err!(service.poll_ready::<Request<AxumBody>>()).to_string(),
        "out of order"
    );
}
