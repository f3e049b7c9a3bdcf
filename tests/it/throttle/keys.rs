//! Which requests share a quota, and that the number of keys is bounded.

use std::num::NonZeroUsize;

use http::Request;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_heed::{ThrottleLayer, throttle::Throttle};
use tracing::{
    Dispatch, Event, Subscriber,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::{SECOND, millis, rate_limit, send, spawn};
use crate::support::{
    events::Events,
    probe::{Body, Probe, ScriptedResponse, Watch, probe},
    scripted::get,
};

fn to(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::default()).unwrap()
}

/// Whether a request is queued.
async fn is_queued(client: &Throttle<Probe>, watch: &Watch, request: Request<Body>) -> bool {
    let before = watch.attempts();
    let task = spawn(client, request).await;
    task.abort();
    watch.attempts() == before
}

#[tokio::test(start_paused = true)]
async fn clones_of_the_layer_and_of_the_service_share_what_is_known() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new();
    let mut client = layer.layer(probe.clone());
    let clone = client.clone();
    let sibling = layer.clone().max_wait(SECOND * 60).layer(probe);
    rate_limit(&mut client, &watch).await;
    assert!(is_queued(&clone, &watch, get("/")).await);
    assert!(is_queued(&sibling, &watch, get("/")).await);
    let (other, other_watch) = crate::support::probe::probe(4);
    let other = ThrottleLayer::new().layer(other);
    assert!(!is_queued(&other, &other_watch, get("/")).await, "two layers share a quota");
}

#[tokio::test(start_paused = true)]
async fn origins_have_quotas_of_their_own_however_they_are_spelled() {
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    rate_limit(&mut client, &watch).await;
    for same in ["https://ID.example/x", "https://id.example:443/", "https://me:pw@id.example/"] {
        assert!(is_queued(&client, &watch, to(same)).await, "{same}");
    }
    for other in ["http://id.example/", "https://id.example:444/", "https://api.example/"] {
        assert!(!is_queued(&client, &watch, to(other)).await, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_alone_belongs_to_its_host() {
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    let on = |host: &str| Request::get("/").header("host", host).body(Body::default()).unwrap();
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, on("a.example")).await.unwrap();
    assert!(is_queued(&client, &watch, on("A.example")).await);
    assert!(!is_queued(&client, &watch, on("b.example")).await);
}

#[tokio::test(start_paused = true)]
async fn endpoints_have_their_own_quota_or_share_one_at_each_origin() {
    let (probe, watch) = probe(8);
    let layer = ThrottleLayer::new()
        .endpoint("POST /oauth/token".parse().unwrap(), |config| config.own_quota())
        .endpoint("/search/{*rest}".parse().unwrap(), |config| config.shared("search"))
        .endpoint("/find/{*rest}".parse().unwrap(), |config| config.shared("search"));
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/search/users")).await.unwrap();
    assert!(is_queued(&client, &watch, get("/find/users")).await);
    assert!(!is_queued(&client, &watch, get("/users")).await);
    assert!(!is_queued(&client, &watch, to("https://api.example/find/users")).await);
    let login = Request::post("https://id.example/oauth/token").body(Body::default()).unwrap();
    assert!(!is_queued(&client, &watch, login).await);

    let mut keys: Vec<_> = handle.snapshot().iter().map(|key| key.key().to_owned()).collect();
    keys.sort();
    let expected = [
        "https://api.example (search)",
        "https://id.example",
        "https://id.example (search)",
        "https://id.example POST /oauth/token",
    ];
    assert_eq!(keys, expected);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_can_undo_the_quota_of_a_wider_one() {
    for own in [true, false] {
        let (probe, watch) = probe(4);
        let layer = ThrottleLayer::new()
            .endpoint("/search/{*rest}".parse().unwrap(), |config| match own {
                true => config.own_quota(),
                false => config.shared("search"),
            })
            .endpoint("/search/users".parse().unwrap(), |config| config.common_quota());
        let mut client = layer.layer(probe);
        // Rejections on two routes show that the quota is of all that count in it.
        for path in ["/users", "/roles"] {
            watch.respond(429, &[("retry-after", "10")]);
            send(&mut client, get(path)).await.unwrap();
        }
        assert!(is_queued(&client, &watch, get("/search/users")).await);
        assert!(!is_queued(&client, &watch, get("/search/roles")).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_quota_without_a_name_is_no_other_one() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new()
        .endpoint("/named".parse().unwrap(), |config| config.shared("search"))
        .endpoint("/nameless".parse().unwrap(), |config| config.shared(""));
    let mut client = layer.layer(probe);
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/named")).await.unwrap();
    assert!(!is_queued(&client, &watch, get("/nameless")).await);
}

#[tokio::test(start_paused = true)]
async fn a_function_can_name_the_owner_of_the_quota() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new()
        .key(|head| head.headers.get("x-tenant")?.to_str().ok().map(Into::into));
    let mut client = layer.layer(probe);
    let of = |tenant: &str, uri: &str| {
        Request::get(uri).header("x-tenant", tenant).body(Body::default()).unwrap()
    };
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, of("acme", "https://id.example/")).await.unwrap();
    assert!(is_queued(&client, &watch, of("acme", "https://api.example/")).await);
    assert!(!is_queued(&client, &watch, of("other", "https://id.example/")).await);
    assert!(!is_queued(&client, &watch, get("/")).await, "a request without a tenant");
}

#[tokio::test(start_paused = true)]
async fn a_million_keys_take_no_more_room_than_a_hundred() {
    let (probe, watch) = probe(4);
    let keys = NonZeroUsize::new(100).unwrap();
    let layer = ThrottleLayer::new()
        .max_keys(keys)
        .key(|head| head.headers.get("x-tenant")?.to_str().ok().map(Into::into));
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    rate_limit(&mut client, &watch).await;
    // A key with a queued request is not evicted.
    let waits = spawn(&client, get("/waits")).await;
    for number in 0..1_000_000_u32 {
        let mut request = get("/");
        request.headers_mut().insert("x-tenant", number.into());
        send(&mut client, request).await.unwrap();
        if number % 1_000 == 0 {
            drop(watch.take_requests());
        }
    }
    drop(watch.take_requests());
    let shown = handle.snapshot();
    assert_eq!(shown.len(), 100);
    let kept = shown.iter().find(|key| key.key() == "https://id.example").unwrap();
    assert_eq!(kept.queued(), 1);
    assert!(shown.iter().any(|key| key.key() == "999999"), "the newest is not kept");
    waits.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_all_keys_are_busy_the_requests_of_another_are_not_throttled() {
    let (probe, watch) = probe(8);
    let events = Events::record();
    let layer = ThrottleLayer::new().max_keys(NonZeroUsize::MIN);
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&client, get("/hangs")).await;
    let start = Instant::now();
    for _ in 0..3 {
        watch.respond(429, &[("retry-after", "10")]);
        assert_eq!(send(&mut client, to("https://api.example/")).await.unwrap().status(), 429);
    }
    assert_eq!(millis(start), 0);
    assert_eq!(handle.snapshot().len(), 1);
    let full = events.named("too many keys: requests of a new key are not throttled");
    assert_eq!(full.len(), 1, "{}", events.text());
    assert_eq!(full[0].field("max_keys"), Some("1"));

    // Once one is idle, it is evicted.
    hangs.abort();
    tokio::task::yield_now().await;
    client.ready().await.unwrap();
    send(&mut client, to("https://api.example/")).await.unwrap();
    assert_eq!(handle.snapshot()[0].key(), "https://api.example");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_in_a_subscriber_releases_its_key() {
    let (probe, watch) = probe(8);
    let layer = ThrottleLayer::new().max_keys(NonZeroUsize::new(2).unwrap());
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    let left = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset-after"];
    let mut headers = left.map(|name| (name, "30")).to_vec();
    headers.push(("x-ratelimit-resource", "core"));
    watch.respond(200, &headers);
    send(&mut client, get("/users")).await.unwrap();
    // Another key evicts the bucket, so there is no room for it when the next request on its route comes.
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&client, get("/hangs")).await;
    watch.push(ScriptedResponse::never());
    let api = spawn(&client, to("https://api.example/")).await;
    let logged = Panics::at_every_event();
    let panicked = spawn(&client, get("/users")).await.await;
    assert!(panicked.unwrap_err().is_panic());
    drop(logged);

    hangs.abort();
    watch.push(ScriptedResponse::never());
    let other = spawn(&client, to("https://other.example/")).await;
    let mut keys: Vec<_> = handle.snapshot().iter().map(|key| key.key().to_owned()).collect();
    keys.sort();
    assert_eq!(keys, ["https://api.example", "https://other.example"]);
    api.abort();
    other.abort();
}

/// A subscriber that fails.
struct Panics;

// === impl Panics ===

impl Panics {
    fn at_every_event() -> (DefaultGuard, Dispatch) {
        // As in `Events::record`.
        let second = Dispatch::new(NoSubscriber::default());
        (tracing::subscriber::set_default(tracing_subscriber::registry().with(Self)), second)
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Panics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        panic!("{event:?}");
    }
}
