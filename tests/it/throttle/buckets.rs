//! Buckets that the server names: requests that are counted together wait together, and no others.

use std::num::NonZeroUsize;

use tokio::{task::yield_now, time::Instant};
use tower::Layer;
use tower_heed::{
    ThrottleLayer,
    throttle::{Throttle, ThrottleHandle},
};

use super::{SECOND, millis, send, spawn};
use crate::support::{
    probe::{Probe, ScriptedResponse, Watch, probe},
    scripted::get,
};

fn client() -> (Throttle<Probe>, Watch, ThrottleHandle) {
    let (probe, watch) = probe(40);
    let layer = ThrottleLayer::new();
    let handle = layer.handle();
    (layer.layer(probe), watch, handle)
}

/// Responds with a bucket that has this many left.
fn shows(watch: &Watch, status: u16, bucket: (&str, &str), left: &str) {
    let shown = [
        ("x-ratelimit-limit", "30"),
        ("x-ratelimit-remaining", left),
        ("x-ratelimit-reset-after", "60"),
        bucket,
    ];
    watch.respond(status, &shown);
}

/// How long a request is queued, in milliseconds; `None` if it is still queued after a second.
async fn waits(client: &Throttle<Probe>, path: &str) -> Option<u128> {
    let start = Instant::now();
    let task = spawn(client, get(path)).await;
    let called = tokio::time::timeout(SECOND, task).await.ok()?;
    called.unwrap().unwrap();
    Some(millis(start))
}

fn names(handle: &ThrottleHandle) -> Vec<String> {
    let mut names: Vec<_> = handle.snapshot().iter().map(|key| key.key().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_used_up_resource_blocks_no_other() {
    let (mut client, watch, handle) = client();
    shows(&watch, 200, ("x-ratelimit-resource", "core"), "20");
    send(&mut client, get("/repos/a/b")).await.unwrap();
    shows(&watch, 200, ("x-ratelimit-resource", "search"), "0");
    send(&mut client, get("/search/users")).await.unwrap();
    assert_eq!(waits(&client, "/search/users").await, None);
    assert_eq!(waits(&client, "/repos/c/d").await, Some(0));
    assert_eq!(waits(&client, "/repos/e/f").await, Some(0));
    // Nothing is known of this one, and it is treated as neither.
    assert_eq!(waits(&client, "/users/1").await, Some(0));
    let expected =
        ["https://id.example", "https://id.example [core]", "https://id.example [search]"];
    assert_eq!(names(&handle), expected);
    let shown = handle.snapshot();
    let search = shown.iter().find(|key| key.key().ends_with("[search]")).unwrap();
    assert_eq!((search.limit(), search.remaining()), (Some(30), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn routes_of_one_bucket_share_it() {
    let (mut client, watch, handle) = client();
    for path in ["/channels/1/messages", "/webhooks/1"] {
        shows(&watch, 200, ("x-ratelimit-bucket", "abcd"), "9");
        send(&mut client, get(path)).await.unwrap();
    }
    shows(&watch, 429, ("x-ratelimit-bucket", "abcd"), "0");
    send(&mut client, get("/channels/2/messages")).await.unwrap();
    assert_eq!(waits(&client, "/webhooks/2").await, None);
    assert_eq!(waits(&client, "/channels/1/messages").await, None);
    assert_eq!(waits(&client, "/guilds/1").await, Some(0), "another route is not blocked");
    assert_eq!(names(&handle).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_route_with_two_buckets_is_split() {
    let (mut client, watch, _) = client();
    for _ in 0..3 {
        shows(&watch, 200, ("x-ratelimit-resource", "search"), "9");
        send(&mut client, get("/search/users")).await.unwrap();
        shows(&watch, 200, ("x-ratelimit-resource", "code_search"), "9");
        send(&mut client, get("/search/code")).await.unwrap();
    }
    shows(&watch, 200, ("x-ratelimit-resource", "code_search"), "0");
    send(&mut client, get("/search/code")).await.unwrap();
    assert_eq!(waits(&client, "/search/code").await, None);
    assert_eq!(waits(&client, "/search/users").await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn queued_requests_move_to_the_queue_of_their_bucket() {
    let (client, watch, handle) = client();
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&client, get("/hangs")).await;
    shows(&watch, 200, ("x-ratelimit-resource", "search"), "0");
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(spawn(&client, get("/search")).await);
    }
    let other = spawn(&client, get("/other")).await;
    // After a second the first is sent, and its response names the bucket of the others.
    assert_eq!(other.await.unwrap().unwrap().status(), 200);
    yield_now().await;
    let shown = handle.snapshot();
    let queue = |end: &str| shown.iter().find(|key| key.key().ends_with(end)).unwrap().queued();
    assert_eq!((queue("[search]"), queue("example")), (4, 0), "{shown:?}");
    assert_eq!(watch.attempts(), 3);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().status(), 200);
    }
    hangs.abort();
}

#[tokio::test(start_paused = true)]
async fn a_429_that_names_its_bucket_blocks_only_that_one() {
    let (mut client, watch, _) = client();
    shows(&watch, 200, ("x-ratelimit-bucket", "one"), "9");
    send(&mut client, get("/one")).await.unwrap();
    watch.respond(429, &[("retry-after", "10"), ("x-ratelimit-bucket", "two")]);
    send(&mut client, get("/two")).await.unwrap();
    assert_eq!(waits(&client, "/two").await, None);
    assert_eq!(waits(&client, "/one").await, Some(0));
    assert_eq!(waits(&client, "/new").await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_global_429_or_one_without_a_bucket_blocks_the_whole_origin() {
    for all in [
        &[("retry-after", "10"), ("x-ratelimit-global", "true")][..],
        &[("retry-after", "10"), ("x-ratelimit-scope", "global")],
        &[("retry-after", "10")],
    ] {
        let (mut client, watch, _) = client();
        for path in ["/one", "/two"] {
            shows(&watch, 200, ("x-ratelimit-bucket", path), "9");
            send(&mut client, get(path)).await.unwrap();
        }
        watch.respond(429, all);
        send(&mut client, get("/one")).await.unwrap();
        let start = Instant::now();
        for path in ["/one", "/two", "/new"] {
            assert_eq!(waits(&client, path).await, None, "{path} {all:?}");
        }
        for path in ["/one", "/two", "/new"] {
            send(&mut client, get(path)).await.unwrap();
        }
        assert!((10_000..10_100).contains(&millis(start)), "{} ms, {all:?}", millis(start));
    }
}

#[tokio::test(start_paused = true)]
async fn a_global_429_blocks_a_bucket_that_is_named_later() {
    let (mut client, watch, handle) = client();
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&client, get("/hangs")).await;
    tokio::time::sleep(SECOND).await;
    watch.respond(429, &[("retry-after", "10"), ("x-ratelimit-global", "true")]);
    send(&mut client, get("/one")).await.unwrap();
    hangs.abort();
    yield_now().await;
    assert_eq!(names(&handle).len(), 1);
    let start = Instant::now();
    shows(&watch, 200, ("x-ratelimit-bucket", "late"), "9");
    send(&mut client, get("/late")).await.unwrap();
    assert!((9_900..10_100).contains(&millis(start)), "{} ms", millis(start));
}

#[tokio::test(start_paused = true)]
async fn several_policies_of_a_response_are_counters_of_one_quota() {
    let (mut client, watch, handle) = client();
    watch.respond(200, &[("ratelimit", "\"second\";r=9;t=1, \"day\";r=0;t=60")]);
    send(&mut client, get("/one")).await.unwrap();
    assert_eq!(waits(&client, "/one").await, None);
    assert_eq!(names(&handle), ["https://id.example"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_with_a_quota_of_its_own_has_its_own_buckets() {
    let (probe, watch) = probe(4);
    let layer =
        ThrottleLayer::new().endpoint("/own/{n}".parse().unwrap(), |config| config.own_quota());
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    for path in ["/own/1", "/other"] {
        shows(&watch, 200, ("x-ratelimit-bucket", "same"), "0");
        send(&mut client, get(path)).await.unwrap();
    }
    let expected = [
        "https://id.example",
        "https://id.example /own/{n}",
        "https://id.example /own/{n} [same]",
        "https://id.example [same]",
    ];
    assert_eq!(names(&handle), expected);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_buckets_take_no_more_room_than_a_few() {
    let (probe, watch) = probe(40);
    let layer = ThrottleLayer::new().max_keys(NonZeroUsize::new(500).unwrap());
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    watch.respond(200, &[]);
    let other = http::Request::get("https://other.example/").body(Default::default()).unwrap();
    send(&mut client, other).await.unwrap();
    let start = Instant::now();
    for number in 0..100_000 {
        let name = format!("bucket-{number}");
        shows(&watch, 200, ("x-ratelimit-bucket", &name), "5");
        send(&mut client, get("/")).await.unwrap();
        if number % 1_000 == 0 {
            drop(watch.take_requests());
        }
    }
    assert_eq!(millis(start), 0);
    let names = names(&handle);
    assert!(names.len() <= 66, "{} keys", names.len());
    assert!(names.iter().any(|name| name == "https://other.example"), "another key was evicted");
    drop(watch.take_requests());
}
