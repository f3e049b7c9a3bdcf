//! One call with a token available.

use std::{future::Future, sync::Arc, time::Instant};

use allocation_counter::measure;
use arc_swap::ArcSwap;
use moka::future::Cache;
use tokio::{
    runtime::Builder,
    sync::{RwLock, watch},
    task::JoinSet,
};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    TokenCacheLayer,
    token_cache::{StaticToken, TokenKey, TokenScope},
};

use super::{
    places::{KEY, Place, Simple},
    setting::{Api, DAY, ORIGIN, TOKEN, header, request, source},
};

const ROUNDS: usize = 60;
const CALLS: usize = 10_000;

pub(super) async fn hits() {
    println!("{:<34} {:>7} {:>7} {:>7} {:>5}", "ns over `bare`, by tasks", 1, 8, 64, "alloc");
    let bare = row("bare (absolute)", None, || async {
        drop(Api.call(request()).await);
    })
    .await;
    let moka = Cache::builder().max_capacity(64).time_to_live(DAY).build();
    moka.insert(KEY, header()).await;
    let swap = Arc::new(ArcSwap::from_pointee(header()));
    let (_keep, receiver) = watch::channel(header());
    for (name, place) in [
        ("arc-swap", Place::Swap(Arc::clone(&swap))),
        ("arc-swap, one clock", Place::SwapAndClocks(Arc::clone(&swap), 1)),
        ("arc-swap, two clocks", Place::SwapAndClocks(swap, 2)),
        ("tokio watch", Place::Watch(receiver)),
        ("tokio RwLock", Place::Lock(Arc::new(RwLock::new(header())))),
        ("moka's future cache", Place::Moka(moka)),
    ] {
        let simple = Simple(place);
        row(name, Some(bare), move || {
            let simple = simple.clone();
            async move { simple.send(request()).await }
        })
        .await;
    }
    let static_token = TokenCacheLayer::new(StaticToken::new(TOKEN).unwrap());
    let scope = TokenScope::new(TokenKey::new().with_audience("https://acme.eu.auth0.com/api/v2/"));
    for (name, layer, scope) in [
        ("ours, static token", static_token.allow_origin(ORIGIN.parse().unwrap()), None),
        ("ours, replay left to the retry layer", source().leave_replay_to_retry(), None),
        ("ours, with a copy for the replay", source(), None),
        ("ours, a key in the request", source().leave_replay_to_retry(), Some(scope)),
    ] {
        let client = layer.layer(Api);
        row(name, Some(bare), move || {
            let (mut client, mut request) = (client.clone(), request());
            if let Some(scope) = &scope {
                request.extensions_mut().insert(scope.clone());
            }
            async move { drop(client.ready().await.unwrap().call(request).await) }
        })
        .await;
    }
}

async fn row<F, Fut>(name: &str, bare: Option<([f64; 3], u64)>, call: F) -> ([f64; 3], u64)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let mut times = [0.0; 3];
    for (time_of, tasks) in times.iter_mut().zip([1, 8, 64]) {
        *time_of = time(tasks, call.clone()).await;
    }
    let count = std::thread::spawn(move || allocations(call)).join().unwrap();
    let (base, least) = bare.unwrap_or_default();
    let [one, eight, many] = [0, 1, 2].map(|index| times[index] - base[index]);
    println!("{name:<34} {one:>7.0} {eight:>7.0} {many:>7.0} {:>5}", count - least);
    (times, count)
}

/// The time of one call, in nanoseconds, with so many tasks at once; the fastest of several rounds, since a
/// busy machine only adds to it.
async fn time<F, Fut>(tasks: usize, call: F) -> f64
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let each = CALLS / tasks;
        let start = Instant::now();
        let mut set = JoinSet::new();
        for _ in 0..tasks {
            let call = call.clone();
            set.spawn(async move {
                for _ in 0..each {
                    call().await;
                }
            });
        }
        set.join_all().await;
        rounds.push(start.elapsed().as_nanos() as f64 / (each * tasks) as f64);
    }
    rounds.into_iter().fold(f64::MAX, f64::min)
}

/// The allocations of one call, counted.
fn allocations<Fut: Future<Output = ()>>(call: impl Fn() -> Fut) -> u64 {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call());
    let counted = |times: usize| {
        measure(|| {
            runtime.block_on(async {
                for _ in 0..times {
                    call().await;
                }
            });
        })
        .count_total
    };
    // The difference of the two leaves out what the runtime needs by itself.
    (counted(1001) - counted(1)) / 1000
}
