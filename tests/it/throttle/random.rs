//! Random calls, drops and deadlines: the limit is kept, and nothing is left behind.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::Layer;
use tower_heed::{
    ThrottleLayer,
    extensions::{Deadline, Priority},
};

use super::{SECOND, is_throttled, only, send, server::Server};
use crate::support::{
    scripted::get,
    sim::{self, Chance, Headers, Rule},
};

fn millis(chance: &mut Chance, most: u64) -> Duration {
    Duration::from_millis(chance.between(0, most))
}

#[tokio::test(start_paused = true)]
async fn random_calls_drops_and_deadlines_keep_to_the_limit_and_leave_nothing_behind() {
    let (mut rate_limited, mut attempts, mut mistaken) = (0, 0, 0);
    for seed in 0..48 {
        let chance = &mut Chance::new(seed);
        let (limit, period) = (chance.between(5, 40), 2 * sim::SECOND);
        let rule = match seed % 3 {
            0 => Rule::Fixed { limit, period },
            1 => Rule::Sliding { limit, period },
            _ => Rule::Bucket { rate: limit, burst: limit },
        };
        let server = Server::new(rule, Headers::Epoch);
        let layer = ThrottleLayer::new();
        let handle = layer.handle();
        let mut client = layer.layer(server.clone());
        let mut calls = Vec::new();
        for _ in 0..300 {
            sleep(millis(chance, 60)).await;
            let mut request = get("/");
            let priority = [Priority::Low, Priority::Normal, Priority::High];
            request.extensions_mut().insert(priority[chance.between(0, 2) as usize]);
            if chance.between(0, 3) == 0 {
                let deadline = Instant::now() + millis(chance, 20_000);
                request.extensions_mut().insert(Deadline::at(deadline));
            }
            let mut client = client.clone();
            let call = tokio::spawn(async move { send(&mut client, request).await });
            if chance.between(0, 3) == 0 {
                let (call, after) = (call.abort_handle(), millis(chance, 3_000));
                tokio::spawn(async move {
                    sleep(after).await;
                    call.abort();
                });
            }
            calls.push(call);
        }
        for call in calls {
            match call.await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    assert!(is_throttled(&error), "seed {seed}: {error}");
                }
                Err(dropped) => assert!(dropped.is_cancelled(), "seed {seed}"),
            }
        }
        sleep(SECOND).await;
        let shown = only(handle.snapshot());
        assert_eq!((shown.queued(), shown.in_flight()), (0, 0), "seed {seed}: {shown:?}");
        let last = send(&mut client, get("/")).await.unwrap();
        mistaken += usize::from(last.status() != 200);
        let counted = server.counted();
        rate_limited += counted.rate_limited;
        attempts += counted.accepted + counted.rate_limited;
    }
    // For one in fifty the kind of its limiter is mistaken.
    assert!(mistaken <= 1, "{mistaken}");
    assert!(rate_limited * 100 < attempts, "{rate_limited} of {attempts} rate limited");
}
