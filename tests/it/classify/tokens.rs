//! The session's status beside the token cache: which of the two is outside decides what a rejected token means.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Request, header::AUTHORIZATION};
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    ErrorClassifyLayer, Stack, TokenCacheLayer,
    classify::AuthStatus::*,
    error::{TokenError, TokenErrorKind, find},
    token_cache::{Token, TokenRequest},
};

use crate::support::{
    probe::{Body, Probe},
    scripted::{get, response, scripted},
};

/// Accepts the second token and those after it.
fn api() -> Probe {
    scripted(|request: &Request<Body>| match request.headers().get(AUTHORIZATION) {
        Some(token) if token == "Bearer token-0" => response(401, &[]),
        Some(_) => response(200, &[]),
        None => response(400, &[]),
    })
}

fn tokens() -> TokenCacheLayer {
    let made = Arc::new(AtomicUsize::new(0));
    let source = service_fn(move |_: TokenRequest| {
        let number = made.fetch_add(1, SeqCst);
        async move { Token::bearer(format!("token-{number}")) }
    });
    TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap())
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_a_sign_out_only_where_the_token_cache_is_outside() {
    for (around_the_tokens, expected) in [(true, 0), (false, 1)] {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let classify = ErrorClassifyLayer::new().on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            async {}
        });
        let status = classify.status();
        let response = if around_the_tokens {
            classify.layer(tokens().layer(api())).oneshot(get("/users/1")).await
        } else {
            tokens().layer(classify.layer(api())).oneshot(get("/users/1")).await
        };
        assert_eq!(response.unwrap().status(), 200);
        settle().await;
        assert_eq!((runs.load(SeqCst), status.get()), (expected, Active));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_had_counts_as_its_cause_does() {
    for (failure, expected) in [
        (TokenErrorKind::RateLimited, Degraded),
        (TokenErrorKind::Unavailable, Degraded),
        (TokenErrorKind::Timeout, Degraded),
        (TokenErrorKind::Malformed, Degraded),
        (TokenErrorKind::Rejected, Unknown),
    ] {
        let source =
            service_fn(
                move |_: TokenRequest| async move { Err::<Token, _>(TokenError::new(failure)) },
            );
        let tokens =
            TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap());
        let classify = ErrorClassifyLayer::new();
        let mut client = classify.layer(tokens.layer(api()));
        let error = client.ready().await.unwrap().call(get("/users/1")).await.unwrap_err();
        assert!(error.is::<tower_heed::Error>(), "{error}");
        assert!(find::<TokenError>(error.as_ref()).is_some(), "{error}");
        assert_eq!(classify.status().get(), expected, "{failure:?}");
    }
}

/// Rule 40: nothing but a new sign-in brings a token.
#[tokio::test(start_paused = true)]
async fn rule_40_a_dead_grant_is_a_sign_out_and_another_rejection_is_not() {
    for (is_final, runs_expected, expected) in [(true, 1, Unauthenticated), (false, 0, Active)] {
        let is_dead = Arc::new(AtomicBool::new(false));
        let source = {
            let is_dead = Arc::clone(&is_dead);
            service_fn(move |_: TokenRequest| {
                let is_dead = is_dead.load(SeqCst);
                async move {
                    let error =
                        TokenError::new(TokenErrorKind::Rejected).with_code("invalid_grant");
                    match is_dead {
                        false => Ok(Token::bearer("token-1")?.expires_in(Duration::from_secs(60))),
                        true if is_final => Err(error.into_final()),
                        true => Err(error),
                    }
                }
            })
        };
        let cache =
            TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap());
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let classify = ErrorClassifyLayer::new().on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            async {}
        });
        let (status, handle) = (classify.status(), cache.handle());
        let client = classify.layer(cache.layer(api()));
        assert_eq!(client.clone().oneshot(get("/users/1")).await.unwrap().status(), 200);
        assert!(!handle.snapshot()[0].is_rejected());
        is_dead.store(true, SeqCst);
        advance(Duration::from_secs(120)).await;
        for _ in 0..300 {
            client.clone().oneshot(get("/users/1")).await.unwrap_err();
            settle().await;
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!((runs.load(SeqCst), status.get()), (runs_expected, expected));
        assert_eq!(handle.snapshot()[0].is_rejected(), is_final);
        // Signed in again.
        is_dead.store(false, SeqCst);
        advance(Duration::from_secs(600)).await;
        assert_eq!(client.clone().oneshot(get("/users/1")).await.unwrap().status(), 200);
        assert_eq!(status.get(), Active);
    }
}

/// Rules 38 and 39: one endpoint rejects every token, and another accepts it, by turns; then the token is revoked.
#[tokio::test(start_paused = true)]
async fn rule_39_an_endpoint_that_rejects_every_token_signs_out_once() {
    let revoked = Arc::new(AtomicUsize::new(0));
    let api = {
        let revoked = Arc::clone(&revoked);
        scripted(move |request: &Request<Body>| {
            let token = request.headers()[AUTHORIZATION].to_str().unwrap();
            let number: usize = token.trim_start_matches("Bearer token-").parse().unwrap();
            let is_good = number >= revoked.load(SeqCst) && request.uri().path() != "/deployments";
            response(if is_good { 200 } else { 401 }, &[])
        })
    };
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let classify = ErrorClassifyLayer::new().on_unauthenticated(move || {
        counted.fetch_add(1, SeqCst);
        async {}
    });
    let client = Stack::new().classify(classify).token_cache(tokens()).service(api);
    let ask = async |path| {
        let status = client.clone().oneshot(get(path)).await.unwrap().status();
        settle().await;
        status
    };
    assert_eq!(ask("/users").await, 200);
    advance(Duration::from_secs(60)).await;
    for _ in 0..50 {
        assert_eq!(ask("/deployments").await, 401);
        assert_eq!(ask("/users").await, 200);
        advance(Duration::from_millis(220)).await;
    }
    assert_eq!(runs.load(SeqCst), 1);
    revoked.store(2, SeqCst);
    assert_eq!(ask("/users").await, 200, "a revocation is mended at once");
}
