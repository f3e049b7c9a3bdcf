//! The documented bound on token fetches, over a simulated week in which everything goes wrong at some time.
//!
//! It is a unit test so that the jitter is drawn from the seed too, and a run that fails can be repeated.

mod issuer;
mod world;

use std::{
    env,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use rand::RngExt;
use tokio::{
    task::yield_now,
    time::{Instant, advance},
};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use self::{
    issuer::Issuer,
    world::{Exchange, World},
};
use super::{Token, TokenCacheLayer, TokenError, TokenKey, TokenRequest, TokenScope};
use crate::{clock::Clock, jitter};

type Body = Full<Bytes>;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

fn get(path: &str) -> Request<Body> {
    Request::get(format!("https://id.example{path}")).body(Body::default()).unwrap()
}

/// Lets tasks run that are ready.
async fn settle() {
    for _ in 0..8 {
        yield_now().await;
    }
}

/// A week of requests every few seconds, for tokens of this lifetime; the exchanges.
async fn week(seed: u64, lifetime: Duration) -> Vec<Exchange> {
    jitter::seed(seed);
    let world = Arc::new(Mutex::new(World::new(seed)));
    let issuer = Issuer { world: Arc::clone(&world), lifetime };
    let wall = {
        let world = Arc::clone(&world);
        move || SystemTime::UNIX_EPOCH + 1000 * HOUR + world.lock().unwrap().now()
    };
    let api = {
        let world = Arc::clone(&world);
        service_fn(move |_: Request<Body>| {
            let mut world = world.lock().unwrap();
            world.attempts += 1;
            let rejects = Instant::now() < world.api_rejects_until || world.happens(0.001);
            let status = match rejects {
                true => 401,
                false if world.happens(0.05) => 429,
                false => 200,
            };
            async move { Response::builder().status(status).body(()) }
        })
    };
    let client = TokenCacheLayer::new(issuer)
        .allow_origin("https://id.example".parse().unwrap())
        .clock(Clock::from_system_time(wall))
        .layer(api);
    loop {
        let (step, burst) = {
            let mut world = world.lock().unwrap();
            let now = world.now();
            if now >= WEEK {
                break;
            }
            // About twice a day the issuer is down, and the API rejects all tokens, for up to an hour each.
            let minutes = Duration::from_secs(60 * world.random.random_range(1..60));
            if world.happens(10.0 / 43_200.0) {
                world.issuer_down_until = Instant::now() + minutes;
            }
            if world.happens(10.0 / 43_200.0) {
                world.api_rejects_until = Instant::now() + minutes;
            }
            let slept = if world.happens(10.0 / 86_400.0) { minutes } else { Duration::ZERO };
            world.suspended += slept;
            let step = Duration::from_millis(world.random.random_range(1000..20_000));
            (step, world.random.random_range(1..4))
        };
        advance(step).await;
        for _ in 0..burst {
            let attempts = world.lock().unwrap().attempts;
            let client = client.clone();
            let (call, world) = (client.oneshot(get("/users")), Arc::clone(&world));
            let call = tokio::spawn(async move {
                let is_ok = call.await.is_ok();
                world.lock().unwrap().responses += u32::from(is_ok);
            });
            settle().await;
            // Some callers do not wait for their response.
            if attempts % 7 == 0 {
                call.abort();
            }
        }
    }
    let world = world.lock().unwrap();
    assert!(world.responses > 40_000, "{} responses: no traffic", world.responses);
    world.exchanges.clone()
}

/// `⌈t/(L/2)⌉ + 2 + t/5 min`: each token lives for half of its lifetime at least, and 401s have a budget.
fn bound(t: Duration, lifetime: Duration) -> f64 {
    let t = t.as_secs_f64();
    (t / (lifetime.as_secs_f64() / 2.0)).ceil() + 2.0 + t / 300.0
}

async fn check(lifetime: Duration) {
    let seed = match env::var("TOWER_HEED_SEED") {
        Ok(seed) => seed.parse().expect("TOWER_HEED_SEED is a number"),
        Err(_) => rand::random(),
    };
    let run = format!("TOWER_HEED_SEED={seed}, a lifetime of {lifetime:?}");
    let exchanges = week(seed, lifetime).await;

    let most = bound(WEEK, lifetime);
    assert!(exchanges.len() as f64 <= most, "{run}: {} exchanges > {most}", exchanges.len());

    // In every single hour and day it also holds for the exchanges with a response, with the first steps of a cooldown that grows
    // to 5 min; after an exchange without one the next follows after 0.5 s, doubling to 30 s.
    for span in [HOUR, 6 * HOUR, 24 * HOUR] {
        for (first, begin) in exchanges.iter().enumerate() {
            let within = exchanges[first..].iter().take_while(|next| next.at < begin.at + span);
            let (unreachable, reached): (Vec<_>, Vec<_>) =
                within.copied().partition(|exchange: &Exchange| exchange.unreachable);
            let most = bound(span, lifetime) + span.as_secs_f64() / 300.0 + 6.0;
            assert!(
                reached.len() as f64 <= most,
                "{run}: {} in {span:?} from {:?} > {most}",
                reached.len(),
                begin.at
            );
            let most = span.as_secs_f64() / 30.0 + 6.0;
            assert!(unreachable.len() as f64 <= most, "{run}: {} > {most}", unreachable.len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rule_37_a_week_of_faults_with_tokens_of_five_minutes() {
    check(300 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn rule_37_a_week_of_faults_with_tokens_of_an_hour() {
    check(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn rule_37_a_week_of_faults_with_tokens_of_a_day() {
    check(24 * HOUR).await;
}

/// The bound is for each key: a storm in one uses up nothing of another's. Each token is accepted for a while and then revoked: if
/// it were never accepted, the endpoint would be charged, and none fetched.
#[tokio::test(start_paused = true)]
async fn rule_37_each_key_has_its_own_budget() {
    let requested = Arc::new(Mutex::new(Vec::<(TokenKey, Instant)>::new()));
    let source = {
        let requested = Arc::clone(&requested);
        service_fn(move |request: TokenRequest| {
            let mut requested = requested.lock().unwrap();
            let token = format!("{}", requested.len());
            requested.push((request.key().clone(), Instant::now()));
            async { Ok::<_, TokenError>(Token::bearer(token)?.expires_in(HOUR)) }
        })
    };
    let api = {
        let requested = Arc::clone(&requested);
        service_fn(move |request: Request<Body>| {
            let token = request.headers()[AUTHORIZATION].to_str().unwrap();
            let number: usize = token.trim_start_matches("Bearer ").parse().unwrap();
            let (_, issued) = requested.lock().unwrap()[number];
            let status = if Instant::now() < issued + 20 * SECOND { 200 } else { 401 };
            async move { Response::builder().status(status).body(()) }
        })
    };
    let client = TokenCacheLayer::new(source).allow_any_https_origin().layer(api);
    let keys = ["a", "b", "c"].map(|name| TokenKey::new().with_organization(name));
    for _ in 0..3600 {
        for key in &keys {
            let mut request = get("/");
            request.extensions_mut().insert(TokenScope::new(key.clone()));
            client.clone().oneshot(request).await.unwrap();
        }
        advance(SECOND).await;
    }
    for key in &keys {
        let requested = requested.lock().unwrap().iter().filter(|(of, _)| of == key).count();
        assert!(requested as f64 <= bound(HOUR, HOUR) && requested >= 12, "{requested}");
    }
}
