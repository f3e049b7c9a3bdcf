//! What a 401 from the API does to the token, and what it does not.

use std::time::Duration;

use http::{HeaderName, Request, header::AUTHORIZATION};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_heed::{
    RetryOnRateLimit,
    body::ReplayableBody,
    error::{TokenError, TokenErrorKind},
    extensions::{Attempt, Deadline, NoRetry, TokenReplaced},
    token_cache::{FetchReason, StaticToken, Token, TokenCacheLayer, TokenKey, TokenScope},
};

use crate::token_cache::support::{
    Api, Body, HOUR, SECOND, Source, With, YOUNG, cached, call, get, layer, settle, status, timed,
};

const EXPIRED: &str = "Bearer error=\"Expired token received for JSON Web Token validation\"";

#[tokio::test(start_paused = true)]
async fn rule_19_a_rejected_token_is_replaced_and_the_request_sent_once_more() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.accept(&["token-2"]);
    let request = Request::post("https://id.example/users?q=1")
        .header("x-request", "7")
        .extension(7_u32)
        .body(Body::from("payload"))
        .unwrap();
    let response = client.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(api.tokens(), ["token-1", "token-1", "token-2"]);
    assert_eq!(source.reasons(), [FetchReason::Missing, FetchReason::Rejected]);
    assert!(response.extensions().get::<TokenReplaced>().is_none(), "never both");
}

#[tokio::test(start_paused = true)]
async fn rule_19_the_copy_is_the_same_request() {
    let source = Source::default();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let inner = {
        let seen = std::sync::Arc::clone(&seen);
        tower::service_fn(move |request: Request<Body>| {
            let mut seen = seen.lock().unwrap();
            let status = if seen.is_empty() { 401 } else { 200 };
            let (parts, body) = request.into_parts();
            let mut headers = parts.headers;
            let token = headers.remove(AUTHORIZATION).unwrap();
            let number = parts.extensions.get::<u32>().copied();
            seen.push((parts.method, parts.uri, parts.version, headers, number, body, token));
            async move { http::Response::builder().status(status).body(()) }
        })
    };
    let request = Request::put("https://id.example/users?q=1")
        .version(http::Version::HTTP_2)
        .header("x-request", "7")
        .header("x-request", "8")
        .extension(7_u32)
        .body(Body::from("payload"))
        .unwrap();
    let response = layer(&source).layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let seen = seen.lock().unwrap();
    let [first, second] = &seen[..] else { panic!("{} attempts", seen.len()) };
    assert_eq!((&first.0, &first.1, first.2), (&second.0, &second.1, second.2));
    assert_eq!((&first.3, first.4), (&second.3, second.4));
    assert_eq!(format!("{:?}", first.5), format!("{:?}", second.5));
    assert_eq!(
        (first.6.to_str().unwrap(), second.6.to_str().unwrap()),
        ("Bearer token-1", "Bearer token-1")
    );
    assert!(first.6.is_sensitive() && second.6.is_sensitive());
}

#[tokio::test(start_paused = true)]
async fn rule_19_the_second_attempt_is_marked_as_one() {
    for (before, sent) in [(None, [None, Some(1)]), (Some(2), [Some(2), Some(3)])] {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let inner = {
            let seen = std::sync::Arc::clone(&seen);
            tower::service_fn(move |request: Request<Body>| {
                let mut seen = seen.lock().unwrap();
                let status = if seen.is_empty() { 401 } else { 200 };
                seen.push(request.extensions().get().copied().map(Attempt::retries));
                async move { http::Response::builder().status(status).body(()) }
            })
        };
        let mut request = get("/");
        if let Some(before) = before {
            request.extensions_mut().insert(Attempt::new(before));
        }
        layer(&Source::default()).layer(inner).oneshot(request).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), sent);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_19_never_with_a_third_token() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.accept(&[]);
    let (status, took) = timed(status(&client)).await;
    assert_eq!((status, took), (401, YOUNG), "the second one is new");
    assert_eq!(api.tokens()[1], "token-1");
    assert_eq!(api.tokens()[2..], ["token-2"; 6]);
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_18_fifty_rejections_at_once_are_one_fetch_and_fifty_replays() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.accept(&["token-2"]).delay(SECOND);
    source.gives(3 * SECOND, With::Lifetime(HOUR));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { status(&client).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!((source.calls(), api.seen()), (2, 1 + 50 + 50));
}

#[tokio::test(start_paused = true)]
async fn rule_18_a_late_401_for_an_older_token_begins_no_fetch() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.accept(&["token-2"]).delay(5 * SECOND);
    let late = tokio::spawn({
        let client = client.clone();
        async move { status(&client).await }
    });
    settle().await;
    api.delay(Duration::ZERO);
    assert_eq!(status(&client).await, 200);
    assert_eq!(source.calls(), 2);
    assert_eq!(late.await.unwrap(), 200, "it is sent again with the token that is there");
    assert_eq!(source.calls(), 2);
    assert_eq!(api.tokens().last().unwrap(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn rule_18_a_rejection_joins_the_fetch_under_way() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    advance(3300 * SECOND).await;
    source.gives(5 * SECOND, With::Lifetime(HOUR));
    api.accept(&["token-2"]);
    // This call begins the refresh as well.
    assert_eq!(status(&client).await, 200);
    assert_eq!(source.reasons(), [FetchReason::Missing, FetchReason::Due]);
}

/// One caller's refresh is in flight, and another's 401 comes meanwhile: it is sent again with what that brings.
#[tokio::test(start_paused = true)]
async fn rule_18_a_rejection_joins_the_refresh_that_another_caller_began() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    advance(3300 * SECOND).await;
    source.gives(5 * SECOND, With::Lifetime(HOUR));
    assert_eq!(status(&client).await, 200);
    settle().await;
    assert_eq!(source.calls(), 2, "in flight");
    advance(SECOND).await;
    api.accept(&["token-2"]);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { timed(status(&client)).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), (200, 4 * SECOND));
    }
    assert_eq!(source.reasons(), [FetchReason::Missing, FetchReason::Due]);
    // It cost nothing of what 401s may cost.
    for number in 3..5 {
        api.accept(&[&format!("token-{number}")]);
        assert_eq!(status(&client).await, 200);
        advance(10 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rule_17_only_a_401_that_rejects_the_token_does() {
    for (response, headers) in [
        (400, &[][..]),
        (403, &[("www-authenticate", "Bearer error=\"invalid_token\"")][..]),
        (407, &[]),
        (422, &[]),
        (429, &[("retry-after", "1")]),
        (500, &[]),
        (503, &[]),
        (401, &[("www-authenticate", "Bearer error=\"insufficient_scope\"")]),
        (401, &[("www-authenticate", "Bearer error=\"invalid_request\"")]),
        (401, &[("www-authenticate", "Bearer error=\"insufficient_user_authentication\"")]),
    ] {
        let (client, api, source) = cached();
        assert_eq!(status(&client).await, 200);
        advance(YOUNG).await;
        api.respond(response, headers);
        assert_eq!(status(&client).await, response);
        assert_eq!((api.seen(), source.calls()), (2, 1), "{response} {headers:?}");
    }
    for headers in [
        &[][..],
        &[("www-authenticate", EXPIRED)],
        &[("www-authenticate", "Bearer")],
        &[("www-authenticate", "Basic realm=\"x\"")],
    ] {
        let (client, api, source) = cached();
        assert_eq!(status(&client).await, 200);
        advance(YOUNG).await;
        api.respond(401, headers);
        assert_eq!(status(&client).await, 200);
        assert_eq!((api.seen(), source.calls()), (3, 2), "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_16_a_callers_own_authorization_is_left_alone() {
    let (client, api, source) = cached();
    api.accept(&[]);
    let mut request = get("/");
    request.headers_mut().insert(AUTHORIZATION, "Basic mine".parse().unwrap());
    assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 401);
    assert_eq!((api.authorizations(), source.calls()), (vec!["Basic mine".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn rule_16_an_authorization_besides_the_tokens_field_gets_the_token_as_well() {
    let field = HeaderName::from_static("x-auth-token");
    let (source, api) = (Source::default(), Api::default());
    let layer = layer(&source);
    let (client, handle) = (layer.layer(api.clone()), layer.handle());
    let token = || Token::bearer("t").unwrap().in_header(field.clone()).expires_in(HOUR);
    source.gives(Duration::ZERO, With::Token(token())).gives(SECOND, With::Token(token()));
    assert_eq!(status(&client).await, 200);
    handle.invalidate(handle.key());
    let both = || {
        let mut request = get("/");
        request.headers_mut().insert(AUTHORIZATION, "Basic mine".parse().unwrap());
        request
    };
    assert_eq!(client.clone().oneshot(both()).await.unwrap().status(), 200);
    assert_eq!((api.authorizations()[1].as_str(), source.calls()), ("Basic mine", 2));
    assert_eq!(api.headers()[1][&field], "t");
}

/// Also the first one of a key: the source has shown by another key's token where it is sent.
#[tokio::test(start_paused = true)]
async fn rule_16_the_first_request_of_a_key_gets_the_token_besides_an_authorization() {
    let field = HeaderName::from_static("x-auth-token");
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source).layer(api.clone());
    let token = || Token::bearer("t").unwrap().in_header(field.clone()).expires_in(HOUR);
    source.gives(Duration::ZERO, With::Token(token())).gives(SECOND, With::Token(token()));
    assert_eq!(status(&client).await, 200);
    let both = |organization: &str| {
        let mut request = get("/");
        request.headers_mut().insert(AUTHORIZATION, "Basic mine".parse().unwrap());
        let key = TokenKey::new().with_organization(organization);
        request.extensions_mut().insert(TokenScope::new(key));
        request
    };
    assert_eq!(client.oneshot(both("new")).await.unwrap().status(), 200);
    assert_eq!((api.authorizations()[1].as_str(), source.calls()), ("Basic mine", 2));
    assert_eq!(api.headers()[1][&field], "t");
    // A fixed one shows it by itself.
    let (api, fixed) = (Api::default(), StaticToken::from(token()));
    let client = TokenCacheLayer::new(fixed).allow_any_https_origin().layer(api.clone());
    assert_eq!(client.oneshot(both("first")).await.unwrap().status(), 200);
    assert_eq!(api.headers()[0][&field], "t");
}

#[tokio::test(start_paused = true)]
async fn rule_20_a_fetch_that_fails_leaves_the_401_and_the_token() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.respond(401, &[("www-authenticate", EXPIRED), ("x-original", "yes")]);
    source.gives(SECOND, With::Error(TokenError::new(TokenErrorKind::RateLimited)));
    let (response, took) = timed(call(&client)).await;
    let response = response.unwrap();
    assert_eq!((response.status().as_u16(), took), (401, SECOND));
    assert_eq!(response.headers()["x-original"], "yes", "the original response");
    assert!(response.extensions().get::<TokenReplaced>().is_none());

    assert_eq!(status(&client).await, 200);
    assert_eq!(api.tokens(), ["token-1"; 3], "the token goes on being served");
    // While in cooldown, a 401 is passed on at once.
    api.respond(401, &[]);
    assert_eq!(timed(status(&client)).await, (401, Duration::ZERO));
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_20_a_fetch_that_outlasts_the_caller_leaves_the_401() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.accept(&["token-2"]);
    source.gives(8 * SECOND, With::Lifetime(HOUR));
    let mut request = get("/");
    request.extensions_mut().insert(Deadline::at(Instant::now() + 2 * SECOND));
    let (response, took) = timed(client.clone().oneshot(request)).await;
    assert_eq!((response.unwrap().status().as_u16(), took), (401, 2 * SECOND));
    sleep(6 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_21_an_api_that_always_responds_401_costs_a_bounded_number_of_tokens() {
    let (client, api, source) = cached();
    api.accept(&[]);
    for _ in 0..10_000 {
        let before = api.seen();
        assert_eq!(status(&client).await, 401);
        assert!(api.seen() - before <= 7, "no request is sent endlessly");
        advance(Duration::from_millis(360)).await;
    }
    assert!(source.calls() <= 20, "{} token calls in an hour", source.calls());
    assert!(source.calls() >= 5, "{}: but a token revoked later is replaced", source.calls());
    let gaps = source.called_at();
    assert!(gaps.windows(2).skip(1).all(|pair| pair[1] - pair[0] >= 10 * SECOND));
}

/// A body that cannot be sent twice.
#[derive(Debug, Default)]
struct Once(Body);

impl ReplayableBody for Once {
    fn try_clone(&self) -> Option<Self> {
        None
    }

    fn is_replayable(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_sent_twice_gets_its_401_at_once_and_the_next_a_new_token() {
    let (source, api) = (Source::default(), Api::default());
    let inner = api.clone().map_request(|request: Request<Once>| request.map(|Once(body)| body));
    let client = layer(&source).layer(inner);
    source.gives(Duration::ZERO, With::Lifetime(HOUR)).gives(3 * SECOND, With::Lifetime(HOUR));
    let request = || get("/").map(Once);
    // A new token is kept: it may not be known yet.
    api.respond(401, &[]);
    assert_eq!(client.clone().oneshot(request()).await.unwrap().status(), 401);
    advance(YOUNG).await;
    assert_eq!(source.calls(), 1);
    api.accept(&["token-2"]);
    let (response, took) = timed(client.clone().oneshot(request())).await;
    assert_eq!((response.unwrap().status().as_u16(), took), (401, Duration::ZERO));
    sleep(4 * SECOND).await;
    assert_eq!(client.oneshot(request()).await.unwrap().status(), 200);
    assert_eq!((api.seen(), source.calls()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_request_marked_no_retry_is_sent_once() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.accept(&["token-2"]);
    let mut request = get("/");
    request.extensions_mut().insert(NoRetry);
    assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 401);
    settle().await;
    assert_eq!((api.seen(), source.calls()), (2, 2), "and the next request has a new token");
}

#[tokio::test(start_paused = true)]
async fn left_to_the_retry_layer_the_401_is_marked_and_not_sent_again() {
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source).leave_replay_to_retry().layer(api.clone());
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.accept(&["token-2"]);
    source.gives(2 * SECOND, With::Lifetime(HOUR));
    let (response, took) = timed(call(&client)).await;
    let response = response.unwrap();
    assert_eq!((response.status().as_u16(), took), (401, 2 * SECOND), "the new token is there");
    assert!(response.extensions().get::<TokenReplaced>().is_some());
    assert_eq!(api.seen(), 2);
    assert_eq!(status(&client).await, 200);

    // Without a new token there is no mark.
    advance(YOUNG).await;
    api.accept(&[]);
    let response = call(&client).await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.extensions().get::<TokenReplaced>().is_none(), "10 s have not passed");
}

#[tokio::test(start_paused = true)]
async fn left_to_the_retry_layer_a_401_for_an_older_token_is_marked_without_a_fetch() {
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source).leave_replay_to_retry().layer(api.clone());
    assert_eq!(status(&client).await, 200);
    advance(YOUNG).await;
    api.accept(&["token-2"]).delay(5 * SECOND);
    let late = tokio::spawn({
        let client = client.clone();
        async move { call(&client).await }
    });
    settle().await;
    api.delay(Duration::ZERO);
    assert_eq!(status(&client).await, 401);
    let late = late.await.unwrap().unwrap();
    assert!(late.extensions().get::<TokenReplaced>().is_some());
    assert_eq!(source.calls(), 2);
}

/// The recommended stack: the retry layer outside holds the copy, the token layer the token.
#[tokio::test(start_paused = true)]
async fn the_retry_layer_outside_tries_once_more_with_the_token_that_replaced_the_old() {
    let (source, api) = (Source::default(), Api::default());
    let client = ServiceBuilder::new()
        .layer(RetryOnRateLimit::new())
        .layer(layer(&source).leave_replay_to_retry())
        .service(api.clone());
    let call = || client.clone().oneshot(get("/users"));
    assert_eq!(call().await.unwrap().status(), 200);
    advance(YOUNG).await;

    api.accept(&["token-2"]);
    let (response, took) = timed(call()).await;
    assert_eq!((response.unwrap().status().as_u16(), took), (200, Duration::ZERO));
    assert_eq!(api.tokens(), ["token-1", "token-1", "token-2"]);

    // Once, also when the next token is rejected as well.
    advance(60 * SECOND).await;
    api.accept(&[]);
    assert_eq!(call().await.unwrap().status(), 401);
    assert_eq!(api.tokens()[3], "token-2");
    assert_eq!(api.tokens()[4..], ["token-3"; 6]);
}

#[tokio::test(start_paused = true)]
async fn rule_25_an_apis_429_that_is_retried_causes_no_token_call() {
    let (source, api) = (Source::default(), Api::default());
    let client = ServiceBuilder::new()
        .layer(RetryOnRateLimit::new())
        .layer(layer(&source).leave_replay_to_retry())
        .service(api.clone());
    for _ in 0..5 {
        api.respond(429, &[("retry-after", "1")]);
    }
    assert_eq!(client.oneshot(get("/users")).await.unwrap().status(), 200);
    assert_eq!((api.seen(), source.calls()), (6, 1));
}

/// Rule 27: the token is attached to each attempt anew, so one after a long wait carries a token that is valid then.
#[tokio::test(start_paused = true)]
async fn rule_27_a_retry_after_a_long_wait_carries_a_token_that_is_valid_then() {
    let (source, api) = (Source::default(), Api::default());
    let client = ServiceBuilder::new()
        .layer(RetryOnRateLimit::new().max_wait(HOUR))
        .layer(layer(&source))
        .service(api.clone());
    source.gives(Duration::ZERO, With::Lifetime(60 * SECOND));
    api.respond(429, &[("retry-after", "600")]);
    assert_eq!(client.oneshot(get("/users")).await.unwrap().status(), 200);
    assert_eq!(api.tokens(), ["token-1", "token-2"]);
}
