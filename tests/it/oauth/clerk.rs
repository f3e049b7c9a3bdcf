//! Clerk's M2M tokens, against the fake provider.

use std::time::Duration;

use bytes::Bytes;
use fake_idp::{Fault, Flavour, Idp};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::ServiceExt;
use tower_heed::{
    error::TokenErrorKind,
    oauth::{ClerkM2m, Credentials},
    token_cache::{FetchReason, Token, TokenKey, TokenRequest},
};

async fn clerk() -> Idp {
    Idp::builder().flavour(Flavour::Clerk).api_key("ak_fake").start().await
}

fn source(idp: &Idp, key: impl TryInto<Credentials, Error: std::fmt::Debug>) -> ClerkM2m {
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let key = key.try_into().unwrap();
    ClerkM2m::with_endpoint(http, &idp.token_url(), key).unwrap()
}

fn request() -> TokenRequest {
    TokenRequest::new(TokenKey::new(), FetchReason::Missing)
}

fn lifetime(token: &Token) -> String {
    format!("{token:?}")
}

#[tokio::test]
async fn a_token_without_expiration_does_not_expire_and_one_with_it_has_its_lifetime() {
    let idp = clerk().await;
    let endless = source(&idp, "ak_fake").oneshot(request()).await.unwrap();
    assert!(lifetime(&endless).contains("Endless"));
    let hour = source(&idp, "ak_fake").expires_in(Duration::from_secs(3600));
    let token = hour.oneshot(request()).await.unwrap();
    assert!(lifetime(&token).contains("Lasts(3600s)"), "{token:?}");
    assert_eq!(idp.seen().tokens_granted, 2);
}

#[tokio::test]
async fn an_error_response_has_clerks_code_and_a_wrong_key_can_be_replaced() {
    let idp = clerk().await;
    let key = Credentials::secret("ak_wrong").unwrap();
    let source = source(&idp, key.clone());
    let error = source.clone().oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Rejected);
    assert_eq!(error.code(), Some("clerk_key_invalid"));
    key.replace("ak_fake").unwrap();
    assert!(error.is_outdated());
    source.clone().oneshot(request()).await.unwrap();

    idp.script("POST /v1/m2m_tokens", [Fault::RateLimited(Duration::from_secs(7))]);
    let error = source.oneshot(request()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(error.code(), Some("too_many_requests"));
}

#[tokio::test]
async fn what_is_no_token_is_malformed() {
    let idp = clerk().await;
    let ended = serde_json::json!({ "token": "mt_1", "expiration": 5, "created_at": 6 });
    let token = {
        idp.script("POST /v1/m2m_tokens", [Fault::json(201, &ended)]);
        source(&idp, "ak_fake").oneshot(request()).await.unwrap()
    };
    assert!(lifetime(&token).contains("Lasts(0ns)"), "the cache rejects it: {token:?}");
    for fault in [Fault::html(), Fault::empty(), Fault::json(201, &serde_json::json!({}))] {
        idp.script("POST /v1/m2m_tokens", [fault]);
        let error = source(&idp, "ak_fake").oneshot(request()).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Malformed);
    }
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let shown = format!("{:?}", ClerkM2m::new(http.clone(), "ak_sesame").unwrap());
    assert!(!shown.contains("sesame"));
    assert!(ClerkM2m::new(http.clone(), "ak\n").is_err());
    assert!(ClerkM2m::with_endpoint(http, "http://api.clerk.com/v1/m2m_tokens", "ak").is_err());
}

/// It was treated as a token that does not expire.
#[tokio::test]
async fn rule_6_an_expiration_that_is_missing_is_unknown_and_never_endless() {
    let idp = clerk().await;
    for (body, expected) in [
        (serde_json::json!({ "token": "mt_1", "created_at": 6 }), Some("Unknown")),
        (
            serde_json::json!({ "token": "mt_1", "expiration": null, "created_at": 6 }),
            Some("Endless"),
        ),
        (serde_json::json!({ "token": "mt_1", "expiration": null }), Some("Endless")),
        (
            serde_json::json!({ "token": "mt_1", "expiration": u64::MAX, "created_at": 0 }),
            Some("Lasts"),
        ),
        (serde_json::json!({ "token": "mt_1", "expiration": 7 }), None),
        (serde_json::json!({ "token": "mt_1", "expiration": "7", "created_at": 6 }), None),
        (serde_json::json!({ "token": "mt_1", "expiration": -7, "created_at": 6 }), None),
        (serde_json::json!(["mt_1", null, 6]), None),
    ] {
        idp.script("POST /v1/m2m_tokens", [Fault::json(201, &body)]);
        match (source(&idp, "ak_fake").oneshot(request()).await, expected) {
            (Ok(token), Some(expected)) => {
                assert!(lifetime(&token).contains(expected), "{body} {token:?}");
            }
            (Err(error), None) => assert_eq!(error.kind(), TokenErrorKind::Malformed, "{body}"),
            (other, _) => panic!("{body}: {other:?}"),
        }
    }
}
