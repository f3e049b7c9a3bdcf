//! A quota takes little memory, whatever happened.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Observation, Quota, Reading, Reset};

const CALLS: u64 = 200_000;
const MOST: u64 = 64 * 1_024;

/// The response to a call, or none ever.
type Server = fn(u64) -> Option<Observation>;

fn accepted(_: u64) -> Option<Observation> {
    Some(Observation::default())
}

fn never(call: u64) -> Option<Observation> {
    (call % 2 == 0).then(Observation::default)
}

fn rejected(call: u64) -> Option<Observation> {
    Some(Observation { rate_limited: call % 50_000 == 49_999, ..Observation::default() })
}

/// A window of an hour, of which others take as much, and three more counters.
fn counted(call: u64) -> Option<Observation> {
    let reading = |name| {
        let reset = Some(Reset::In(Duration::from_secs(3_600 - call / 200)));
        let remaining = 1_000_000_u64.saturating_sub(2 * call);
        Some(Reading { name, limit: Some(1_000_000), remaining, reset })
    };
    Some(Observation { readings: [1, 2, 3, 4].map(reading), ..Observation::default() })
}

#[test]
fn a_quota_is_small_after_any_history() {
    let servers: [(&str, Server); 4] =
        [("accepted", accepted), ("never", never), ("rejected", rejected), ("counted", counted)];
    for (name, server) in servers {
        let mut kept = None;
        let allocated = allocation_counter::measure(|| {
            let (mut quota, mut now) = (Quota::new(), Instant::now());
            for call in 0..CALLS {
                match quota.acquire(now) {
                    Availability::Now(permit) => {
                        now += Duration::from_millis(1);
                        if let Some(seen) = server(call) {
                            quota.on_response(permit, now, &seen);
                        }
                    }
                    Availability::At(at) | Availability::AfterResponse { or_at: at } => now = at,
                }
            }
            kept = Some(quota);
        });
        drop(kept);
        let bytes = allocated.bytes_current;
        println!("{name}: {bytes} bytes");
        assert!(bytes <= MOST as i64, "{name}: {bytes} bytes");
    }
}
