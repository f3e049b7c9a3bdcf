//! A wait for readiness ends by time, in every layer that makes a clone ready.

use std::{
    future::{self, Future, Ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response};
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep, sleep_until},
};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_heed::{
    AttemptSpanLayer, BoxError, CircuitBreakerLayer, DetachLayer, Error, ErrorClassifyLayer,
    ErrorKind, FallbackLayer, RetryOnRateLimit, Stack, ThrottleLayer, TimeoutLayer,
    TokenCacheLayer,
    classify::ErrorClass,
    detach::Failure,
    error::{Phase, TokenError, find},
    extensions::{Deadline, Degraded},
    token_cache::{Token, TokenRequest},
};

use crate::support::{
    probe::Body,
    scripted::{get, response},
};

const SECOND: Duration = Duration::from_secs(1);

type Respond = fn(&Request<Body>) -> Response<Body>;

/// A service that becomes ready so often, and then never again. Each response takes a second.
#[derive(Clone)]
struct Limited {
    left: Arc<AtomicUsize>,
    respond: Respond,
}

impl Limited {
    fn new(left: usize, respond: Respond) -> Self {
        Self { left: Arc::new(AtomicUsize::new(left)), respond }
    }
}

impl Service<Request<Body>> for Limited {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let take = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Poll::Ready(Ok(())),
            Err(_) => Poll::Pending,
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let response = (self.respond)(&request);
        Box::pin(async move {
            sleep(SECOND).await;
            Ok(response)
        })
    }
}

/// The time until the request failed, and the error.
async fn fails<S, T>(client: &mut S, request: Request<Body>) -> (Duration, BoxError)
where
    S: Service<Request<Body>, Response = T>,
    S::Error: Into<BoxError>,
{
    let start = Instant::now();
    let client = client.ready().await.map_err(Into::into).unwrap();
    let error = client.call(request).await.map(|_| ()).map_err(Into::into).unwrap_err();
    (Instant::now() - start, error)
}

fn kind(error: &BoxError) -> &ErrorKind {
    find::<Error>(&**error).unwrap().kind()
}

fn is_not_sent(error: &BoxError) -> bool {
    matches!(kind(error), ErrorKind::Timeout { phase: Phase::Waiting, .. })
}

/// The class tells a retry and a throttle that nothing was sent.
fn is_unsent(error: &BoxError) -> bool {
    is_not_sent(error) && find::<Error>(&**error).unwrap().class() == Some(ErrorClass::Throttled)
}

fn within(seconds: u32) -> Request<Body> {
    let mut request = get("/users/1");
    request.extensions_mut().insert(Deadline::at(Instant::now() + SECOND * seconds));
    request
}

fn rate_limits(_: &Request<Body>) -> Response<Body> {
    response(429, &[("retry-after", "10")])
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_gives_its_permit_back() {
    for (seconds, max_wait) in [(600, 15), (15, 60)] {
        let layer = ThrottleLayer::new().max_wait(SECOND * max_wait);
        let mut client = layer.layer(Limited::new(2, rate_limits));
        client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
        let (waited, error) = fails(&mut client, within(seconds)).await;
        assert!(matches!(kind(&error), ErrorKind::Throttled { .. }), "{error}");
        // Of a deadline two round trips of a second are reserved for the response.
        assert!(SECOND * 12 <= waited && waited <= SECOND * 15, "{waited:?}");
        // The permit is there for the next.
        let mut other = layer.layer(Limited::new(1, |_| response(200, &[])));
        let start = Instant::now();
        assert_eq!(other.ready().await.unwrap().call(get("/")).await.unwrap().status(), 200);
        assert_eq!(Instant::now() - start, SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_in_a_stack_fails_before_the_limit_of_the_call() {
    let stack = Stack::new()
        .call_timeout(TimeoutLayer::new(SECOND * 60))
        .retry(RetryOnRateLimit::new().max_retries(0))
        .throttle(ThrottleLayer::new().max_wait(SECOND * 15));
    let mut client = stack.service(Limited::new(2, rate_limits));
    client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    let (waited, error) = fails(&mut client, get("/users/1")).await;
    assert_eq!(waited, SECOND * 15);
    assert!(matches!(kind(&error), ErrorKind::Throttled { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_not_sent_after_the_deadline() {
    let mut client = RetryOnRateLimit::new().layer(Limited::new(1, rate_limits));
    let (waited, error) = fails(&mut client, within(40)).await;
    assert!(is_not_sent(&error), "{error}");
    assert_eq!(waited, SECOND * 40);

    let mut client = RetryOnRateLimit::new().layer(Limited::new(1, rate_limits));
    let (waited, error) = fails(&mut client, get("/users/1")).await;
    assert!(is_not_sent(&error), "{error}");
    assert!(SECOND * 101 <= waited && waited <= SECOND * 103, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_call_is_the_one_that_is_reported() {
    let client = RetryOnRateLimit::new().layer(Limited::new(1, rate_limits));
    let mut client = TimeoutLayer::new(SECOND * 40).layer(client);
    let (waited, error) = fails(&mut client, get("/users/1")).await;
    assert_eq!(waited, SECOND * 40);
    let ErrorKind::Timeout { limit, phase: Phase::Waiting, .. } = kind(&error) else {
        panic!("{error}")
    };
    assert_eq!(*limit, SECOND * 40);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_for_its_token_is_not_sent_after_the_deadline() {
    for (seconds, expected) in [(20, 20), (600, 95)] {
        let source = service_fn(|_: TokenRequest| async {
            sleep(SECOND * 5).await;
            Token::bearer("token")
        });
        let layer =
            TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap());
        let mut client = layer.layer(Limited::new(1, |_| response(200, &[])));
        let (waited, error) = fails(&mut client, within(seconds)).await;
        assert!(is_unsent(&error), "{error}");
        assert_eq!(waited, SECOND * expected);
    }
}

/// A service whose first instance is ready at once, and each clone of it some time after it was first asked, or when the server has
/// recovered.
struct Slow {
    takes: Duration,
    recovers: Instant,
    readiness: Option<Pin<Box<Sleep>>>,
}

impl Slow {
    fn new(takes: Duration, recovers: Duration) -> Self {
        let recovers = Instant::now() + recovers;
        Self { takes, recovers, readiness: Some(Box::pin(sleep(Duration::ZERO))) }
    }
}

impl Clone for Slow {
    fn clone(&self) -> Self {
        Self { takes: self.takes, recovers: self.recovers, readiness: None }
    }
}

impl Service<Request<Body>> for Slow {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let ready_at = self.recovers.min(Instant::now() + self.takes);
        self.readiness
            .get_or_insert_with(|| Box::pin(sleep_until(ready_at)))
            .as_mut()
            .poll(cx)
            .map(Ok)
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        future::ready(Ok(response(200, &[])))
    }
}

/// Tokens that take a second.
fn tokens(lifetime: Duration) -> TokenCacheLayer {
    let source = service_fn(move |_: TokenRequest| async move {
        sleep(SECOND).await;
        Ok::<_, TokenError>(Token::bearer("token")?.expires_in(lifetime))
    });
    TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn tokens_that_expire_meanwhile_do_not_lengthen_the_wait() {
    let mut client = tokens(SECOND * 30).layer(Slow::new(SECOND * 40, SECOND * 3600));
    let (waited, error) = fails(&mut client, get("/users/1")).await;
    assert!(is_unsent(&error), "{error}");
    // 90 seconds from the first token on.
    assert_eq!(waited, SECOND * 91);
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_service_was_not_ready_is_sent_again() {
    let http = Slow::new(SECOND * 3600, SECOND * 100);
    let mut client = RetryOnRateLimit::new().layer(tokens(SECOND * 3600).layer(http));
    let mut post = get("/users/1");
    *post.method_mut() = Method::POST;
    let start = Instant::now();
    let response = client.ready().await.unwrap().call(post).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((Instant::now() - start).as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_detached_request_fails_and_makes_room() {
    let (failed, mut failures) = mpsc::unbounded_channel();
    let layer = DetachLayer::new()
        .endpoint("GET /users/{id}".parse().unwrap(), |config| config)
        .on_failure(move |_, failure| failed.send((Instant::now(), failure)).unwrap());
    let mut client = layer.layer(Limited::new(1, |_| response(200, &[])));
    let start = Instant::now();
    let accepted = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!(accepted.status(), 202);
    let (at, failure) = failures.recv().await.unwrap();
    assert_eq!(at - start, SECOND * 90);
    let Failure::Error(error) = failure else { panic!("{failure:?}") };
    assert!(is_unsent(&error), "{error}");
}

#[cfg(feature = "response-cache")]
#[tokio::test(start_paused = true)]
async fn a_call_whose_shared_fetch_is_not_for_it_is_not_sent_after_the_deadline() {
    let layer = tower_heed::ResponseCacheLayer::new()
        .endpoint("/users/{id}".parse().unwrap(), |config| config.ttl(SECOND));
    let not_shared = |_: &Request<Body>| response(200, &[("cache-control", "no-store")]);
    for (seconds, expected) in [(20, 20), (600, 91)] {
        let mut client = layer.layer(Limited::new(2, not_shared));
        let mut other = client.clone();
        let first = other.ready().await.unwrap().call(get("/users/1"));
        let first = tokio::spawn(first);
        let (waited, error) = fails(&mut client, within(seconds)).await;
        assert!(is_unsent(&error), "{error}");
        assert_eq!(waited, SECOND * expected);
        assert_eq!(first.await.unwrap().unwrap().status(), 200);
    }
}

/// A service that is never ready, behind each layer: the limit of the call ends the wait, by an error of the call.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_ends_a_call_by_time_in_every_layer() {
    macro_rules! limited {
        ($layer:expr) => {{
            let never = Limited::new(0, |_| response(200, &[]));
            let service = TimeoutLayer::new(SECOND * 10).layer($layer.layer(never));
            BoxCloneService::<_, _, BoxError>::new(service.map_response(|_| ()))
        }};
    }

    let detach = DetachLayer::new().endpoint("POST /users".parse().unwrap(), |config| config);
    #[cfg_attr(not(feature = "response-cache"), allow(unused_mut, reason = "one more by feature"))]
    let mut layers = vec![
        ("none", limited!(tower::layer::util::Identity::new())),
        ("TimeoutLayer", limited!(TimeoutLayer::new(SECOND * 5))),
        ("RetryOnRateLimit", limited!(RetryOnRateLimit::new())),
        ("ThrottleLayer", limited!(ThrottleLayer::new())),
        ("ErrorClassifyLayer", limited!(ErrorClassifyLayer::new())),
        ("CircuitBreakerLayer", limited!(CircuitBreakerLayer::new())),
        ("FallbackLayer", limited!(FallbackLayer::fail_closed())),
        ("AttemptSpanLayer", limited!(AttemptSpanLayer::new())),
        ("TokenCacheLayer", limited!(tokens(SECOND * 3600))),
        ("DetachLayer", limited!(detach)),
    ];
    #[cfg(feature = "response-cache")]
    layers.push(("ResponseCacheLayer", limited!(tower_heed::ResponseCacheLayer::new())));
    for (name, client) in layers {
        let start = Instant::now();
        let error = client.oneshot(get("/users/1")).await.unwrap_err();
        assert_eq!(Instant::now() - start, SECOND * 10, "{name}");
        assert!(is_unsent(&error), "{name}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_whose_client_is_never_ready_fails_open_in_time() {
    let stack = Stack::new()
        .fallback(FallbackLayer::fail_open(|_| Response::new("open")))
        .call_timeout(TimeoutLayer::new(SECOND * 3));
    let client = stack.service(Limited::new(0, |_| response(200, &[])));
    let start = Instant::now();
    let response = client.oneshot(get("/users/1")).await.unwrap();
    assert!(response.extensions().get::<Degraded>().is_some());
    assert_eq!(Instant::now() - start, SECOND * 3);
}

/// Ready after two seconds. A response takes two and a half.
#[tokio::test(start_paused = true)]
async fn time_until_a_service_is_ready_is_time_of_its_call_alone() {
    for (limit, is_in_time) in [(4, false), (5, true)] {
        let slow = Slow::new(SECOND * 2, SECOND * 3600).map_future(|response| async {
            sleep(SECOND * 5 / 2).await;
            response.await
        });
        let layer = TimeoutLayer::new(SECOND * limit);
        // A clone is not ready at once.
        let client = layer.layer(slow).clone();
        let start = Instant::now();
        let ended = client.clone().oneshot(get("/users/1")).await;
        assert_eq!(ended.is_ok(), is_in_time, "{limit}");
        let took = if is_in_time { SECOND * 9 / 2 } else { SECOND * limit };
        assert_eq!(Instant::now() - start, took);
        // The next instance starts anew.
        let mut again = client.clone();
        again.ready().await.unwrap();
        let other = again.clone();
        assert_eq!(again.call(get("/users/1")).await.is_ok(), is_in_time);
        assert_eq!(other.oneshot(get("/users/1")).await.is_ok(), is_in_time);
    }
}

/// Its negative: an endpoint cannot be known, and a layer without a limit waits.
#[tokio::test(start_paused = true)]
async fn a_layer_without_a_limit_waits_for_readiness() {
    let layer = TimeoutLayer::new(Duration::MAX);
    let client = layer.layer(Limited::new(0, |_| response(200, &[])));
    let call = client.oneshot(get("/users/1"));
    assert!(tokio::time::timeout(SECOND * 3600, call).await.is_err());
}

/// Callers who share two permits of an upstream that hangs: each ends by its limit, and not by the sum of those before it.
#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_inside_is_waited_for_within_the_limit() {
    let hangs =
        service_fn(|_: Request<Body>| future::pending::<Result<Response<Body>, BoxError>>());
    let limited = tower::limit::ConcurrencyLimitLayer::new(2).layer(hangs);
    let client = TimeoutLayer::new(SECOND * 10).layer(limited);
    let start = Instant::now();
    let calls: Vec<_> =
        (0..10).map(|_| tokio::spawn(client.clone().oneshot(get("/users/1")))).collect();
    let mut unsent = 0;
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        unsent += u32::from(is_unsent(&error));
    }
    assert_eq!(Instant::now() - start, SECOND * 10);
    assert_eq!(unsent, 8);
}
