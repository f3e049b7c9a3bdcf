//! The tools for the tests of one's own stack do what they say.

use std::{io, time::Duration};

use http::StatusCode;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceExt};
use tower_heed::{
    classify::{Classification, ErrorClass},
    error::find,
    test_util::{ManualClock, ScriptedError, ScriptedResponse},
};

use crate::support::{
    probe::{Probe, ProbeError},
    scripted::get,
};

#[tokio::test(start_paused = true)]
async fn responses_come_in_order_and_then_the_others() {
    let api = Probe::new()
        .otherwise(|request| ScriptedResponse::status(418).body(request.uri().path().to_owned()));
    let script = api.handle();
    script.respond(429, &[("retry-after", "3")]);
    script.push(ScriptedResponse::error(io::Error::from(io::ErrorKind::ConnectionRefused)));

    let rejected = api.clone().oneshot(get("/a")).await.unwrap();
    assert_eq!(
        (rejected.status(), &rejected.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"3".parse().unwrap())
    );
    let error = api.clone().oneshot(get("/b")).await.unwrap_err();
    assert!(find::<io::Error>(&error).is_some());
    let class = Classification::of_error(&error).map(|found| found.class());
    assert_eq!(class, Some(ErrorClass::Connect));
    assert_eq!(api.oneshot(get("/c")).await.unwrap().status(), StatusCode::IM_A_TEAPOT);

    assert_eq!(script.attempts(), 3);
    let paths: Vec<_> = script.take_requests().iter().map(|r| r.uri().path().to_owned()).collect();
    assert_eq!((paths, script.attempts()), (vec!["/a".into(), "/b".into(), "/c".into()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_response_comes_when_it_is_due_and_one_that_never_comes_is_given_back_when_dropped() {
    let api = Probe::new();
    let script = api.handle();
    script.push(ScriptedResponse::default().after(Duration::from_secs(5)));
    let start = Instant::now();
    api.clone().oneshot(get("/")).await.unwrap();
    assert_eq!(Instant::now() - start, Duration::from_secs(5));

    script.push(ScriptedResponse::never());
    let mut hanging = task::spawn(api.clone().oneshot(get("/")));
    assert_pending!(hanging.poll());
    assert_eq!(script.in_flight(), 1);
    drop(hanging);
    assert_eq!(script.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_limit_rejects_what_is_beyond_it_until_its_window_ends() {
    let api = Probe::new().rate_limit(2, Duration::from_millis(2500));
    let script = api.handle();
    script.push(ScriptedResponse::status(201));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let response = api.clone().oneshot(get("/")).await.unwrap();
        let field = |name| {
            response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        seen.push((
            response.status().as_u16(),
            field("x-ratelimit-remaining"),
            field("retry-after"),
        ));
        assert_eq!(
            (field("x-ratelimit-limit"), field("x-ratelimit-reset")),
            ("2".into(), "3".into())
        );
    }
    assert_eq!(
        seen,
        [
            (201, "1".into(), String::new()),
            (200, "0".into(), String::new()),
            (429, "0".into(), "3".into())
        ]
    );
    tokio::time::advance(Duration::from_millis(2499)).await;
    assert_eq!(api.clone().oneshot(get("/")).await.unwrap().status(), 429);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(api.oneshot(get("/")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn permits_are_waited_for_and_broken_readiness_reaches_who_waits() {
    let api = Probe::new().permits(1);
    let script = api.handle();
    let (mut first, mut second) = (task::spawn(api.clone()), task::spawn(api));
    assert_ready!(first.enter(|cx, mut service| service.poll_ready(cx))).unwrap();
    assert_pending!(second.enter(|cx, mut service| service.poll_ready(cx)));
    drop(first);
    assert!(second.is_woken());

    script.break_readiness(ProbeError("for good"));
    let error: ScriptedError =
        assert_ready!(second.enter(|cx, mut service| service.poll_ready(cx))).unwrap_err();
    assert_eq!(find(&error), Some(&ProbeError("for good")));
}

#[tokio::test]
#[should_panic(expected = "called an instance that was not made ready")]
async fn a_scripted_service_that_was_not_made_ready_panics() {
    let mut ready = Probe::new();
    ready.ready().await.unwrap();
    drop(ready.clone().call(get("/")));
}

#[tokio::test]
#[should_panic(expected = "called an instance that was not made ready")]
async fn a_readiness_is_good_for_one_call() {
    let mut service = Probe::new();
    service.ready().await.unwrap();
    service.call(get("/")).await.unwrap();
    drop(service.call(get("/")));
}

#[tokio::test(start_paused = true)]
async fn a_manual_clock_follows_tokio_and_can_be_set() {
    let start = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let wall = ManualClock::starting_at(start);
    let clock = wall.clock();
    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(clock.system_time(), start + Duration::from_secs(7));
    wall.skip(Duration::from_secs(3600));
    assert_eq!(clock.system_time(), start + Duration::from_secs(3607));
    wall.set(start);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(clock.system_time(), start + Duration::from_secs(1));
}

/// What a program's own test looks like: its function that builds the client, with a scripted service in the place of hyper's.
#[cfg(feature = "client-credentials")]
mod a_programs_own_stack {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response, StatusCode, header::AUTHORIZATION};
    use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
    use tokio::time::{Instant, advance};
    use tower::{ServiceExt, util::BoxCloneService};
    use tower_heed::{
        BoxError, Stack, TokenCacheLayer,
        error::find,
        oauth::ClientCredentials,
        retry::{RetryOutcome, Stopped},
        test_util::{ScriptedHandle, ScriptedResponse, ScriptedService},
    };

    use crate::support::{probe::Body, scripted::get};

    const TOKEN: &str = "/oauth/token";

    // === the program ===

    type Client =
        BoxCloneService<Request<Body>, Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;

    /// What the program calls with hyper-util's client, and its tests with a scripted one.
    fn identity(http: ScriptedService<Body>) -> Client {
        let source = ClientCredentials::auth0(http.clone(), "id.example", "me", "secret").unwrap();
        let token =
            TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap());
        let client = Stack::new().token_cache(token).service(http);
        let client = client.map_response(|response| response.map(BodyExt::boxed_unsync));
        BoxCloneService::new(client)
    }

    // === its tests ===

    /// Gives tokens of an hour, `t1`, `t2` ..., and responses every call that carries one.
    fn api() -> ScriptedService<Body> {
        let mut tokens = 0;
        ScriptedService::new().otherwise(move |request: &Request<Body>| {
            match request.uri().path() {
                TOKEN => {
                    tokens += 1;
                    ScriptedResponse::status(200).header("content-type", "application/json").body(format!(
                        r#"{{"access_token":"t{tokens}","token_type":"Bearer","expires_in":3600}}"#
                    ))
                }
                _ if request.headers().contains_key(AUTHORIZATION) => {
                    ScriptedResponse::status(200).body("{}")
                }
                _ => ScriptedResponse::status(401),
            }
        })
    }

    /// The paths that were asked for since the last time, with the tokens.
    fn asked(script: &ScriptedHandle<Body>) -> Vec<(String, String)> {
        let tell = |request: Request<Body>| {
            let token = request.headers().get(AUTHORIZATION);
            let token = token.map_or("", |token| token.to_str().unwrap());
            (request.uri().path().to_owned(), token.to_owned())
        };
        script.take_requests().into_iter().map(tell).collect()
    }

    fn at(path: &str, token: &str) -> (String, String) {
        (path.to_owned(), token.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn one_token_for_all_calls_until_it_is_refreshed_in_time() {
        let api = api();
        let script = api.handle();
        let client = identity(api);
        for _ in 0..3 {
            client.clone().oneshot(get("/users/1")).await.unwrap();
        }
        let users = at("/users/1", "Bearer t1");
        assert_eq!(asked(&script), [at(TOKEN, ""), users.clone(), users.clone(), users]);

        advance(Duration::from_secs(3600)).await;
        client.oneshot(get("/users/1")).await.unwrap();
        assert_eq!(asked(&script), [at(TOKEN, ""), at("/users/1", "Bearer t2")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_is_waited_out_and_a_revoked_token_is_replaced() {
        let api = api();
        let script = api.handle();
        let client = identity(api);
        client.clone().oneshot(get("/users/1")).await.unwrap();
        drop(asked(&script));

        script.respond(429, &[("retry-after", "5")]);
        script.respond(401, &[("www-authenticate", r#"Bearer error="invalid_token""#)]);
        let start = Instant::now();
        let response = client.oneshot(get("/users/1")).await.unwrap();
        assert!(Instant::now() - start >= Duration::from_secs(5));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{}");
        let old = at("/users/1", "Bearer t1");
        let new = at("/users/1", "Bearer t2");
        assert_eq!(asked(&script), [old.clone(), old, at(TOKEN, ""), new]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_is_not_sent_twice_and_a_server_that_hangs_blocks_no_caller() {
        let api = api();
        let script = api.handle();
        let client = identity(api);
        client.clone().oneshot(get("/users/1")).await.unwrap();
        drop(asked(&script));

        let order = || Request::post("https://id.example/orders").body(Body::from("{}")).unwrap();
        script.push(ScriptedResponse::status(502));
        let response = client.clone().oneshot(order()).await.unwrap();
        assert_eq!((response.status(), script.attempts()), (StatusCode::BAD_GATEWAY, 1));
        let outcome = response.extensions().get::<RetryOutcome>().unwrap();
        assert_eq!(outcome.stopped(), Stopped::NotRepeatable);

        script.push(ScriptedResponse::never());
        let error = client.oneshot(order()).await.unwrap_err();
        let error = find::<tower_heed::Error>(error.as_ref()).unwrap();
        assert!(matches!(error.kind(), tower_heed::ErrorKind::Timeout { .. }), "{error}");
        assert_eq!((script.attempts(), script.in_flight()), (2, 0));
    }
}
