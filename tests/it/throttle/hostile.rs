//! Responses are data from outside.

use tokio::time::Instant;
use tower::Layer;
use tower_heed::ThrottleLayer;

use super::{SECOND, is_throttled, millis, send};
use crate::support::{probe::probe, scripted::get};

#[tokio::test(start_paused = true)]
async fn no_server_holds_a_caller_beyond_max_wait_or_a_key_beyond_max_block() {
    let cases: &[&[(&str, &str)]] = &[
        &[("retry-after", "18446744073709551616")],
        &[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")],
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "253402300799")],
        &[("x-ratelimit-limit", "0"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "0")],
        &[("x-ratelimit-limit", "1"), ("x-ratelimit-remaining", "18446744073709551616")],
        &[("ratelimit-limit", "0"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "-1")],
        &[("ratelimit", "\"a\";r=0;t=99999999999999")],
    ];
    for headers in cases {
        for status in [200, 429] {
            let (probe, watch) = probe(4);
            let layer = ThrottleLayer::new().max_block(60 * SECOND).max_wait(30 * SECOND);
            let mut client = layer.layer(probe);
            let start = Instant::now();
            for _ in 0..3 {
                watch.respond(status, headers);
                if let Err(error) = send(&mut client, get("/")).await {
                    assert!(is_throttled(&error), "{headers:?}: {error}");
                }
            }
            assert!(millis(start) <= 91_000, "{headers:?}: {} ms", millis(start));
            // After the longest block it probes again.
            tokio::time::sleep(61 * SECOND).await;
            let sends = watch.attempts();
            let probed = send(&mut client, get("/again")).await;
            assert!(probed.is_ok() && watch.attempts() > sends, "{headers:?} {status}: {probed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_flaps_blocks_no_request_for_long() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new().max_block(60 * SECOND);
    let mut client = layer.layer(probe);
    let resets = ["1700000060", "1700000001", "253402300799", "0", "1700000003", "99"];
    let mut sent = 0;
    let start = Instant::now();
    for round in 0..200 {
        let left = if round % 3 == 0 { "0" } else { "5" };
        watch.respond(
            if round % 7 == 0 { 429 } else { 200 },
            &[
                ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
                ("x-ratelimit-limit", "10"),
                ("x-ratelimit-remaining", left),
                ("x-ratelimit-reset", resets[round % resets.len()]),
            ],
        );
        let begun = Instant::now();
        sent += usize::from(send(&mut client, get("/")).await.is_ok());
        assert!(millis(begun) <= 90_000, "{} ms in round {round}", millis(begun));
    }
    assert_eq!(sent, 200);
    assert!(millis(start) < 200 * 61_000, "{} ms", millis(start));
}
