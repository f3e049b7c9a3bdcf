//! One fetch at a time, whatever happens to its waiters or to its runtime.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use http::Request;
use tokio::{
    runtime,
    sync::watch,
    time::{Instant, advance, sleep, timeout},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};
use tower_heed::{
    BoxError, TimeoutLayer, TokenCacheLayer,
    error::{Phase, TokenErrorKind},
    extensions::Deadline,
    token_cache::{FetchReason, Token, TokenCache, TokenRequest},
};

use crate::token_cache::support::{
    Api, Body, HOUR, SECOND, Source, With, cached, call, get, layer, no_token, settle, status,
    timed, token_error,
};

const CALLERS: usize = 10_000;

#[tokio::test(start_paused = true)]
async fn rule_10_ten_thousand_callers_on_a_cold_cache_share_one_fetch() {
    let (client, api, source) = cached();
    source.gives(SECOND, With::Lifetime(HOUR));
    let calls: Vec<_> = (0..CALLERS)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { status(&client).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!((source.calls(), api.seen()), (1, CALLERS));
}

#[tokio::test(start_paused = true)]
async fn rule_10_a_fetch_that_fails_fails_for_all_waiters_and_is_made_once() {
    let (client, api, source) = cached();
    source.gives(SECOND, With::Error(tower_heed::error::TokenError::new(TokenErrorKind::Rejected)));
    let start = Instant::now();
    let calls: Vec<_> = (0..CALLERS)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { no_token(&client).await })
        })
        .collect();
    let mut errors = BTreeSet::new();
    for call in calls {
        let error = call.await.unwrap();
        assert_eq!(error.kind(), TokenErrorKind::Rejected);
        assert!(error.retry_after().unwrap() >= 5 * SECOND);
        errors.insert(format!("{error:?}"));
    }
    assert_eq!(errors.len(), 1, "all got the same: {errors:?}");
    assert_eq!(Instant::now() - start, SECOND, "they did not try one after the other");
    assert_eq!((source.calls(), api.seen()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn rule_11_the_fetch_goes_on_without_the_caller_that_began_it() {
    // Dropped after each number of polls that it takes, and before the first.
    for polls in 0..6 {
        let (client, _, source) = cached();
        source.gives(2 * SECOND, With::Lifetime(HOUR));
        let mut leader = tokio_test::task::spawn(client.clone().oneshot(get("/")));
        for _ in 0..polls {
            assert!(leader.poll().is_pending());
            settle().await;
        }
        let follower = tokio::spawn({
            let client = client.clone();
            async move { status(&client).await }
        });
        settle().await;
        drop(leader);
        assert_eq!(follower.await.unwrap(), 200, "after {polls} polls");
        assert_eq!(source.calls(), 1, "after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_11_a_token_that_arrives_without_a_waiter_is_kept() {
    let (client, _, source) = cached();
    source.gives(2 * SECOND, With::Lifetime(HOUR));
    timeout(SECOND, status(&client)).await.unwrap_err();
    sleep(2 * SECOND).await;
    let (status, took) = timed(status(&client)).await;
    assert_eq!((status, took, source.calls()), (200, Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn rule_12_a_fetch_has_its_own_time_limit() {
    let (client, _, source) = cached();
    source.gives(Duration::ZERO, With::Nothing);
    let (error, took) = timed(no_token(&client)).await;
    assert_eq!((error.kind(), took), (TokenErrorKind::Timeout, 10 * SECOND));
    sleep(10 * SECOND).await;
    assert_eq!(status(&client).await, 200, "and the next one may begin after its cooldown");
}

#[tokio::test(start_paused = true)]
async fn rule_12_a_caller_waits_no_longer_than_its_deadline_and_no_longer_than_allowed() {
    let (source, api) = (Source::default(), Api::default());
    let layer = layer(&source).fetch_timeout(60 * SECOND);
    let client = layer.layer(api);
    source.gives(20 * SECOND, With::Lifetime(HOUR));

    let hurried = {
        let mut request = get("/");
        request.extensions_mut().insert(Deadline::at(Instant::now() + 3 * SECOND));
        timed(client.clone().oneshot(request))
    };
    let (error, took) = hurried.await;
    let error = token_error(&error.unwrap_err());
    assert_eq!((error.kind(), took), (TokenErrorKind::Timeout, 3 * SECOND));
    assert_eq!(error.retry_after(), None);

    let (error, took) = timed(no_token(&client)).await;
    assert_eq!((error.kind(), took), (TokenErrorKind::Timeout, 15 * SECOND));

    assert_eq!(status(&client).await, 200);
    assert_eq!(source.calls(), 1, "the fetch went on without them");
}

/// What the first token took is not there for the next: the call waits for fifteen seconds in all.
#[tokio::test(start_paused = true)]
async fn rule_12_a_call_that_waits_twice_waits_no_longer_than_one_that_waits_once() {
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source).fetch_timeout(60 * SECOND).layer(api.clone());
    api.accept(&["token-2"]).delay(30 * SECOND);
    source.gives(9 * SECOND, With::Lifetime(HOUR)).gives(9 * SECOND, With::Lifetime(HOUR));
    let (code, took) = timed(status(&client)).await;
    assert_eq!((code, took), (401, (9 + 30 + 6) * SECOND), "its 401, after 6 s more");
    sleep(3 * SECOND).await;
    assert_eq!((status(&client).await, source.calls()), (200, 2), "the fetch went on without it");
}

#[tokio::test(start_paused = true)]
async fn rule_12_a_call_that_waits_twice_waits_no_longer_when_the_replay_is_left_to_retry() {
    let (source, api) = (Source::default(), Api::default());
    let layer = layer(&source).fetch_timeout(60 * SECOND).leave_replay_to_retry();
    let client = layer.layer(api.clone());
    api.accept(&["token-2"]).delay(30 * SECOND);
    source.gives(9 * SECOND, With::Lifetime(HOUR)).gives(9 * SECOND, With::Lifetime(HOUR));
    let (code, took) = timed(status(&client)).await;
    assert_eq!((code, took), (401, (9 + 30 + 6) * SECOND), "its 401, after 6 s more");
}

#[tokio::test(start_paused = true)]
async fn rule_13_a_panic_in_the_source_is_an_outcome() {
    let (client, _, source) = cached();
    source.gives(SECOND, With::Panic);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { no_token(&client).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().kind(), TokenErrorKind::Unavailable);
    }
    assert_eq!(source.calls(), 1);
    sleep(SECOND).await;
    assert_eq!(status(&client).await, 200);
}

#[tokio::test(start_paused = true)]
async fn rule_13_a_panic_in_the_sources_call_and_clone_are_outcomes() {
    struct Explosive;
    impl Clone for Explosive {
        fn clone(&self) -> Self {
            panic!("the source's own panic")
        }
    }
    let explosive = Explosive;
    let source = service_fn(move |_: TokenRequest| {
        let _kept = &explosive;
        async { Token::bearer("never") }
    });
    let client = TokenCacheLayer::new(source).allow_any_https_origin().layer(Api::default());
    assert_eq!(no_token(&client).await.kind(), TokenErrorKind::Unavailable);
    assert!(no_token(&client).await.retry_after().is_some(), "in cooldown");

    let source = service_fn(|_: TokenRequest| -> std::future::Ready<Result<Token, BoxError>> {
        panic!("the source's own panic")
    });
    let client = TokenCacheLayer::new(source).allow_any_https_origin().layer(Api::default());
    assert_eq!(no_token(&client).await.kind(), TokenErrorKind::Unavailable);
}

/// One runtime begins a fetch and shuts down; a caller on another still gets a token.
#[test]
fn rule_13_a_runtime_that_shuts_down_leaves_no_caller_waiting() {
    let (client, _, source) = {
        let source = Source::default();
        let api = Api::default();
        let layer = TokenCacheLayer::new(source.clone()).allow_any_https_origin();
        (layer.layer(api.clone()), api, source)
    };
    source.gives(Duration::ZERO, With::Nothing);
    let build = || runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let dying = build();
    dying.block_on(async {
        tokio::spawn({
            let client = client.clone();
            async move { status(&client).await }
        });
        while source.calls() == 0 {
            tokio::task::yield_now().await;
        }
    });

    let (send, receive) = mpsc::channel();
    let waiting = thread::spawn({
        let client = client.clone();
        move || {
            build().block_on(async {
                let mut call = Box::pin(status(&client));
                assert!(futures_poll(&mut call).await.is_none());
                send.send(()).unwrap();
                call.await
            })
        }
    });
    receive.recv().unwrap();
    drop(dying);
    assert_eq!(waiting.join().unwrap(), 200);
    assert_eq!(source.reasons(), [FetchReason::Missing; 2]);
}

/// One runtime begins a fetch and is then not driven, as by a worker that drives it only while it has something to do. The fetch
/// neither goes on nor ends by its time limit there, and a caller on another runtime must not wait for it endlessly.
#[test]
fn rule_13_a_runtime_that_is_not_driven_leaves_no_caller_waiting() {
    let (source, api) = (Source::default(), Api::default());
    let client = TokenCacheLayer::new(source.clone())
        .allow_any_https_origin()
        .fetch_timeout(Duration::from_millis(50))
        .max_wait(Duration::from_millis(100))
        .layer(api.clone());
    let build = || runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let idle = build();
    idle.block_on(async {
        let mut call = Box::pin(status(&client));
        assert!(futures_poll(&mut call).await.is_none());
    });
    assert_eq!(source.calls(), 0);

    let driven = build();
    thread::sleep(Duration::from_millis(110));
    assert_eq!(driven.block_on(status(&client)), 200);
    assert_eq!((source.calls(), api.tokens()), (1, vec!["token-1".to_owned()]));

    // The first fetch was abandoned, and does not call the source any more.
    idle.block_on(settle());
    assert_eq!(source.calls(), 1);
    assert_eq!(driven.block_on(status(&client)), 200);
    assert_eq!(api.tokens(), ["token-1", "token-1"]);
}

/// A fetch that was abandoned has called its source, and gets its response long after another has ended: the later one stays.
#[test]
fn rule_13_a_fetch_that_ends_late_does_not_replace_a_newer_token() {
    let (release, released) = watch::channel(false);
    let calls = Arc::new(AtomicUsize::new(0));
    let source = service_fn({
        let calls = Arc::clone(&calls);
        move |_: TokenRequest| {
            let number = calls.fetch_add(1, Ordering::SeqCst) + 1;
            let mut released = released.clone();
            async move {
                if number == 1 {
                    released.wait_for(|released| *released).await?;
                }
                Ok::<_, BoxError>(Token::bearer(format!("token-{number}"))?.expires_in(HOUR))
            }
        }
    });
    let api = Api::default();
    let client = TokenCacheLayer::new(source)
        .allow_any_https_origin()
        .fetch_timeout(Duration::from_millis(50))
        .layer(api.clone());
    let build = || runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let idle = build();
    idle.block_on(async {
        let mut call = Box::pin(status(&client));
        while calls.load(Ordering::SeqCst) == 0 {
            assert!(futures_poll(&mut call).await.is_none());
            tokio::task::yield_now().await;
        }
    });
    thread::sleep(Duration::from_millis(110));
    let driven = build();
    assert_eq!(driven.block_on(status(&client)), 200);
    release.send(true).unwrap();
    idle.block_on(settle());
    assert_eq!(driven.block_on(status(&client)), 200);
    assert_eq!(api.tokens(), ["token-2", "token-2"]);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_layer_is_built_and_a_refresh_is_skipped_without_a_runtime() {
    let (source, api) = (Source::default(), Api::default());
    let layer = layer(&source);
    let mut client = layer.layer(api);
    let waiting = client.call(get("/"));
    let error = tokio_test::block_on(async { waiting.await.map(|_| ()) });
    assert!(error.is_ok(), "polled within a runtime it works: {error:?}");
}

type Shared<S> = tower::limit::ConcurrencyLimit<S>;

/// The API and the token endpoint are one HTTP client thavailableles one request at a time.
#[tokio::test(start_paused = true)]
async fn rule_14_a_concurrency_limit_of_one_shared_by_api_and_token_client_does_not_deadlock() {
    let api = Api::default();
    let http: Shared<Api> = ConcurrencyLimitLayer::new(1).layer(api.clone());
    let source = {
        let http = http.clone();
        service_fn(move |_: TokenRequest| {
            let http = http.clone();
            async move {
                let request = Request::post("https://id.example/oauth/token").body(Body::default());
                http.oneshot(request?).await?;
                Ok::<_, BoxError>(Token::bearer("from-the-same-client")?.expires_in(HOUR))
            }
        })
    };
    let client = ServiceBuilder::new()
        .layer(TokenCacheLayer::new(source).allow_any_https_origin())
        .service(http);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut client: TokenCache<Shared<Api>> = client.clone();
            tokio::spawn(async move {
                // The one permit is taken with readiness, before the call.
                client.ready().await.unwrap().call(get("/users")).await.unwrap().status().as_u16()
            })
        })
        .collect();
    for call in calls {
        let status = timeout(60 * SECOND, call).await.expect("deadlock").unwrap();
        assert_eq!(status, 200);
    }
    // The token request, then the calls.
    assert_eq!(api.seen(), 21);

    // The same when the token is rejected.
    api.respond(401, &[]);
    let response = timeout(60 * SECOND, client.clone().oneshot(get("/users"))).await;
    assert_eq!(response.expect("deadlock").unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn rule_14_a_call_that_fails_at_once_gives_its_readiness_back() {
    let source = Source::default();
    source.fails(TokenErrorKind::Rejected);
    let http = ConcurrencyLimitLayer::new(1).layer(Api::default());
    let mut client = layer(&source).layer(http.clone());
    for _ in 0..3 {
        client.ready().await.unwrap().call(get("/")).await.unwrap_err();
        let mut other = http.clone();
        timeout(SECOND, other.ready()).await.expect("the permit is held").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_service_is_not_ready_for_long_gets_a_token_that_is_good_then() {
    let (source, api) = (Source::default(), Api::default());
    let http = ConcurrencyLimitLayer::new(1).layer(api.clone());
    let client = layer(&source).layer(http.clone());
    source.gives(SECOND, With::Lifetime(60 * SECOND));

    let call = tokio::spawn(client.clone().oneshot(get("/")));
    settle().await;
    let mut holder = http.clone();
    holder.ready().await.unwrap();
    sleep(SECOND).await;
    settle().await;
    advance(70 * SECOND).await;
    settle().await;
    assert_eq!(api.seen(), 0);
    drop(holder);
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
    assert_eq!(api.tokens(), ["token-2"], "the first one ended while the service was not ready");
}

#[tokio::test(start_paused = true)]
async fn one_stalled_fetch_is_not_joined_after_its_end() {
    let (client, _, source) = cached();
    source.gives(Duration::ZERO, With::Nothing);
    assert_eq!(no_token(&client).await.kind(), TokenErrorKind::Timeout);
    // For as long again a token that comes late is waited for.
    sleep(10 * SECOND).await;
    assert!(call(&client).await.is_ok());
    assert_eq!(source.calls(), 2);
}

/// The time limit outside is the one that reports, and it says that the call was held back.
#[tokio::test(start_paused = true)]
async fn a_time_limit_outside_ends_the_wait_as_its_own() {
    let source = Source::default();
    source.gives(Duration::ZERO, With::Nothing);
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(3 * SECOND))
        .layer(layer(&source))
        .service(Api::default());
    let (error, took) = timed(client.oneshot(get("/"))).await;
    let error = error.map(|_| ()).unwrap_err();
    let (limit, phase) = crate::support::error::timeout(error.as_ref());
    assert_eq!((phase, limit, took), (Phase::Waiting, 3 * SECOND, 3 * SECOND));
}
