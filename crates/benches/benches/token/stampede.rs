//! All callers at once on a cold cache: with a fetch that succeeds, and with one that fails.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet};

use super::sharing::{FETCH, Issuer, Sharing};

const CALLERS: usize = 10_000;
/// Fewer, since most make as many fetches one after the other.
const REFUSED: usize = 100;

pub(super) async fn stampede() {
    for (callers, fails) in [(CALLERS, false), (REFUSED, true)] {
        let outcome = if fails { "fails" } else { "succeeds" };
        println!("\n{callers} callers on a cold cache, whose fetch of {FETCH:?} {outcome}");
        println!("{:<34} {:>7} {:>7} {:>10}", "", "fetches", "served", "ms");
        let floor = wake_ups(callers).await;
        println!("{:<34} {:>7} {:>7} {:>10.1}", "floor: a watch that changes", "", "", ms(floor));
        for (name, empty) in Sharing::ALL {
            let issuer = Issuer::new(fails);
            let sharing = empty(&issuer);
            let start = Instant::now();
            let mut set = JoinSet::new();
            for _ in 0..callers {
                set.spawn(sharing.clone().call(issuer.clone()));
            }
            let served = set.join_all().await.into_iter().filter(|served| *served).count();
            let (fetches, took) = (issuer.fetches.load(Relaxed), ms(start.elapsed()));
            println!("{name:<34} {fetches:>7} {served:>7} {took:>10.1}");
        }
    }
}

/// The same number of tasks that wait for one `watch` to change after as long as a fetch takes.
async fn wake_ups(callers: usize) -> Duration {
    let (send, receive) = watch::channel(false);
    let start = Instant::now();
    let mut set = JoinSet::new();
    for _ in 0..callers {
        let mut receive = receive.clone();
        set.spawn(async move { drop(receive.wait_for(|done| *done).await) });
    }
    tokio::time::sleep(FETCH).await;
    send.send(true).unwrap();
    set.join_all().await;
    start.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
