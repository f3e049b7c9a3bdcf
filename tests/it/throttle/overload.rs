//! More is asked than the limit allows: permits go to callers that live to see the response.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, sleep, timeout_at};
use tower::{Layer, service_fn};
use tower_heed::{ThrottleLayer, extensions::Deadline};

use super::{SECOND, send};
use crate::support::{
    probe::Body,
    scripted::get,
    sim::{self, Limiter, Rule},
};

/// A server and its clients.
#[derive(Clone, Copy, Debug)]
struct Load {
    limit: u64,
    period: u64,
    /// The calls for each that the limit allows.
    offered: f64,
    /// How long a response takes, from and to.
    took: (u64, u64),
    /// How long a caller waits, from and to.
    patience: (u64, u64),
    has_counters: bool,
}

const MILLI: Duration = Duration::from_millis(1);

// === impl Load ===

impl Load {
    fn rate(&self) -> f64 {
        self.limit as f64 / Duration::from_nanos(self.period).as_secs_f64()
    }

    /// The share of the responses that an ideal scheduler would get its callers, once the limit is learned.
    async fn goodput(self) -> f64 {
        let start = Instant::now();
        let limiter =
            Mutex::new(Limiter::new(Rule::Fixed { limit: self.limit, period: self.period }));
        let (limiter, count) = (Arc::new(limiter), Arc::new(AtomicUsize::new(0)));
        let server = service_fn(move |_: Request<Body>| {
            let (limiter, count) = (Arc::clone(&limiter), Arc::clone(&count));
            async move {
                let now = 1_700_000_000 * sim::SECOND
                    + Instant::now().saturating_duration_since(start).as_nanos() as u64;
                let left = limiter.lock().unwrap().arrive(now);
                let mut response = Response::builder();
                if self.has_counters {
                    let reset = (left.reset - now).div_ceil(sim::SECOND);
                    response = response
                        .header("x-ratelimit-limit", left.limit)
                        .header("x-ratelimit-remaining", left.remaining)
                        .header("x-ratelimit-reset", reset);
                }
                if left.accepted {
                    let count = count.fetch_add(1, Ordering::Relaxed) as u64;
                    sleep(MILLI * between(self.took, count) as u32).await;
                } else {
                    response = response.status(429);
                    sleep(MILLI).await;
                }
                Ok::<_, Infallible>(response.body(Body::default()).unwrap())
            }
        });
        let client = ThrottleLayer::new().layer(server);
        let (calls, gap) = (self.rate() * self.offered * 420.0, 1.0 / self.rate() / self.offered);
        let useful = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for number in 0..calls as u64 {
            tokio::time::sleep_until(start + Duration::from_secs_f64(gap * number as f64)).await;
            let deadline = Instant::now() + MILLI * between(self.patience, number) as u32;
            let (mut client, useful) = (client.clone(), Arc::clone(&useful));
            tasks.push(tokio::spawn(async move {
                let mut request = get("/");
                request.extensions_mut().insert(Deadline::at(deadline));
                let called = timeout_at(deadline, send(&mut client, request)).await;
                if called.is_ok_and(|called| called.is_ok_and(|response| response.status() == 200))
                {
                    let at = Instant::now().saturating_duration_since(start);
                    if (240 * SECOND..420 * SECOND).contains(&at) {
                        useful.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let ideal = self.rate() * self.offered.min(1.0) * 180.0;
        useful.load(Ordering::Relaxed) as f64 / ideal
    }
}

/// Spread evenly over the range.
fn between((from, to): (u64, u64), number: u64) -> u64 {
    from + number.wrapping_mul(7_919) % 1_000 * (to - from) / 1_000
}

#[tokio::test(start_paused = true)]
async fn permits_go_to_callers_that_live_to_see_the_response() {
    let mut low = Vec::new();
    for (limit, period) in [(100, 20 * sim::SECOND), (60, 60 * sim::SECOND)] {
        for offered in [0.5, 1.5, 10.0] {
            for took in [(5, 5), (1_000, 1_000), (5_000, 5_000), (200, 1_500)] {
                for patience in [(2_000, 2_000), (10_000, 10_000), (2_000, 60_000)] {
                    if patience.1 <= took.1 {
                        continue;
                    }
                    let load = Load { limit, period, offered, took, patience, has_counters: true };
                    let share = load.goodput().await;
                    if share < 0.9 {
                        low.push(format!("{share:.2} {load:?}"));
                    }
                }
            }
        }
    }
    assert!(low.is_empty(), "{low:#?}");
}
