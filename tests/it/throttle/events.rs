//! What is logged: changes of state, and nothing for each request.

use tower::Layer;
use tower_heed::ThrottleLayer;

use super::{refuse, send, spawn};
use crate::support::{events::Events, probe::probe, scripted::get};

#[tokio::test(start_paused = true)]
async fn a_hold_is_logged_when_it_begins_and_when_it_ends() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    refuse(&mut client, &watch).await;
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(spawn(&client, get("/users/1?secret=1")).await);
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let held = events.named("requests are held back");
    assert_eq!(held.len(), 1, "{}", events.text());
    assert_eq!(held[0].field("key"), Some("https://id.example"));
    let wait: u64 = held[0].field("wait_ms").unwrap().parse().unwrap();
    assert!((10_000..10_100).contains(&wait), "{wait}");
    let released = events.named("requests are no longer held back");
    assert_eq!(released.len(), 1, "{}", events.text());
    assert_eq!(released[0].field("requests"), Some("5"));
    let waited: u64 = released[0].field("waited_ms").unwrap().parse().unwrap();
    assert!((10_000..11_000).contains(&waited), "{waited}");
    assert!(!events.text().contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_logged_when_it_is_learnt_and_when_it_changes() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    for (limit, remaining) in [("9", "8"), ("9", "7"), ("9", "6"), ("20", "15")] {
        let headers = &[
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", remaining),
            ("ratelimit-reset", "30"),
        ];
        watch.respond(200, headers);
        send(&mut client, get("/")).await.unwrap();
    }
    let learnt = events.named("learnt the server's limit");
    let limits: Vec<_> = learnt.iter().map(|event| event.field("limit")).collect();
    assert_eq!(limits, [Some("9"), Some("20")], "{}", events.text());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_the_rate_of_a_bucket() {
    use tower_heed::policy::quota::Kind;

    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new();
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    // A bucket of one unit a second: each request puts off the moment at which it is full.
    for taken in 1..4_u64 {
        let (left, full) = ((10 - taken).to_string(), taken.to_string());
        let headers = &[
            ("ratelimit-limit", "10"),
            ("ratelimit-remaining", &*left),
            ("ratelimit-reset", &*full),
        ];
        watch.respond(200, headers);
        send(&mut client, get("/")).await.unwrap();
    }
    let shown = super::only(handle.snapshot());
    assert!(
        matches!(shown.kind(), Kind::Bucket { per_second } if (0.5..2.0).contains(&per_second))
    );
    assert_eq!((shown.limit(), shown.queue()), (Some(10), 0));
}
