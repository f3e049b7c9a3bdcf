//! The whole stack around hyper-util's client, against a real server: what the README promises.
//!
//! The clock is paused and the provider's follows it; sockets go on working.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use fake_idp::{Builder, Fault, Idp, Limit, Outcome};
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    task::JoinSet,
    time::{Instant, advance, sleep},
};
use tower::{ServiceExt, util::BoxCloneService};
use tower_heed::{
    BoxError, ErrorClassifyLayer, Stack, TokenCacheLayer,
    classify::{AuthStatus, SessionStatus},
    error::Phase,
    oauth::ClientCredentials,
    retry::{RetryOutcome, Stopped},
};

const USER: &str = "GET /api/v2/users/{id}";
const CREATE: &str = "POST /api/v2/users";
const SECOND: Duration = Duration::from_secs(1);

type BufferedResponse = Response<Bytes>;

/// A provider, and the stack with its defaults around a client of it.
struct World {
    idp: Idp,
    client: BoxCloneService<Request<Full<Bytes>>, BufferedResponse, BoxError>,
    status: SessionStatus,
    sign_outs: Arc<AtomicUsize>,
}

// === impl World ===

impl World {
    async fn start(provider: Builder) -> Self {
        let idp = provider.start().await;
        let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let (id, secret) = (idp.client_id(), idp.client_secret());
        let source = ClientCredentials::new(http.clone(), &idp.token_url(), id, secret).unwrap();
        let token = TokenCacheLayer::new(source.audience(idp.audience()))
            .allow_origin(idp.url("").parse().unwrap());
        let sign_outs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sign_outs);
        let classify = ErrorClassifyLayer::new().on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            async {}
        });
        let status = classify.status();
        let stack = Stack::new().token_cache(token).classify(classify).service(http);
        let client = stack.and_then(async |response: Response<_>| {
            let (head, body) = response.into_parts();
            let body: Bytes = BodyExt::collect(body).await?.to_bytes();
            Ok(Response::from_parts(head, body))
        });
        Self { idp, client: BoxCloneService::new(client), status, sign_outs }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<BufferedResponse, BoxError> {
        let request = Request::builder()
            .method(method)
            .uri(self.idp.url(path))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_owned()))?;
        self.client.clone().oneshot(request).await
    }

    async fn get(&self, path: &str) -> Result<BufferedResponse, BoxError> {
        self.send(Method::GET, path, "").await
    }

    async fn get_user(&self) -> BufferedResponse {
        self.get("/api/v2/users/u1").await.unwrap()
    }

    /// The statuses of that many calls at once.
    async fn get_users(&self, number: usize) -> Vec<StatusCode> {
        let mut calls = JoinSet::new();
        for user in 0..number {
            let url = self.idp.url(&format!("/api/v2/users/u{user}"));
            let request = Request::get(url).body(Full::default()).unwrap();
            calls.spawn(self.client.clone().oneshot(request));
        }
        calls.join_all().await.into_iter().map(|response| response.unwrap().status()).collect()
    }

    /// When `endpoint` was sent to, since the provider's start.
    fn attempts(&self, endpoint: &str) -> Vec<Duration> {
        let seen = self.idp.seen();
        let attempts = seen.requests.iter().filter(|request| request.endpoint == endpoint);
        attempts.map(|request| request.at).collect()
    }

    #[track_caller]
    fn assert_signed_in(&self) {
        assert_eq!(self.status.get(), AuthStatus::Active);
        assert_eq!(self.sign_outs.load(SeqCst), 0);
    }
}

fn elapsed(result: &Result<BufferedResponse, BoxError>) -> (Duration, Phase) {
    let error = result.as_ref().expect_err("nothing responds");
    crate::support::error::timeout(error.as_ref())
}

#[tokio::test(start_paused = true)]
async fn callers_share_a_rate_limit_and_a_429_is_no_sign_out() {
    let limit = Limit::fixed_window(5, SECOND);
    let world = World::start(Idp::builder().api_limit(limit)).await;
    assert_eq!(world.get_users(12).await, [StatusCode::OK; 12]);

    let seen = world.idp.seen();
    assert!(seen.rate_limited() <= 1, "{}", seen.rate_limited());
    assert_eq!(seen.requests_to(USER), 12 + seen.rate_limited());
    assert_eq!(seen.tokens_granted, 1);
    world.assert_signed_in();
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_response_is_waited_out_for_as_long_as_the_server_said() {
    let world = World::start(Idp::builder()).await;
    world.idp.script(USER, [Fault::RateLimited(7 * SECOND)]);
    let response = world.get_user().await;
    assert_eq!(response.status(), 200);

    let [first, second] = world.attempts(USER)[..] else { panic!("{:?}", world.attempts(USER)) };
    assert!(second >= first + 7 * SECOND, "{first:?} {second:?}");
    let outcome = response.extensions().get::<RetryOutcome>().unwrap();
    assert_eq!((outcome.attempts(), outcome.stopped()), (2, Stopped::Succeeded));
    world.assert_signed_in();
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_before_it_expires_or_when_it_has() {
    for idle in [50 * SECOND, 61 * SECOND] {
        let world = World::start(Idp::builder().token_lifetime(60 * SECOND)).await;
        assert_eq!(world.get_user().await.status(), 200);
        advance(idle).await;
        assert_eq!(world.get_user().await.status(), 200);
        eventually(&world, |world| world.idp.seen().tokens_granted == 2).await;
        advance(11 * SECOND).await;
        assert_eq!(world.get_user().await.status(), 200);

        let seen = world.idp.seen();
        assert_eq!((seen.tokens_granted, seen.status(401)), (2, 0));
        world.assert_signed_in();
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_sooner_than_was_said_is_replaced_when_it_is_rejected() {
    let provider = Idp::builder().token_lifetime(60 * SECOND).expires_in(3600 * SECOND);
    let world = World::start(provider).await;
    assert_eq!(world.get_user().await.status(), 200);
    advance(60 * SECOND).await;
    assert_eq!(world.get_user().await.status(), 200);

    let seen = world.idp.seen();
    assert_eq!((seen.tokens_granted, seen.status(401), seen.requests_to(USER)), (2, 1, 3));
    world.assert_signed_in();
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_replaced_once_for_all_and_each_call_is_sent_once_more() {
    let world = World::start(Idp::builder()).await;
    assert_eq!(world.get_user().await.status(), 200);
    // A new token may not be known to the API yet.
    sleep(5 * SECOND).await;
    world.idp.revoke_all();
    let before = Instant::now();
    assert_eq!(world.get_users(8).await, [StatusCode::OK; 8]);

    assert_eq!(Instant::now(), before, "nothing is waited for");
    let seen = world.idp.seen();
    let rejected = seen.status(401);
    assert!((1..=8).contains(&rejected), "{rejected}");
    assert_eq!((seen.tokens_granted, seen.requests_to(USER)), (2, 1 + 8 + rejected));
    world.assert_signed_in();
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_no_good_any_more_are_a_sign_out_once_and_not_a_storm() {
    let world = World::start(Idp::builder()).await;
    assert_eq!(world.get_user().await.status(), 200);
    // A new token may not be known to the API yet.
    sleep(5 * SECOND).await;
    world.idp.rotate_secret("another");
    world.idp.revoke_all();
    assert_eq!(world.get_users(8).await, [StatusCode::UNAUTHORIZED; 8]);

    assert_eq!(world.status.get(), AuthStatus::Unauthenticated);
    eventually(&world, |world| world.sign_outs.load(SeqCst) == 1).await;
    let seen = world.idp.seen();
    assert_eq!((seen.tokens_rejected, seen.requests_to(USER)), (1, 1 + 8));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_responds_is_given_up_and_its_connections_are_closed() {
    let world = World::start(Idp::builder()).await;
    let start = Instant::now();
    let result = world.get("/hang/head").await;
    assert_eq!(elapsed(&result), (Stack::CALL_TIMEOUT, Phase::Headers));
    assert_eq!(Instant::now() - start, Stack::CALL_TIMEOUT);

    eventually(&world, |world| {
        let seen = world.idp.seen();
        let hung = seen.requests.iter().filter(|request| request.path == "/hang/head");
        hung.clone().count() >= 2 && hung.clone().all(|one| one.outcome == Outcome::Abandoned)
    })
    .await;
    assert_eq!(world.get_user().await.status(), 200);
    world.assert_signed_in();
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_in_its_head_is_given_up_for_another() {
    let world = World::start(Idp::builder()).await;
    world.idp.script(USER, [Fault::HangHead]);
    assert_eq!(world.get_user().await.status(), 200);

    let [first, second] = world.attempts(USER)[..] else { panic!("{:?}", world.attempts(USER)) };
    assert!(second - first > Stack::ATTEMPT_TIMEOUT, "{first:?} {second:?}");
    world.assert_signed_in();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let world = World::start(Idp::builder()).await;
    let start = Instant::now();
    let result = world.get("/hang/body").await;
    assert_eq!(elapsed(&result), (Stack::ATTEMPT_TIMEOUT, Phase::Body));
    assert_eq!(Instant::now() - start, Stack::ATTEMPT_TIMEOUT);
    assert_eq!(world.idp.seen().requests_to("GET /hang/body"), 1);
    eventually(&world, |world| world.idp.seen().open_connections <= 1).await;
    world.assert_signed_in();
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_rejected_arrives_whole_and_is_carried_out_once() {
    let world = World::start(Idp::builder()).await;
    world.idp.script(CREATE, [Fault::RateLimited(2 * SECOND)]);
    let name = "Ada ".repeat(5_000);
    let body = format!(r#"{{"name":"{name}"}}"#);
    let response = world.send(Method::POST, "/api/v2/users", &body).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert!(String::from_utf8_lossy(response.body()).contains(&name));

    let seen = world.idp.seen();
    let bodies: Vec<_> =
        seen.requests.iter().filter(|request| request.endpoint == CREATE).collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies.iter().all(|request| request.body == body));
    assert_eq!(seen.responded(CREATE, 201), 1);
}

/// A POST that may have been carried out is not sent twice.
#[tokio::test(start_paused = true)]
async fn a_post_whose_response_broke_off_is_sent_once() {
    for fault in [Fault::Status(500), Fault::CloseConnection, Fault::HangHead] {
        let world = World::start(Idp::builder()).await;
        world.idp.script(CREATE, [fault]);
        let result = world.send(Method::POST, "/api/v2/users", "{}").await;
        assert!(result.is_err() || result.is_ok_and(|response| response.status() == 500));
        assert_eq!(world.idp.seen().requests_to(CREATE), 1);
    }
}

/// Returns as soon as it is so; the server hears of a closed connection a little later than we close it.
async fn eventually(world: &World, so: impl Fn(&World) -> bool) {
    for _ in 0..100_000 {
        if so(world) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never so: {:?}", world.idp.seen());
}
