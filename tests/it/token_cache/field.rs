//! What issuers and APIs do in the field, and what that costs: one table of cases, observed and wanted.
//!
//! `cargo test --all-features --test it token_cache::field -- --nocapture` prints it.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, TokenCacheLayer,
    clock::Clock,
    error::{TokenError, TokenErrorKind},
    extensions::Deadline,
    token_cache::{Token, TokenCache, TokenKey, TokenRequest, TokenScope},
};

use crate::token_cache::support::{Body, HOUR, SECOND, get};

/// What the issuer does with each call.
#[derive(Clone, Debug)]
enum Issues {
    Tokens,
    Limited(u64),
    Unavailable,
    Hangs,
    Refuses(&'static str),
    Html,
}

/// What the API does with a token.
#[derive(Clone, Debug)]
enum Api {
    Accepts,
    Rejects,
    /// Accepts a token this long after it was issued.
    Lags(Duration),
    /// Accepts the first so many tokens.
    Knows(usize),
    /// The challenge of the 401 for the first token.
    Challenges(&'static str),
    /// One path responds 401 to everything.
    RejectsAt(&'static str),
    /// The tokens of one tenant are rejected.
    RejectsTenant(&'static str),
}

/// An issuer and an API with one memory.
#[derive(Clone)]
struct World(Arc<Mutex<State>>);

struct State {
    issues: Issues,
    api: Api,
    lifetime: Duration,
    calls: Vec<Instant>,
    issued: HashMap<String, (usize, Instant, String)>,
    revoked: usize,
    sent: usize,
}

#[derive(Clone)]
struct Issuer(World);

#[derive(Clone)]
struct Server(World);

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

// === impl World ===

impl World {
    fn new(issues: Issues, api: Api) -> Self {
        Self(Arc::new(Mutex::new(State {
            issues,
            api,
            lifetime: HOUR,
            calls: Vec::new(),
            issued: HashMap::new(),
            revoked: 0,
            sent: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> usize {
        self.lock().calls.len()
    }

    /// From now on all tokens that were issued so far are rejected.
    fn revoke(&self) {
        let mut state = self.lock();
        state.revoked = state.calls.len();
    }

    fn layer(&self) -> TokenCacheLayer {
        TokenCacheLayer::new(Issuer(self.clone()))
            .allow_any_https_origin()
            .clock(Clock::starting_at(SystemTime::UNIX_EPOCH + 100 * HOUR))
    }

    fn client(&self) -> TokenCache<Server> {
        self.layer().layer(Server(self.clone()))
    }
}

impl Service<TokenRequest> for Issuer {
    type Response = Token;
    type Error = TokenError;
    type Future = BoxFuture<Token, TokenError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TokenError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let mut state = self.0.lock();
        state.calls.push(Instant::now());
        let number = state.calls.len();
        let tenant = request.key().organization().unwrap_or_default().to_owned();
        let (issues, lifetime) = (state.issues.clone(), state.lifetime);
        state.issued.insert(format!("Bearer t{number}"), (number, Instant::now(), tenant));
        drop(state);
        Box::pin(async move {
            let failed = |kind, status| {
                TokenError::new(kind).with_status(StatusCode::from_u16(status).unwrap())
            };
            match issues {
                Issues::Tokens => {
                    sleep(Duration::from_millis(50)).await;
                    Ok(Token::bearer(format!("t{number}"))?.expires_in(lifetime))
                }
                Issues::Limited(secs) => Err(failed(TokenErrorKind::RateLimited, 429)
                    .with_retry_after(Duration::from_secs(secs))),
                Issues::Unavailable => Err(failed(TokenErrorKind::Unavailable, 503)),
                Issues::Hangs => std::future::pending().await,
                Issues::Refuses(code) => Err(failed(TokenErrorKind::Rejected, 401).with_code(code)),
                Issues::Html => Err(failed(TokenErrorKind::Malformed, 200)),
            }
        })
    }
}

impl Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<Response<Body>, BoxError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut state = self.0.lock();
        state.sent += 1;
        let token = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
        let (number, at, tenant) = state.issued[&token].clone();
        let mut challenge = "Bearer error=\"invalid_token\"";
        let accepts = number > state.revoked
            && match &state.api {
                Api::Accepts => true,
                Api::Rejects => false,
                Api::Lags(lag) => Instant::now() >= at + *lag,
                Api::Knows(known) => number <= *known,
                Api::Challenges(with) => {
                    challenge = with;
                    number > 1
                }
                Api::RejectsAt(path) => request.uri().path() != *path,
                Api::RejectsTenant(name) => tenant != *name,
            };
        drop(state);
        let response = match accepts {
            true => Response::builder().status(200),
            false => Response::builder().status(401).header("www-authenticate", challenge),
        };
        Box::pin(async move { Ok(response.body(Body::default())?) })
    }
}

const PORTIONS: usize = 100;

/// The scopes of so many tenants.
fn tenants(count: usize) -> Vec<TokenScope> {
    let key = |number| TokenKey::new().with_organization(format!("tenant-{number}"));
    (0..count).map(|number| TokenScope::new(key(number))).collect()
}

/// One call; its status, or none without a token.
async fn call(client: &TokenCache<Server>, path: &str, tenant: Option<&TokenScope>) -> Option<u16> {
    let mut request = get(path);
    if let Some(scope) = tenant {
        request.extensions_mut().insert(scope.clone());
    }
    let response = client.clone().oneshot(request).await;
    response.ok().map(|response| response.status().as_u16())
}

/// An hour in which each of the tenants calls once in `step`; how many calls had no 200.
async fn hour(client: &TokenCache<Server>, count: usize, step: Duration) -> usize {
    let (tenants, begun) = (tenants(count), Instant::now());
    let failed = Arc::new(AtomicUsize::new(0));
    while Instant::now() < begun + HOUR {
        let next = Instant::now() + step;
        // In portions, so that not all of them call at the same moment.
        for portion in tenants.chunks(count.div_ceil(PORTIONS)) {
            for tenant in portion {
                let (client, tenant, failed) =
                    (client.clone(), tenant.clone(), Arc::clone(&failed));
                drop(tokio::spawn(async move {
                    if call(&client, "/users", Some(&tenant)).await != Some(200) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }));
            }
            sleep(step / PORTIONS as u32).await;
        }
        tokio::time::sleep_until(next).await;
    }
    failed.load(Ordering::Relaxed)
}

/// A row of the table.
struct Row {
    case: String,
    observed: u64,
    wanted: std::ops::RangeInclusive<u64>,
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn add(
        &mut self,
        case: impl Into<String>,
        observed: usize,
        wanted: std::ops::RangeInclusive<u64>,
    ) {
        self.0.push(Row { case: case.into(), observed: observed as u64, wanted });
    }

    fn check(&self) {
        println!("{self}");
        let missed: Vec<_> =
            self.0.iter().filter(|row| !row.wanted.contains(&row.observed)).collect();
        let missed: Vec<_> =
            missed.iter().map(|row| format!("{}: {}", row.case, row.observed)).collect();
        assert!(missed.is_empty(), "{missed:#?}");
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<78} {:>9}  wanted", "case", "observed")?;
        for Row { case, observed, wanted } in &self.0 {
            let mark = if wanted.contains(observed) { ' ' } else { '!' };
            writeln!(f, "{case:<78} {observed:>9} {mark}{}..{}", wanted.start(), wanted.end())?;
        }
        Ok(())
    }
}

fn many(count: usize) -> (usize, Duration) {
    // The simulated calls stay in the order of ten thousands.
    (
        count,
        Duration::from_secs(match count {
            0..100 => 60,
            100..5000 => 1200,
            _ => 3600,
        }),
    )
}

/// Rules 3 and 43: token calls an hour, by the number of tenants and what the issuer does.
#[tokio::test(start_paused = true)]
async fn rule_43_what_an_issuer_gets_in_an_hour() {
    let mut table = Table::default();
    for count in [1, 65, 1000, 10_000] {
        let (count, step) = many(count);
        let world = World::new(Issues::Tokens, Api::Accepts);
        let failed = hour(&world.client(), count, step).await;
        // One for each, and one more for those whose hour begins at the start.
        let tenants = count as u64;
        table.add(format!("{count} tenants: token calls"), world.calls(), tenants..=2 * tenants);
        table.add(format!("{count} tenants: failed calls"), failed, 0..=0);
    }
    for count in [1, 65, 1000, 10_000] {
        let (count, step) = many(count);
        for (issues, most) in [
            (Issues::Limited(1), 25),
            (Issues::Limited(60), 25),
            (Issues::Limited(3600), 2),
            (Issues::Unavailable, 130),
            (Issues::Hangs, 160),
            (Issues::Refuses("invalid_client"), 25),
            (Issues::Html, 25),
        ] {
            if count > 1000
                && matches!(issues, Issues::Limited(60) | Issues::Refuses(_) | Issues::Html)
            {
                continue;
            }
            let world = World::new(issues.clone(), Api::Accepts);
            hour(&world.client(), count, step).await;
            // Those that were in flight when the first refusal came.
            let most = most + if count == 1 { 0 } else { 64 };
            table.add(
                format!("{count} tenants, issuer {issues:?}: token calls"),
                world.calls(),
                1..=most,
            );
        }
    }
    table.check();
}

/// Rule 43: protection outlives eviction.
#[tokio::test(start_paused = true)]
async fn rule_43_eviction_forgets_no_cooldown_and_no_budget() {
    let mut table = Table::default();
    let few = NonZeroUsize::new(16).unwrap();
    for (issues, most) in [
        (Issues::Limited(3600), 66),
        (Issues::Unavailable, 200),
        // Each tenant by itself, because its grant may be at fault.
        (Issues::Refuses("invalid_grant"), 65 * 20),
    ] {
        let world = World::new(issues.clone(), Api::Accepts);
        let client = world.layer().max_keys(few).layer(Server(world.clone()));
        hour(&client, 65, 10 * SECOND).await;
        table.add(
            format!("65 tenants in 16 slots, {issues:?}: token calls"),
            world.calls(),
            1..=most,
        );
    }
    table.check();
}

/// Rule 37 for the client as a whole: a thousand tenants, each of which calls every three hours, and an issuer that fails for an hour
/// in every tenth.
#[tokio::test(start_paused = true)]
async fn rule_37_a_week_of_a_thousand_tenants() {
    let world = World::new(Issues::Tokens, Api::Accepts);
    world.lock().lifetime = 10 * HOUR;
    let (client, mut table) = (world.client(), Table::default());
    let (mut refused, mut outages) = (0, 0);
    for third in 0..56 {
        let is_down = third % 10 == 9;
        if is_down {
            outages += 1;
            world.lock().issues = match outages % 3 {
                0 => Issues::Hangs,
                1 => Issues::Limited(60),
                _ => Issues::Unavailable,
            };
        }
        let before = world.calls();
        hour(&client, 1000, HOUR).await;
        world.lock().issues = Issues::Tokens;
        if is_down {
            refused += world.calls() - before;
        }
        sleep(2 * HOUR).await;
    }
    let fetched = world.calls() - refused;
    table.add(
        "1000 tenants, a week, tokens of ten hours: token calls with a token",
        fetched,
        14_000..=35_600,
    );
    table.add(format!("in {outages} hours of outage: token calls"), refused, 1..=outages * 224);
    table.check();
}

/// Rule 3: no cliff. Each round all tenants call once.
#[tokio::test(start_paused = true)]
async fn rule_3_one_tenant_too_many_costs_about_one_fetch_a_round() {
    let mut table = Table::default();
    for (count, wanted) in [(64, 0..=0), (65, 100..=400), (66, 100..=800), (80, 1000..=5000)] {
        let world = World::new(Issues::Tokens, Api::Accepts);
        world.lock().lifetime = 100 * HOUR;
        let client =
            world.layer().max_keys(NonZeroUsize::new(64).unwrap()).layer(Server(world.clone()));
        let tenants = tenants(count);
        let mut before = 0;
        for round in 0..105 {
            if round == 5 {
                before = world.calls();
            }
            for tenant in &tenants {
                assert_eq!(call(&client, "/users", Some(tenant)).await, Some(200));
            }
        }
        let fetches = world.calls() - before;
        table.add(format!("{count} tenants in 64 slots, 100 rounds: fetches"), fetches, wanted);
    }
    table.check();
}

/// Rule 3: a new key costs the same, however many there are. The bound is wide, because a machine may be busy: what grows with the
/// number of keys takes milliseconds.
#[tokio::test(start_paused = true)]
async fn rule_3_a_new_key_costs_the_same_however_many_there_are() {
    let mut table = Table::default();
    let world = World::new(Issues::Tokens, Api::Accepts);
    let (client, tenants) = (world.client(), tenants(12_000));
    let mut spans = Vec::new();
    for (from, to) in [(0, 1000), (1000, 9000), (9000, 10_000), (10_000, 11_000), (11_000, 12_000)]
    {
        #[allow(
            clippy::disallowed_methods,
            clippy::disallowed_types,
            reason = "the cost is measured"
        )]
        let begun = std::time::Instant::now();
        for tenant in &tenants[from..to] {
            assert_eq!(call(&client, "/users", Some(tenant)).await, Some(200));
        }
        spans.push(begun.elapsed().as_micros() as usize / (to - from));
    }
    for (keys, span) in [("9,000 to 10,000", spans[2]), ("11,000 to 12,000", spans[4])] {
        let percent = span * 100 / spans[0].max(1);
        table.add(
            format!("keys {keys}, of at most 10,000: % of the first 1,000"),
            percent,
            0..=500,
        );
    }
    table.check();
}

/// Rules 21 and 38: an API that rejects everything.
#[tokio::test(start_paused = true)]
async fn rule_38_an_api_that_rejects_every_token() {
    let mut table = Table::default();
    for (count, most) in [(1, 30), (65, 65 + 40), (1000, 1000 + 60)] {
        let (count, step) = many(count);
        let world = World::new(Issues::Tokens, Api::Rejects);
        world.lock().lifetime = 10 * HOUR;
        hour(&world.client(), count, step).await;
        table.add(
            format!("{count} tenants, always 401: token calls"),
            world.calls(),
            count as u64..=most,
        );
    }
    // They had tokens before.
    let world = World::new(Issues::Tokens, Api::Accepts);
    world.lock().lifetime = 10 * HOUR;
    let client = world.client();
    hour(&client, 1000, 1800 * SECOND).await;
    world.lock().api = Api::Rejects;
    let before = world.calls();
    hour(&client, 1000, 600 * SECOND).await;
    table.add("1000 tenants with tokens, always 401: token calls", world.calls() - before, 1..=60);
    table.check();
}

/// Rule 38: an endpoint that rejects all tokens, beside one that does not; and then the token is revoked.
#[tokio::test(start_paused = true)]
async fn rule_38_one_endpoints_401_is_that_endpoints() {
    let mut table = Table::default();
    let world = World::new(Issues::Tokens, Api::RejectsAt("/deployments"));
    let client = world.client();
    assert_eq!(call(&client, "/users", None).await, Some(200));
    advance(60 * SECOND).await;
    for _ in 0..11 {
        assert_eq!(call(&client, "/users", None).await, Some(200));
        assert_eq!(call(&client, "/deployments", None).await, Some(401));
        advance(SECOND).await;
    }
    table.add(
        "/deployments always 401, by turns with /users, 11 s: token calls",
        world.calls(),
        2..=3,
    );
    // A revocation, which the other endpoint sees.
    world.revoke();
    let begun = Instant::now();
    let mut failed = 0;
    while call(&client, "/users", None).await != Some(200) && failed < 600 {
        assert_eq!(call(&client, "/deployments", None).await, Some(401));
        advance(SECOND).await;
        failed += 1;
    }
    table.add("then revoked: failed calls of /users", failed, 0..=0);
    table.add(
        "then revoked: ms until /users works",
        (Instant::now() - begun).as_millis() as usize,
        0..=1000,
    );

    // One tenant is revoked for good, and another for once.
    let world = World::new(Issues::Tokens, Api::RejectsTenant("tenant-0"));
    let (client, tenants) = (world.client(), tenants(2));
    for _ in 0..30 {
        assert_eq!(call(&client, "/users", Some(&tenants[0])).await, Some(401));
        assert_eq!(call(&client, "/users", Some(&tenants[1])).await, Some(200));
        advance(SECOND).await;
    }
    world.revoke();
    let status = call(&client, "/users", Some(&tenants[1])).await;
    table.add(
        "two tenants, one rejected for good: status of the other, revoked once",
        status.unwrap().into(),
        200..=200,
    );
    table.check();
}

/// Rule 38, the negative: a revocation is not taken for an endpoint's fault.
#[tokio::test(start_paused = true)]
async fn rule_38_a_token_that_is_revoked_again_and_again_is_replaced() {
    let world = World::new(Issues::Tokens, Api::Accepts);
    let client = world.client();
    for _ in 0..10 {
        assert_eq!(call(&client, "/users", None).await, Some(200));
        advance(400 * SECOND).await;
        world.revoke();
    }
    assert_eq!(world.calls(), 10);
}

/// Rule 41: the API knows a token some time after the issuer has made it.
#[tokio::test(start_paused = true)]
async fn rule_41_an_api_that_lags_behind_the_issuer() {
    let mut table = Table::default();
    // The first token, and then those that are fetched early. No patience is long enough for the first one where the API lags by
    // more than five seconds: until then calls fail.
    for (millis, failed) in [(500, 0..=0), (3000, 0..=0), (12_000, 1..=20), (30_000, 1..=40)] {
        let world = World::new(Issues::Tokens, Api::Lags(Duration::from_millis(millis)));
        let client = world.client();
        let mut none = 0;
        for _ in 0..40 {
            none += usize::from(call(&client, "/users", None).await != Some(200));
            advance(SECOND).await;
        }
        table.add(
            format!("lag of {millis} ms, cold: failed of 40 calls, 1 a second"),
            none,
            failed,
        );
        let calls = world.calls();
        table.add(format!("lag of {millis} ms, cold: token calls"), calls, 1..=3);
        let mut none = 0;
        for _ in 0..3 * 360 {
            none += usize::from(call(&client, "/users", None).await != Some(200));
            advance(10 * SECOND).await;
        }
        table.add(format!("lag of {millis} ms, three hours of refreshes: failed"), none, 0..=0);
        let calls = world.calls() - calls;
        table.add(
            format!("lag of {millis} ms, three hours of refreshes: token calls"),
            calls,
            3..=5,
        );
    }
    // Twenty callers at once, and one whose deadline does not allow to wait.
    let world = World::new(Issues::Tokens, Api::Lags(Duration::from_millis(500)));
    let client = world.client();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { call(&client, "/users", None).await })
        })
        .collect();
    let mut failed = 0;
    for call in calls {
        failed += usize::from(call.await.unwrap() != Some(200));
    }
    table.add("lag of 500 ms, 20 callers at once: failed", failed, 0..=0);
    table.add("lag of 500 ms, 20 callers at once: token calls", world.calls(), 1..=1);
    table.check();
}

#[tokio::test(start_paused = true)]
async fn rule_41_patience_ends_with_the_callers_deadline() {
    let world = World::new(Issues::Tokens, Api::Lags(3 * SECOND));
    let mut request = get("/users");
    request.extensions_mut().insert(Deadline::at(Instant::now() + SECOND));
    let begun = Instant::now();
    let response = world.client().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(Instant::now() <= begun + SECOND);
}

/// Rule 42: the issuer signs with a key that the API does not know for a quarter of an hour.
#[tokio::test(start_paused = true)]
async fn rule_42_the_previous_token_is_used_while_the_next_one_is_refused() {
    let world = World::new(Issues::Tokens, Api::Knows(1));
    let client = world.client();
    let (mut failed, mut sent) = (0, 0);
    for minute in 0..180 {
        if minute == 58 {
            sent = world.lock().sent;
            // The previous one ends at 60 min.
            world.lock().api = Api::Accepts;
        }
        for _ in 0..6 {
            failed += usize::from(call(&client, "/users", None).await != Some(200));
            advance(10 * SECOND).await;
        }
    }
    let mut table = Table::default();
    table.add("keys rotated at the issuer alone, up to 10 min: failed of 1080", failed, 0..=0);
    table.add("keys rotated: token calls in three hours", world.calls(), 3..=5);
    table.add("keys rotated: requests in 58 min, of 348 calls", sent, 348..=370);
    table.check();
}

/// Rule 42, the negative: a token that was revoked is no longer used, nor is one that has ended.
#[tokio::test(start_paused = true)]
async fn rule_42_a_previous_token_that_is_rejected_as_well_is_not_kept() {
    let world = World::new(Issues::Tokens, Api::Accepts);
    let client = world.client();
    assert_eq!(call(&client, "/users", None).await, Some(200));
    advance(3300 * SECOND).await;
    assert_eq!(call(&client, "/users", None).await, Some(200));
    sleep(SECOND).await;
    assert_eq!(world.calls(), 2);
    // Both are revoked: one call finds out, and gets a third one.
    world.revoke();
    assert_eq!(call(&client, "/users", None).await, Some(200));
    assert_eq!(world.calls(), 3);
}

/// Rule 17: the status counts, whatever the scheme of the challenge.
#[tokio::test(start_paused = true)]
async fn rule_17_challenges_of_every_scheme() {
    let mut table = Table::default();
    for (challenge, status) in [
        ("Bearer", 200),
        ("Bearer error=\"invalid_token\"", 200),
        ("Basic realm=\"api\"", 200),
        ("JWT realm=\"api\"", 200),
        ("OAuth realm=\"api\"", 200),
        ("Digest nonce=\"1\"", 200),
        ("Negotiate", 200),
        ("DPoP error=\"invalid_token\"", 200),
        ("Basic realm=\"api\", error=\"invalid_token\"", 200),
        ("Bearer error=\"insufficient_scope\"", 401),
        ("Bearer error=\"invalid_request\"", 401),
        ("Bearer error=\"insufficient_user_authentication\"", 401),
    ] {
        let world = World::new(Issues::Tokens, Api::Accepts);
        let client = world.client();
        assert_eq!(call(&client, "/users", None).await, Some(200));
        advance(60 * SECOND).await;
        world.lock().api = Api::Challenges(challenge);
        let observed = call(&client, "/users", None).await.unwrap();
        table.add(format!("401 with `{challenge}`: status"), observed.into(), status..=status);
        table.add(
            format!("401 with `{challenge}`: token calls"),
            world.calls(),
            if status == 200 { 2..=2 } else { 1..=1 },
        );
    }
    table.check();
}

/// Rule 45: what comes late is kept, and no second request is made meanwhile.
#[tokio::test(start_paused = true)]
async fn rule_45_a_token_that_comes_late_is_kept() {
    let calls = Arc::new(Mutex::new(0));
    let source = {
        let calls = Arc::clone(&calls);
        tower::service_fn(move |_: TokenRequest| {
            *calls.lock().unwrap() += 1;
            async move {
                sleep(14 * SECOND).await;
                Token::bearer("late").map(|token| token.expires_in(HOUR))
            }
        })
    };
    let api = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, BoxError>(Response::new(Body::default()))
    });
    let client = TokenCacheLayer::new(source).allow_any_https_origin().layer(api);
    let begun = Instant::now();
    let error = client.clone().oneshot(get("/")).await.unwrap_err();
    assert_eq!(Instant::now() - begun, 10 * SECOND, "{error}");
    assert!(error.to_string().contains("did not respond in time"), "{error}");
    sleep(3 * SECOND).await;
    client.clone().oneshot(get("/")).await.unwrap_err();
    sleep(2 * SECOND).await;
    assert_eq!(client.oneshot(get("/")).await.unwrap().status(), 200);
    assert_eq!(*calls.lock().unwrap(), 1);
}

/// Rule 44: the issuer's wait is kept, whatever the kind of failure.
#[tokio::test(start_paused = true)]
async fn rule_44_the_issuers_wait_is_kept_for_every_kind_of_failure() {
    for kind in [
        TokenErrorKind::RateLimited,
        TokenErrorKind::Unavailable,
        TokenErrorKind::Timeout,
        TokenErrorKind::Rejected,
        TokenErrorKind::Malformed,
    ] {
        for (told, least, most) in [(Some(120), 120, 132), (None, 0, 8)] {
            let source = tower::service_fn(move |_: TokenRequest| async move {
                let error = TokenError::new(kind);
                Err::<Token, _>(match told {
                    Some(secs) => error.with_retry_after(Duration::from_secs(secs)),
                    None => error,
                })
            });
            let handle = TokenCacheLayer::new(source).handle();
            let error = handle.token(handle.key()).await.unwrap_err();
            let wait = error.retry_after().unwrap().as_secs();
            assert!((least..=most).contains(&wait), "{kind:?}: {wait}");
        }
    }
}

/// Rule 43: an outage of one key's issuer is not another's, and one of all keys is.
#[tokio::test(start_paused = true)]
async fn rule_43_one_key_that_fails_holds_no_other_back() {
    let source = tower::service_fn(|request: TokenRequest| async move {
        match request.key().organization() {
            Some("tenant-0") => Err(TokenError::new(TokenErrorKind::Unavailable)),
            _ => Ok(Token::bearer("token")?.expires_in(HOUR)),
        }
    });
    let handle = TokenCacheLayer::new(source).handle();
    let tenants = tenants(50);
    for tenant in &tenants[1..] {
        handle.token(tenants[0].key()).await.unwrap_err();
        handle.token(tenant.key()).await.unwrap();
        advance(SECOND).await;
    }
}

/// Rule 43: what a fetch brings that began before the issuer's refusal says nothing about it.
#[tokio::test(start_paused = true)]
async fn rule_43_a_token_that_comes_late_ends_no_rate_limit_that_came_meanwhile() {
    let calls = Arc::new(AtomicUsize::new(0));
    let source = {
        let calls = Arc::clone(&calls);
        tower::service_fn(move |request: TokenRequest| {
            calls.fetch_add(1, Ordering::Relaxed);
            async move {
                if request.key().organization() == Some("tenant-0") {
                    sleep(14 * SECOND).await;
                    return Ok(Token::bearer("late")?.expires_in(HOUR));
                }
                Err(TokenError::new(TokenErrorKind::RateLimited).with_retry_after(HOUR))
            }
        })
    };
    let handle = TokenCacheLayer::new(source).handle();
    let tenants = tenants(3);
    // After ten seconds it is told that there is none.
    handle.token(tenants[0].key()).await.unwrap_err();
    handle.token(tenants[1].key()).await.unwrap_err();
    sleep(10 * SECOND).await;
    handle.token(tenants[0].key()).await.unwrap();
    let error = handle.token(tenants[2].key()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::RateLimited);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

/// Rule 50.
#[tokio::test(start_paused = true)]
async fn rule_50_another_origin_is_called_without_the_token_if_the_layer_says_so() {
    let api = || {
        tower::service_fn(|request: Request<Body>| async move {
            let has_token = request.headers().contains_key(AUTHORIZATION);
            Ok::<_, BoxError>(
                Response::builder()
                    .status(if has_token { 200 } else { 204 })
                    .body(Body::default())?,
            )
        })
    };
    let layer = TokenCacheLayer::new(Issuer(World::new(Issues::Tokens, Api::Accepts)))
        .allow_origin("https://id.example".parse().unwrap());
    let to = |uri: &str| Request::get(uri).body(Body::default()).unwrap();
    let elsewhere =
        ["https://storage.example/file?sig=1", "http://id.example/", "https://id.example:444/"];
    for uri in elsewhere {
        layer.layer(api()).oneshot(to(uri)).await.unwrap_err();
    }
    let client = layer.elsewhere_without_token().layer(api());
    for uri in elsewhere {
        assert_eq!(client.clone().oneshot(to(uri)).await.unwrap().status(), 204, "{uri}");
    }
    assert_eq!(client.clone().oneshot(to("https://id.example/")).await.unwrap().status(), 200);
    client.oneshot(to("/path")).await.unwrap_err();
}

/// Rule 17: an API that says so by a 403.
#[tokio::test(start_paused = true)]
async fn rule_17_an_endpoint_can_tell_by_itself_what_rejects_the_token() {
    let api = tower::service_fn(|request: Request<Body>| async move {
        let status = if request.headers()[AUTHORIZATION] == "Bearer t1" { 403 } else { 200 };
        Ok::<_, BoxError>(Response::builder().status(status).body(Body::default())?)
    });
    let world = World::new(Issues::Tokens, Api::Accepts);
    let client = world
        .layer()
        .endpoint("/legacy".parse().unwrap(), |config| {
            config.rejects_token(|head| head.status() == StatusCode::FORBIDDEN)
        })
        .layer(api);
    let ask = |path: &'static str| {
        let client = client.clone();
        async move { client.oneshot(get(path)).await.unwrap().status() }
    };
    assert_eq!(ask("/users").await, 403, "by default never");
    advance(60 * SECOND).await;
    assert_eq!(world.calls(), 1);
    assert_eq!(ask("/legacy").await, 200);
    assert_eq!(world.calls(), 2);
}

/// Rule 17, where the layer outside sends again: also a token that was accepted before.
#[tokio::test(start_paused = true)]
async fn rule_17_what_rejects_the_token_is_sent_again_by_a_stack() {
    use tower_heed::Stack;

    let world = World::new(Issues::Tokens, Api::Accepts);
    let is_revoked = Arc::new(AtomicBool::new(false));
    let revoked = Arc::clone(&is_revoked);
    let api = tower::service_fn(move |request: Request<Body>| {
        let is_first = request.headers()[AUTHORIZATION] == "Bearer t1";
        let status = if is_first && revoked.load(Ordering::Relaxed) { 403 } else { 200 };
        async move { Ok::<_, BoxError>(Response::builder().status(status).body(Body::default())?) }
    });
    let token = world.layer().endpoint("/legacy".parse().unwrap(), |config| {
        config.rejects_token(|head| head.status() == StatusCode::FORBIDDEN)
    });
    let client = Stack::new().token_cache(token).service(api);
    let ask = || client.clone().oneshot(get("/legacy"));
    assert_eq!(ask().await.unwrap().status(), 200);
    is_revoked.store(true, Ordering::Relaxed);
    advance(60 * SECOND).await;
    assert_eq!(ask().await.unwrap().status(), 200);
    assert_eq!(world.calls(), 2);
}
