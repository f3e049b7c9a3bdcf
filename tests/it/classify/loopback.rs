//! The layer around hyper-util's client, against a real server with a provider's headers and bodies.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use fake_idp::{Idp, Limit};
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tower_heed::{
    Error, ErrorClassifyLayer, ErrorKind,
    classify::{AuthStatus::*, ErrorClass, Preset},
};

use crate::support::events::Events;

const USER: &str = "GET /api/v2/users/{id}";

fn get_user(idp: &Idp, token: &str) -> Request<Full<Bytes>> {
    let request = Request::get(idp.url("/api/v2/users/1"));
    request.header(AUTHORIZATION, format!("Bearer {token}")).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once_for_fifty_rejected_calls() {
    let idp = Arc::new(Idp::builder().start().await);
    let http = Client::builder(TokioExecutor::new()).build_http();
    let token = Arc::new(Mutex::new(idp.issue_token()));
    let logins = Arc::new(AtomicUsize::new(0));
    let layer = ErrorClassifyLayer::new().classifier(Preset::Auth0);
    let mut status = layer.status();

    let recovering = layer.layer(http.clone());
    let (server, current, counted) = (Arc::clone(&idp), Arc::clone(&token), Arc::clone(&logins));
    let client = layer
        .on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            let fresh = server.issue_token();
            fresh.clone_into(&mut current.lock().unwrap());
            let proof = recovering.clone().oneshot(get_user(&server, &fresh));
            async move { assert_eq!(proof.await.unwrap().status(), 200) }
        })
        .layer(http);

    let call = async |token: String| {
        let response = client.clone().oneshot(get_user(&idp, &token)).await.unwrap();
        response.status().as_u16()
    };
    let held = token.lock().unwrap().clone();
    assert_eq!(call(held.clone()).await, 200);
    assert_eq!(status.get(), Active);

    assert!(idp.revoke(&held));
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let call = client.clone().oneshot(get_user(&idp, &held));
        calls.spawn(async { call.await.unwrap().status().as_u16() });
    }
    assert_eq!(calls.join_all().await, [401; 50]);
    assert_eq!(status.until(|status| status == Active).await, Some(Active));
    let fresh = token.lock().unwrap().clone();
    assert_eq!(call(fresh).await, 200);
    assert_eq!((logins.load(SeqCst), status.get()), (1, Active));
}

#[tokio::test]
async fn a_provider_s_rate_limited_response_is_logged_and_becomes_an_error_with_its_body() {
    let limit = Limit::fixed_window(1, Duration::from_secs(60));
    let idp = Idp::builder().endpoint_limit(USER, limit).start().await;
    let layer = ErrorClassifyLayer::new()
        .error_for_status()
        .endpoint(USER.parse().unwrap(), |config| config.classifier(Preset::Auth0));
    let client = layer.layer(Client::builder(TokioExecutor::new()).build_http());
    let token = idp.issue_token();
    client.clone().oneshot(get_user(&idp, &token)).await.unwrap();

    let events = Events::record();
    let error = client.oneshot(get_user(&idp, &token)).await.unwrap_err();
    let error = error.downcast_ref::<Error>().unwrap();
    assert_eq!(error.class(), Some(ErrorClass::RateLimited));
    let response = error.response().unwrap();
    assert_eq!(response.status(), 429);
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["errorCode"], "too_many_requests");
    assert!(matches!(error.kind(), ErrorKind::Response { is_body_complete: true, .. }));
    let wait = error.retry_after().unwrap();
    assert!(wait <= Duration::from_secs(60), "{wait:?}");

    let [event] = &events.named("rate limited")[..] else { panic!("{}", events.text()) };
    assert_eq!(event.field("endpoint"), Some(USER));
    assert_eq!((event.field("limit"), event.field("remaining")), (Some("1"), Some("0")));
    let reset: u64 = event.field("reset_ms").unwrap().parse().unwrap();
    assert!(reset <= 60_000, "{reset}");
    assert!(!events.text().contains(&token));
    assert_eq!(layer.status().get(), Degraded);
}
