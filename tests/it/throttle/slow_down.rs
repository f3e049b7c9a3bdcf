//! Whichever way the server asks to slow down, it is obeyed; what only resembles that is not.

use tokio::time::Instant;
use tower::Layer;
use tower_heed::{ErrorClassifyLayer, ThrottleLayer};

use super::{millis, send};
use crate::support::{probe::probe, scripted::get};

/// Milliseconds that the request after such a response is held for.
async fn held(status: u16, headers: &[(&str, &str)]) -> u128 {
    let mut all = Vec::new();
    for is_error in [false, true] {
        let (probe, watch) = probe(4);
        let classify = ErrorClassifyLayer::new();
        let classify = if is_error { classify.error_for_status() } else { classify };
        let mut client = ThrottleLayer::new().layer(classify.layer(probe));
        watch.respond(status, headers);
        let _failure = send(&mut client, get("/")).await;
        let start = Instant::now();
        assert!(send(&mut client, get("/")).await.is_ok());
        all.push(millis(start));
    }
    assert_eq!(all[0], all[1], "{status} {headers:?}: as a response and as an error");
    all[0]
}

#[tokio::test(start_paused = true)]
async fn each_form_of_a_delay_holds_the_key() {
    for value in [
        "30",
        "29.75",
        "Sun, 01 Mar 2026 12:00:30 GMT",
        "1772366430",
        "1772366430000",
        "2026-03-01T12:00:30Z",
        "2026-03-01T14:00:30+02:00",
    ] {
        for status in [429, 403, 503, 529] {
            let date = ("date", "Sun, 01 Mar 2026 12:00:00 GMT");
            let held = held(status, &[date, ("retry-after", value)]).await;
            assert!((29_700..31_000).contains(&held), "{status} {value}: {held} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_on_another_failure_holds_nothing() {
    for status in [400, 401, 404, 500, 502, 504] {
        assert_eq!(held(status, &[("retry-after", "30")]).await, 0, "{status}");
    }
    // A server that is overloaded gets a probe a moment later, and no delay that it did not name.
    for status in [503, 529] {
        assert!(held(status, &[]).await < 50, "{status}");
        assert!(held(status, &[("retry-after", "soon")]).await < 50, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_without_units_is_waited_for() {
    let held = held(429, &[("x-ratelimit-reset", "30")]).await;
    assert!((30_000..31_000).contains(&held), "{held} ms");
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_is_no_window_and_its_reset_no_wait() {
    let okta = |limit, left| {
        [
            ("x-rate-limit-limit", limit),
            ("x-rate-limit-remaining", left),
            ("x-rate-limit-reset", "600"),
        ]
    };
    for (limit, left) in [("0", "0"), ("-1", "0"), ("-1", "-1"), ("0", "-1")] {
        let held = held(429, &okta(limit, left)).await;
        assert!(held < 5_000, "{limit}, {left}: {held} ms");
    }
    let held_too = held(200, &okta("0", "0")).await;
    assert_eq!(held_too, 0);
    let delayed = [&okta("0", "0")[..], &[("retry-after", "30")]].concat();
    let held_longer = held(429, &delayed).await;
    assert!((30_000..31_000).contains(&held_longer), "{held_longer} ms");
}

#[tokio::test(start_paused = true)]
async fn the_push_back_of_the_drafts_is_meant() {
    let lines = [("ratelimit-limit", "0"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "20")];
    let held = held(429, &lines).await;
    assert!((20_000..21_000).contains(&held), "{held} ms");
}
