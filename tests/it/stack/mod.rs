//! `Stack`: what the layers do together that none does alone.

mod compiles;
mod endpoints;
mod fail_fast;
#[cfg(feature = "hyper")]
mod http1;
#[cfg(feature = "http2")]
mod http2;
mod name;
#[cfg(feature = "http2")]
mod nginx;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::Request;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_heed::{
    BoxError, Error, ErrorClassifyLayer, RetryOnRateLimit, Stack, ThrottleLayer, TimeoutLayer,
    TokenCacheLayer,
    classify::{AuthStatus, ErrorClass},
    error::{Phase, find},
    extensions::NoRetry,
    retry::RetryOutcome,
    token_cache::{Token, TokenRequest},
};

use crate::support::{
    error::timeout,
    probe::{Body, Probe, ScriptedResponse, Watch, probe},
};

const REJECTED: &[(&str, &str)] = &[("www-authenticate", "Bearer error=\"invalid_token\"")];

/// As long a 401 may mean that the API does not know the token yet.
const NEW_TOKEN: Duration = Duration::from_secs(5);

fn get() -> Request<Body> {
    Request::get("https://id.example/users/1").body(Body::default()).unwrap()
}

/// A token layer whose source gives `token-1`, `token-2` ...
fn tokens() -> TokenCacheLayer {
    let count = Arc::new(AtomicU32::new(0));
    let source = service_fn(move |_: TokenRequest| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Token::bearer(format!("token-{number}")) }
    });
    TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap())
}

fn sent_tokens(watch: &Watch) -> Vec<String> {
    let value =
        |request: &Request<Body>| request.headers()["authorization"].to_str().unwrap().to_owned();
    watch.take_requests().iter().map(value).collect()
}

async fn send<S>(client: &mut S) -> Result<S::Response, BoxError>
where
    S: Service<Request<Body>, Error = BoxError>,
{
    client.ready().await?.call(get()).await
}

fn with(
    classify: ErrorClassifyLayer,
    probe: Probe,
) -> impl Service<Request<Body>, Response = http::Response<impl http_body::Body>, Error = BoxError>
{
    Stack::new().classify(classify).token_cache(tokens()).service(probe)
}

#[tokio::test(start_paused = true)]
async fn a_replaced_token_is_no_sign_out() {
    for classify in [ErrorClassifyLayer::new(), ErrorClassifyLayer::new().error_for_status()] {
        let (probe, watch) = probe(4);
        let status = classify.status();
        let handled = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&handled);
        let classify = classify.on_unauthenticated(move || {
            count.fetch_add(1, Ordering::Relaxed);
            async {}
        });
        let mut client = with(classify, probe);
        assert_eq!(send(&mut client).await.unwrap().status(), 200);
        sleep(NEW_TOKEN).await;
        watch.take_requests();
        watch.respond(401, REJECTED);

        let start = Instant::now();
        let response = send(&mut client).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(Instant::now(), start, "a replaced token is not waited for");
        assert_eq!(sent_tokens(&watch), ["Bearer token-1", "Bearer token-2"]);
        assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);
        assert_eq!(status.get(), AuthStatus::Active);
        assert_eq!(handled.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_stays_rejected_is_a_sign_out() {
    let (probe, watch) = probe(4);
    let classify = ErrorClassifyLayer::new().error_for_status();
    let status = classify.status();
    let mut client = with(classify, probe);
    assert_eq!(send(&mut client).await.unwrap().status(), 200);
    sleep(NEW_TOKEN).await;
    watch.take_requests();
    for _ in 0..20 {
        watch.respond(401, REJECTED);
    }

    let Err(error) = send(&mut client).await else { panic!("a success") };
    let error = find::<Error>(error.as_ref()).unwrap();
    assert_eq!(error.class(), Some(ErrorClass::Unauthenticated));
    // The second one is new, and is tried until it is five seconds old.
    let sent = sent_tokens(&watch);
    assert_eq!(
        (sent[0].as_str(), &sent[1..]),
        ("Bearer token-1", &["Bearer token-2"; 6].map(String::from)[..])
    );
    assert_eq!(status.get(), AuthStatus::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_for_another() {
    let (probe, watch) = probe(4);
    let mut client = with(ErrorClassifyLayer::new(), probe);
    watch.push(ScriptedResponse::never());

    let start = Instant::now();
    assert_eq!(send(&mut client).await.unwrap().status(), 200);
    let took = Instant::now() - start;
    assert!(took >= Stack::ATTEMPT_TIMEOUT + Duration::from_millis(200), "{took:?}");
    assert!(took <= Stack::ATTEMPT_TIMEOUT + Duration::from_millis(410), "{took:?}");
    assert_eq!(watch.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_call_takes_longer_than_its_limit() {
    let (probe, watch) = probe(4);
    let mut client = with(ErrorClassifyLayer::new(), probe);
    for _ in 0..9 {
        watch.push(ScriptedResponse::never());
    }
    let start = Instant::now();
    let Err(error) = send(&mut client).await else { panic!("a success") };
    assert_eq!(Instant::now() - start, Stack::CALL_TIMEOUT);
    assert_eq!(timeout(error.as_ref()), (Stack::CALL_TIMEOUT, Phase::Headers));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_pass_the_limit_is_not_begun() {
    let (probe, watch) = probe(4);
    let layer =
        Stack::new().call_timeout(TimeoutLayer::new(Duration::from_secs(5))).token_cache(tokens());
    let mut client = layer.service(probe);
    watch.respond(429, &[("retry-after", "6")]);

    let start = Instant::now();
    let response = send(&mut client).await.unwrap();
    assert_eq!(Instant::now(), start);
    assert_eq!(response.status(), 429);
    let outcome = response.extensions().get::<RetryOutcome>().unwrap();
    assert_eq!(outcome.retry_after(), Some(Duration::from_secs(6)));
}

#[tokio::test(start_paused = true)]
async fn one_rejection_holds_the_other_calls() {
    let (probe, watch) = probe(8);
    let client = Stack::new().service(probe);
    watch.respond(429, &[("retry-after", "5")]);
    let start = Instant::now();
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { send(&mut client).await.map(|response| response.status()) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }
    assert!(Instant::now() - start >= Duration::from_secs(5));
    assert_eq!(watch.attempts(), 7, "more than one was rejected");
}

#[tokio::test(start_paused = true)]
async fn a_replaced_token_is_sent_although_no_retry_is_allowed() {
    let retry = || RetryOnRateLimit::new().max_retries(0);
    let clients: [fn(_, _, Probe) -> _; 3] = [
        |retry, tokens, probe| {
            BoxCloneService::new(
                Stack::new().retry(retry).token_cache(tokens).service(probe).map_response(boxed),
            )
        },
        |retry, tokens: TokenCacheLayer, probe| {
            let client = tokens.leave_replay_to_retry().layer(probe);
            BoxCloneService::new(retry.layer(client).map_response(boxed))
        },
        |retry, tokens, probe| {
            BoxCloneService::new(retry.layer(tokens.layer(probe)).map_response(boxed))
        },
    ];
    for client in clients {
        let (probe, watch) = probe(4);
        let mut client = client(retry(), tokens(), probe);
        assert_eq!(send(&mut client).await.unwrap().status(), 200);
        sleep(NEW_TOKEN).await;
        watch.take_requests();
        watch.respond(401, REJECTED);
        assert_eq!(send(&mut client).await.unwrap().status(), 200);
        assert_eq!(sent_tokens(&watch), ["Bearer token-1", "Bearer token-2"]);
        // Other failures are not retried.
        watch.respond(429, &[]);
        assert_eq!(send(&mut client).await.unwrap().status(), 429);
        // The caller may forbid even this.
        watch.respond(401, REJECTED);
        let mut once = get();
        once.extensions_mut().insert(NoRetry);
        assert_eq!(client.ready().await.unwrap().call(once).await.unwrap().status(), 401);
        assert_eq!(watch.attempts(), 2);
    }
}

/// Hides the type of the body.
fn boxed<B>(response: http::Response<B>) -> http::Response<()> {
    response.map(drop)
}

#[tokio::test(start_paused = true)]
async fn the_throttle_can_be_configured() {
    let (probe, watch) = probe(4);
    let throttle =
        ThrottleLayer::new().endpoint("/{*path}".parse().unwrap(), |config| config.exempt());
    let handle = throttle.handle();
    let retry = RetryOnRateLimit::new().max_retries(0);
    let mut client = Stack::new().retry(retry).throttle(throttle).service(probe);
    watch.respond(429, &[("retry-after", "5")]);
    assert_eq!(send(&mut client).await.unwrap().status(), 429);
    assert_eq!(send(&mut client).await.unwrap().status(), 200);
    assert!(handle.snapshot().is_empty());
}
