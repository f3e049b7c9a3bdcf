//! `ThrottleLayer::fleet`: processes that keep to one limit through a store.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Request, Response};
use limiter_sim::{Headers, Limiter, Rule, SECOND as NANOS};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, ThrottleLayer,
    store::{InMemory, QuotaReply, QuotaRequest, SealingKeys},
    throttle::ThrottleHandle,
};

use super::SECOND;

const FIXED: Rule = Rule::Fixed { limit: 50, period: NANOS };

/// The API of one tenant, and what it has counted.
#[derive(Clone)]
struct Api {
    limiter: Arc<Mutex<Limiter>>,
    headers: Headers,
    begun: Instant,
    accepted: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl Api {
    fn new(rule: Rule, headers: Headers) -> Self {
        let limiter = Arc::new(Mutex::new(Limiter::new(rule)));
        let (accepted, refused) = Default::default();
        Self { limiter, headers, begun: Instant::now(), accepted, refused }
    }

    async fn respond(self) -> Result<Response<()>, BoxError> {
        sleep(Duration::from_millis(1)).await;
        let passed = (Instant::now() - self.begun).as_nanos() as u64;
        let now = 1_700_000_000 * NANOS + 300_000_000 + passed;
        let left = self.limiter.lock().unwrap().arrive(now);
        let count = if left.accepted { &self.accepted } else { &self.refused };
        count.fetch_add(1, Relaxed);
        sleep(Duration::from_millis(5)).await;
        let mut response = Response::new(());
        *response.status_mut() = if left.accepted { 200 } else { 429 }.try_into()?;
        *response.headers_mut() = self.headers.fields(&left, now);
        Ok(response)
    }

    fn counts(&self) -> (u64, u64) {
        (self.accepted.load(Relaxed), self.refused.load(Relaxed))
    }
}

/// A store that is down while it is told to be, and counts its calls.
#[derive(Clone, Default)]
struct Store {
    inner: InMemory,
    is_down: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
}

impl Store {
    fn service(
        &self,
    ) -> impl Service<QuotaRequest, Response = QuotaReply, Error = BoxError, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static {
        let store = self.clone();
        service_fn(move |request| {
            let store = store.clone();
            async move {
                store.calls.fetch_add(1, Relaxed);
                sleep(Duration::from_micros(300)).await;
                if store.is_down.load(Relaxed) {
                    return Err(io::Error::other("refused").into());
                }
                Ok(store.inner.oneshot(request).await?)
            }
        })
    }
}

/// So many processes with so many callers each, that always want more.
fn start(api: &Api, store: &Store, processes: usize, callers: usize) -> Vec<ThrottleHandle> {
    let keys = SealingKeys::in_clear_text(&[7; 32]);
    let process = |_| {
        let throttle = ThrottleLayer::new().fleet(store.service(), keys.clone());
        let handle = throttle.handle();
        let api = api.clone();
        let client = throttle.layer(service_fn(move |_: Request<()>| api.clone().respond()));
        for _ in 0..callers {
            let client = client.clone();
            tokio::spawn(async move {
                loop {
                    let request = Request::get("https://id.example/users").body(()).unwrap();
                    let _response = client.clone().oneshot(request).await;
                }
            });
        }
        handle
    };
    (0..processes).map(process).collect()
}

#[tokio::test(start_paused = true)]
async fn a_fleet_keeps_to_one_limit() {
    for headers in [Headers::Epoch, Headers::Bare] {
        let (api, store) = (Api::new(FIXED, headers), Store::default());
        let handles = start(&api, &store, 8, 8);
        sleep(5 * SECOND).await;
        let (before, refused_before) = api.counts();
        let calls_before = store.calls.load(Relaxed);
        sleep(20 * SECOND).await;
        let (accepted, refused) = api.counts();
        let calls = (store.calls.load(Relaxed) - calls_before) as f64 / 20.0 / 8.0;
        let (accepted, refused) = (accepted - before, refused - refused_before);
        println!(
            "{headers:?}: {accepted} of 1000, {refused} refused, {calls} calls a process and second"
        );
        assert!(accepted >= 950, "{headers:?}: {accepted}");
        assert!(refused <= accepted / 50, "{headers:?}: {refused} refused");
        assert!(calls <= 2.2, "{headers:?}: {calls} calls");
        assert!(handles.iter().all(|handle| handle.snapshot()[0].permits().is_some()));
        assert!(!handles.iter().any(|handle| handle.snapshot()[0].is_without_store()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_store_is_hardly_noticed() {
    let (api, store) = (Api::new(FIXED, Headers::Epoch), Store::default());
    let handles = start(&api, &store, 8, 8);
    sleep(8 * SECOND).await;
    let (before, refused_before) = api.counts();
    store.is_down.store(true, Relaxed);
    sleep(12 * SECOND).await;
    let (accepted, refused) = api.counts();
    assert!(handles.iter().all(|handle| handle.snapshot()[0].is_without_store()));
    println!("outage: {} of 600, {} refused", accepted - before, refused - refused_before);
    assert!(accepted - before >= 510, "{}", accepted - before);
    assert!(refused - refused_before <= 30, "{}", refused - refused_before);
    store.is_down.store(false, Relaxed);
    sleep(3 * SECOND).await;
    assert!(!handles.iter().any(|handle| handle.snapshot()[0].is_without_store()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_never_there_leaves_the_process_to_its_own_quota() {
    let (api, store) = (Api::new(FIXED, Headers::Epoch), Store::default());
    store.is_down.store(true, Relaxed);
    let _handles = start(&api, &store, 1, 8);
    sleep(10 * SECOND).await;
    let (accepted, refused) = api.counts();
    assert!(accepted >= 440 && refused <= 5, "{accepted}, {refused}");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_idle_asks_nothing() {
    let (api, store) = (Api::new(FIXED, Headers::Epoch), Store::default());
    let keys = SealingKeys::in_clear_text(&[7; 32]);
    let throttle = ThrottleLayer::new().fleet(store.service(), keys);
    let respond = api.clone();
    let client = throttle.layer(service_fn(move |_: Request<()>| respond.clone().respond()));
    for _ in 0..3 {
        let request = Request::get("https://id.example/users").body(()).unwrap();
        client.clone().oneshot(request).await.unwrap();
    }
    sleep(30 * SECOND).await;
    let calls = store.calls.load(Relaxed);
    sleep(60 * SECOND).await;
    assert_eq!(store.calls.load(Relaxed), calls);
    assert_eq!(api.counts(), (3, 0));
}
