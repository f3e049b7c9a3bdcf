//! `RefreshToken`, against a provider that revokes the whole family when a refresh token is used twice.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fake_idp::{Fault, Flavour, Idp};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{task::JoinSet, time::timeout};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, TokenCacheLayer,
    error::{TokenError, TokenErrorKind},
    oauth::{ClientCredentials, RefreshToken},
    token_cache::{FetchReason, Token, TokenKey, TokenRequest},
};

use crate::{
    support::log::Log,
    token_cache::support::{Api, SECOND, no_token, status},
};

const ENDPOINT: &str = "POST /oauth2/v1/token";

async fn idp() -> Idp {
    Idp::builder().flavour(Flavour::Okta).client("app", "hush-secret").start().await
}

fn source(idp: &Idp, refresh_token: &str) -> RefreshToken {
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let client = ClientCredentials::new(http, &idp.token_url(), "app", "hush-secret").unwrap();
    RefreshToken::new(client, refresh_token).unwrap()
}

fn request() -> TokenRequest {
    TokenRequest::new(TokenKey::new(), FetchReason::Missing)
}

async fn ask(source: &RefreshToken) -> Result<Token, TokenError> {
    source.clone().oneshot(request()).await
}

#[tokio::test]
async fn rule_49_each_exchange_uses_the_refresh_token_of_the_last_one() {
    let idp = idp().await;
    let source = source(&idp, &idp.sign_in());
    for _ in 0..5 {
        ask(&source).await.unwrap();
    }
    assert_eq!((idp.seen().tokens_granted, idp.revoked_families()), (5, 0));
}

/// 200 callers, a slow issuer, time limits that pass, callers that are dropped at all times: the family lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_49_the_family_is_never_revoked_by_our_own_doing() {
    let idp = Arc::new(idp().await);
    idp.always(ENDPOINT, Fault::Late(Duration::from_millis(60)));
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let client = ClientCredentials::new(http, &idp.token_url(), "app", "hush-secret")
        .unwrap()
        .timeout(Duration::from_millis(40));
    let source = RefreshToken::new(client, idp.sign_in()).unwrap();
    let mut callers = JoinSet::new();
    for caller in 0..200_u64 {
        let source = source.clone();
        callers.spawn(async move {
            let mut obtained = 0;
            for round in 0..5_u64 {
                let patience = Duration::from_millis((caller * 7 + round * 13) % 90);
                let scopes = if caller % 3 == 0 { "okta.users.read" } else { "" };
                let key = TokenKey::new().with_scopes(scopes);
                let wanted = TokenRequest::new(key, FetchReason::Missing);
                let call = source.clone().oneshot(wanted);
                match timeout(patience, call).await {
                    Ok(Ok(_)) => obtained += 1,
                    Ok(Err(error)) => assert_eq!(error.kind(), TokenErrorKind::Timeout, "{error}"),
                    Err(_) => {}
                }
            }
            obtained
        });
    }
    let obtained: usize = callers.join_all().await.into_iter().sum();
    assert!(obtained > 0, "some callers were served");
    idp.heal();
    // What came late is kept: nothing is lost, and the next one is accepted.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..3 {
        ask(&source).await.unwrap();
    }
    assert_eq!(idp.revoked_families(), 0);
    assert!(idp.seen().requests_to(ENDPOINT) < 200, "{}", idp.seen().requests_to(ENDPOINT));
}

#[tokio::test]
async fn rule_45_a_response_that_comes_late_is_kept_for_the_next_caller() {
    let idp = idp().await;
    idp.script(ENDPOINT, [Fault::Late(Duration::from_millis(150))]);
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let client = ClientCredentials::new(http, &idp.token_url(), "app", "hush-secret")
        .unwrap()
        .timeout(Duration::from_millis(20));
    let source = RefreshToken::new(client, idp.sign_in()).unwrap();
    assert_eq!(ask(&source).await.unwrap_err().kind(), TokenErrorKind::Timeout);
    // Dropped at once.
    drop(source.clone().call(request()));
    assert_eq!(ask(&source).await.unwrap_err().kind(), TokenErrorKind::Timeout);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let late = ask(&source).await.unwrap();
    assert_eq!(idp.seen().requests_to(ENDPOINT), 1, "one exchange");
    assert_eq!(late.header_value(), &format!("Bearer {}", idp.issued()[0].text));
    assert!(format!("{late:?}").contains("Lasts(3599."), "{late:?}");
    // It is given out once.
    ask(&source).await.unwrap();
    assert_eq!((idp.seen().tokens_granted, idp.revoked_families()), (2, 0));
}

#[tokio::test]
async fn rule_49_a_new_refresh_token_is_saved_before_it_is_used() {
    let idp = Arc::new(idp().await);
    let first = idp.sign_in();
    let saved = Arc::new(Mutex::new(vec![first.clone()]));
    let broken = Arc::new(AtomicBool::new(false));
    let source = source(&idp, &first).on_rotation({
        let (saved, broken) = (Arc::clone(&saved), Arc::clone(&broken));
        move |response| {
            let (saved, broken) = (Arc::clone(&saved), Arc::clone(&broken));
            async move {
                if broken.load(Ordering::Relaxed) {
                    return Err(format!("cannot save {}", response.refresh_token().unwrap()).into());
                }
                saved.lock().unwrap().push(response.refresh_token().unwrap().to_owned());
                Ok(())
            }
        }
    });
    let used = || -> Vec<String> {
        let field = |body: &[u8]| {
            let mut fields = form_urlencoded::parse(body).into_owned();
            fields.find(|(name, _)| name == "refresh_token").unwrap().1
        };
        idp.seen().requests.iter().map(|request| field(&request.body)).collect()
    };
    for _ in 0..3 {
        ask(&source).await.unwrap();
    }
    assert_eq!(saved.lock().unwrap()[..3], used()[..]);

    // It cannot be saved: the access token is good, but nothing more is exchanged.
    broken.store(true, Ordering::Relaxed);
    ask(&source).await.unwrap();
    for _ in 0..2 {
        let error = ask(&source).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Unavailable);
        assert!(error.to_string().ends_with("the refresh token cannot be saved"), "{error}");
    }
    assert_eq!(used().len(), 4);
    broken.store(false, Ordering::Relaxed);
    ask(&source).await.unwrap();
    assert_eq!(saved.lock().unwrap()[..5], used()[..]);
    assert_eq!(idp.revoked_families(), 0);
}

/// The refresh token is used up by a response that is of no other use.
#[tokio::test]
async fn rule_49_a_malformed_access_token_does_not_cost_the_next_refresh_token() {
    for rest in [
        r#""access_token":"at""#,
        r#""access_token":"at","token_type":"Bearer","expires_in":0"#,
        r#""access_token":"a t","token_type":"Bearer""#,
        r#""access_token":7,"token_type":"Bearer""#,
        r#""token_type":"Bearer""#,
    ] {
        let used = Arc::new(Mutex::new(Vec::new()));
        let http = service_fn({
            let used = Arc::clone(&used);
            move |request: Request<Full<Bytes>>| {
                let used = Arc::clone(&used);
                async move {
                    let form = request.into_body().collect().await?.to_bytes();
                    let mut fields = form_urlencoded::parse(&form).into_owned();
                    let sent = fields.find(|(name, _)| name == "refresh_token").unwrap().1;
                    used.lock().unwrap().push(sent.clone());
                    let rest = match sent.as_str() {
                        "first" => rest,
                        _ => r#""access_token":"at","token_type":"Bearer","expires_in":60"#,
                    };
                    let body = format!(r#"{{{rest},"refresh_token":"{sent}x"}}"#);
                    Ok::<_, BoxError>(Response::new(Full::<Bytes>::from(body)))
                }
            }
        });
        let saved = Arc::new(Mutex::new(Vec::new()));
        let client = ClientCredentials::new(http, "https://id.example/token", "app", "hush");
        let source = RefreshToken::new(client.unwrap(), "first").unwrap().on_rotation({
            let saved = Arc::clone(&saved);
            move |response| {
                saved.lock().unwrap().push(response.refresh_token().unwrap().to_owned());
                async { Ok(()) }
            }
        });
        assert_eq!(ask(&source).await.unwrap_err().kind(), TokenErrorKind::Malformed, "{rest}");
        assert_eq!(*saved.lock().unwrap(), ["firstx"], "{rest}");
        ask(&source).await.unwrap();
        assert_eq!(*used.lock().unwrap(), ["first", "firstx"], "{rest}");
        assert_eq!(*saved.lock().unwrap(), ["firstx", "firstxx"], "{rest}");
    }
}

#[tokio::test]
async fn rule_49_a_hook_that_panics_loses_neither_the_refresh_token_nor_the_token() {
    let idp = idp().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let source = source(&idp, &idp.sign_in()).on_rotation({
        let calls = Arc::clone(&calls);
        move |_| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(call != 0, "the hook's own panic");
                Ok(())
            }
        }
    });
    assert_eq!(ask(&source).await.unwrap_err().kind(), TokenErrorKind::Unavailable);
    ask(&source).await.unwrap();
    assert_eq!(idp.seen().tokens_granted, 1, "the token of the first exchange");
    ask(&source).await.unwrap();
    assert_eq!((idp.seen().tokens_granted, idp.revoked_families()), (2, 0));
}

#[tokio::test]
async fn rule_40_a_dead_family_is_final_until_the_user_signs_in_again() {
    let idp = idp().await;
    let source = source(&idp, &idp.sign_in());
    ask(&source).await.unwrap();
    // A failure of the issuer says nothing about the refresh token.
    for status in [500, 503, 429] {
        idp.script(ENDPOINT, [Fault::Status(status)]);
        assert!(!ask(&source).await.unwrap_err().is_final(), "{status}");
    }
    idp.rotate_secret("another");
    let error = ask(&source).await.unwrap_err();
    assert_eq!((error.code(), error.is_final()), (Some("invalid_client"), false));
    idp.rotate_secret("hush-secret");
    ask(&source).await.unwrap();

    idp.sign_out();
    let asked = idp.seen().requests_to(ENDPOINT);
    for _ in 0..5 {
        let error = ask(&source).await.unwrap_err();
        assert_eq!((error.code(), error.is_final()), (Some("invalid_grant"), true));
        assert_eq!(error.kind(), TokenErrorKind::Rejected);
    }
    assert_eq!(idp.seen().requests_to(ENDPOINT), asked + 1, "asked once");

    let error = ask(&source).await.unwrap_err();
    assert!(source.replace("broken\n").is_err() && error.is_final());
    source.replace(idp.sign_in()).unwrap();
    assert!(error.is_outdated() && !error.is_final());
    ask(&source).await.unwrap();
}

#[tokio::test]
async fn rule_40_behind_the_cache_a_cooldown_ends_when_the_user_signs_in_again() {
    let idp = idp().await;
    let source = source(&idp, &idp.sign_in());
    idp.sign_out();
    let kept = source.clone();
    let client = TokenCacheLayer::new(source).allow_any_https_origin().layer(Api::default());
    for _ in 0..3 {
        assert!(no_token(&client).await.is_final());
    }
    kept.replace(idp.sign_in()).unwrap();
    assert_eq!(status(&client).await, 200);
}

#[tokio::test]
async fn rule_48_a_token_that_was_rejected_is_not_given_again() {
    let idp = idp().await;
    idp.script(ENDPOINT, [Fault::Late(Duration::from_millis(50))]);
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let client = ClientCredentials::new(http, &idp.token_url(), "app", "hush-secret")
        .unwrap()
        .timeout(Duration::from_millis(10));
    let source = RefreshToken::new(client, idp.sign_in()).unwrap();
    ask(&source).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let late = Token::bearer(&idp.issued()[0].text).unwrap();
    let rejected = TokenRequest::new(TokenKey::new(), FetchReason::Rejected)
        .with_rejected(late.clone(), &http::HeaderMap::new());
    let source = source.clone();
    let next = timeout(SECOND, async {
        loop {
            match source.clone().oneshot(rejected.clone()).await {
                Ok(token) => break token,
                Err(error) => assert_eq!(error.kind(), TokenErrorKind::Timeout),
            }
        }
    });
    assert_ne!(next.await.unwrap(), late);
}

#[tokio::test]
async fn rule_28_no_refresh_token_is_shown() {
    let (mut log, _recording) = Log::record();
    let idp = idp().await;
    let first = idp.sign_in();
    let source = source(&idp, &first)
        .on_rotation(|response| async move { Err(response.refresh_token().unwrap().into()) });
    log.note(&source);
    log.note(&ask(&source).await);
    log.error(&ask(&source).await.unwrap_err());
    let error = RefreshToken::new(
        ClientCredentials::new(
            Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>(),
            &idp.token_url(),
            "app",
            "x",
        )
        .unwrap(),
        format!("{first}\n"),
    );
    log.error(&error.unwrap_err());
    let text = log.text();
    assert!(text.contains("cannot be saved"), "{text}");
    assert!(!text.contains("rt_"), "{text}");
}
