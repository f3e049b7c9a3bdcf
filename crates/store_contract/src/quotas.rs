//! The suite of quotas, and fleets of processes that keep to one limit.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use limiter_sim::{Headers, Limiter, Rule, SECOND};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, ThrottleLayer,
    store::{InMemory, QuotaReply, QuotaRequest, SealingKeys, StoreName},
    token_cache::{Shared, TokenKey},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A store of quotas.
pub trait QuotaStore:
    Service<QuotaRequest, Response = QuotaReply, Error: Into<BoxError>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> QuotaStore for S where
    S: Service<QuotaRequest, Response = QuotaReply, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The name of a record.
#[must_use]
pub fn name_of(name: &str) -> StoreName {
    let keys = SealingKeys::in_clear_text(&[0; 32]);
    Shared::new(TokenKey::new(), (), InMemory::new(), keys)
        .name(&TokenKey::new().with_audience(name))
}

async fn call(store: &impl QuotaStore, request: QuotaRequest) -> QuotaReply {
    store.clone().oneshot(request).await.map_err(Into::into).unwrap()
}

/// The time of the store, and the record.
async fn read(store: &impl QuotaStore, name: &StoreName) -> (Duration, Option<Bytes>) {
    match call(store, QuotaRequest::Read { name: name.clone() }).await {
        QuotaReply::Record { now, record } => (now, record),
        reply => panic!("{reply:?}"),
    }
}

/// What every store of quotas has to do.
pub async fn suite(store: &impl QuotaStore) {
    let name = name_of("compare and set");
    let (now, record) = read(store, &name).await;
    assert_eq!(record, None);
    let swap = |was: Option<&'static [u8]>, record: &'static [u8], ttl| QuotaRequest::Swap {
        name: name.clone(),
        was: was.map(Bytes::from_static),
        record: Bytes::from_static(record),
        ttl,
        deadline: now + MINUTE,
    };
    assert_eq!(call(store, swap(None, b"\x01\0one", MINUTE)).await, QuotaReply::Swapped);
    let is_record = |reply, wanted: &'static [u8]| match reply {
        QuotaReply::Record { now: time, record } => {
            assert_eq!(record.as_deref(), Some(wanted));
            assert!(time >= now && time < now + MINUTE);
        }
        reply => panic!("{reply:?}"),
    };
    // Another was faster.
    is_record(call(store, swap(None, b"two", MINUTE)).await, b"\x01\0one");
    is_record(call(store, swap(Some(b"two"), b"three", MINUTE)).await, b"\x01\0one");
    // Nobody waits for it any more.
    let late = QuotaRequest::Swap {
        name: name.clone(),
        was: Some(Bytes::from_static(b"\x01\0one")),
        record: Bytes::from_static(b"late"),
        ttl: MINUTE,
        deadline: now.saturating_sub(Duration::from_secs(2)),
    };
    is_record(call(store, late).await, b"\x01\0one");
    let short = Duration::from_secs(1);
    assert_eq!(call(store, swap(Some(b"\x01\0one"), b"four", short)).await, QuotaReply::Swapped);
    let (before, record) = read(store, &name).await;
    assert_eq!(record.as_deref(), Some(&b"four"[..]));
    sleep(Duration::from_millis(2_300)).await;
    let (after, record) = read(store, &name).await;
    assert_eq!(record, None, "kept for a second");
    let passed = after - before;
    assert!(passed > short && passed < 20 * short, "{passed:?}");
}

/// An API with a limit, and what it has counted.
#[derive(Clone)]
pub struct Api {
    limiter: Arc<Mutex<Limiter>>,
    headers: Headers,
    begun: Instant,
    counts: Arc<[AtomicU64; 2]>,
}

/// Processes that want more than there is. They end when it is dropped.
pub struct Fleet {
    pub api: Api,
    _callers: JoinSet<()>,
}

impl Api {
    async fn respond(self) -> Result<Response<()>, BoxError> {
        let passed = (Instant::now() - self.begun).as_nanos() as u64;
        let now = 1_700_000_000 * SECOND + passed;
        let left = self.limiter.lock().unwrap().arrive(now);
        self.counts[usize::from(!left.accepted)].fetch_add(1, Relaxed);
        sleep(Duration::from_millis(5)).await;
        let mut response = Response::new(());
        *response.status_mut() = if left.accepted { 200 } else { 429 }.try_into()?;
        *response.headers_mut() = self.headers.fields(&left, now);
        Ok(response)
    }

    fn counts(&self) -> [u64; 2] {
        [0, 1].map(|at| self.counts[at].load(Relaxed))
    }

    /// How many requests were accepted and how many were rejected in this span.
    pub async fn count(&self, span: Duration) -> [u64; 2] {
        let before = self.counts();
        sleep(span).await;
        let after = self.counts();
        [after[0] - before[0], after[1] - before[1]]
    }
}

impl Fleet {
    /// A process for each of the stores, with eight callers.
    pub fn start<S: QuotaStore>(stores: &[S], rule: Rule, headers: Headers) -> Self {
        let limiter = Arc::new(Mutex::new(Limiter::new(rule)));
        let api = Api { limiter, headers, begun: Instant::now(), counts: Arc::default() };
        let mut callers = JoinSet::new();
        let keys = SealingKeys::in_clear_text(&[7; 32]);
        for store in stores {
            let throttle = ThrottleLayer::new().fleet(store.clone(), keys.clone());
            let api = api.clone();
            let client = throttle.layer(service_fn(move |_: Request<()>| api.clone().respond()));
            for _ in 0..8 {
                let client = client.clone();
                callers.spawn(async move {
                    loop {
                        let request = Request::get("https://id.example/users").body(()).unwrap();
                        let _response = client.clone().oneshot(request).await;
                    }
                });
            }
        }
        Self { api, _callers: callers }
    }
}
