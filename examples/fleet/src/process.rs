//! One process of a fleet: a stack whose token and quota are shared. This is the part to copy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    time::interval,
};
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_heed::{
    BoxError, Stack, ThrottleLayer, TokenCacheLayer,
    oauth::ClientCredentials,
    store::{QuotaRequest, SealingKeys, SlotRequest},
    token_cache::{Shared, Token, TokenRequest},
};
use tower_heed_redis::Store;

/// Callers in one process. Each sends the next request when the response to the last one is there.
const CALLERS: usize = 8;

/// What a process is told when it starts: in a line on its standard input, since it holds secrets.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Setup {
    pub api: String,
    pub token_url: String,
    pub client_id: String,
    pub client_secret: String,
    pub audience: String,
    /// The address of the store, if there is one.
    pub store: Option<String>,
    /// The same in all processes. In production both are from a secret store.
    pub namespace: [u8; 32],
    pub key: [u8; 32],
}

/// What a process says: in a line on its standard output, each quarter of a second.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// Calls of the store.
    pub store_calls: u64,
    /// Calls that did not end in a 200.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counts {
    store_calls: AtomicU64,
    failed: AtomicU64,
}

type TokenSource = BoxCloneSyncService<TokenRequest, Token, tower_heed::error::TokenError>;

/// Runs until standard input is closed.
#[allow(clippy::large_futures, reason = "it is the whole program")]
pub async fn run() -> Result<(), BoxError> {
    let mut input = BufReader::new(stdin()).lines();
    let line = input.next_line().await?.ok_or("no setup on standard input")?;
    let setup: Setup = serde_json::from_str(&line)?;
    let counts = Arc::new(Counts::default());
    let callers = call(&setup, &counts)?;
    let reports = async {
        let mut ticks = interval(Duration::from_millis(250));
        loop {
            ticks.tick().await;
            let (store_calls, failed) =
                (counts.store_calls.load(Relaxed), counts.failed.load(Relaxed));
            println!("{}", serde_json::to_string(&Report { store_calls, failed })?);
        }
    };
    tokio::select! {
        _ = input.next_line() => Ok(()),
        end = reports => end,
        () = callers => Ok(()),
    }
}

fn call(setup: &Setup, counts: &Arc<Counts>) -> Result<impl Future<Output = ()>, BoxError> {
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let Setup { token_url, client_id, client_secret, .. } = setup;
    let credentials =
        ClientCredentials::new(http.clone(), token_url, client_id, client_secret.clone())?
            .audience(&setup.audience);
    let mut throttle = ThrottleLayer::new();
    let mut source: TokenSource = BoxCloneSyncService::new(credentials.clone());
    if let Some(address) = &setup.store {
        let store = Store::new(connect(address)?);
        let keys = SealingKeys::new(&setup.namespace, 1, &setup.key);

        // Any tower layer goes around a store: here one that counts.
        let (asked, fetched) = (Arc::clone(counts), Arc::clone(counts));
        let quotas = store.clone().map_request(move |request: QuotaRequest| {
            asked.store_calls.fetch_add(1, Relaxed);
            request
        });
        let slots = store.map_request(move |request: SlotRequest| {
            fetched.store_calls.fetch_add(1, Relaxed);
            request
        });
        throttle = throttle.fleet(quotas, keys.clone());
        let own = credentials.key().clone();
        source = BoxCloneSyncService::new(Shared::new(own, credentials, slots, keys));
    }
    let token = TokenCacheLayer::new(source).allow_origin(setup.api.parse()?);
    let client = Stack::new().throttle(throttle).token_cache(token).service(http);

    let callers = (0..CALLERS).map(|caller| {
        let (client, counts) = (client.clone(), Arc::clone(counts));
        let url = format!("{}/api/v2/users/u{caller}", setup.api);
        tokio::spawn(async move {
            while let Ok(request) = Request::get(&url).body(Full::<Bytes>::default()) {
                let ok = match client.clone().oneshot(request).await {
                    Ok(response) => {
                        let ok = response.status().is_success();
                        ok && response.into_body().collect().await.is_ok()
                    }
                    Err(_) => false,
                };
                counts.failed.fetch_add(u64::from(!ok), Relaxed);
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    Ok(async move {
        for caller in callers {
            let _ended = caller.await;
        }
    })
}

/// Connects when it is needed: a process starts without its store as well. The limits are below those of the crate's own calls, so
/// that a server that comes back is found soon.
fn connect(address: &str) -> Result<ConnectionManager, BoxError> {
    let config = ConnectionManagerConfig::new()
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(200))
        .set_connection_timeout(Some(Duration::from_millis(200)))
        .set_response_timeout(Some(Duration::from_millis(200)));
    Ok(redis::Client::open(address)?.get_connection_manager_lazy(config)?)
}
