//! The tables of `docs/events.md` are what the layers log and count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use limiter_sim::{Headers, Limiter, Rule, SECOND as NANOS};
use tokio::{
    runtime,
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_test::{assert_ready, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    AttemptSpanLayer, BoxError, CircuitBreakerLayer, DetachLayer, ErrorClassifyLayer,
    FallbackLayer, ResponseCacheLayer, RetryOnRateLimit, Stack, ThrottleLayer, TokenCacheLayer,
    classify::ErrorClass,
    error::{TokenError, TokenErrorKind},
    retry::Backoff,
    store::{InMemory, QuotaRequest, SealingKeys, SlotRequest},
    token_cache::{FetchReason, Shared, Token, TokenKey, TokenRequest},
};
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::NoSubscriber,
};
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::support::{
    probe::{Body, ScriptedResponse, probe},
    scripted::{as_asked, get, response, scripted},
};

const PAGE: &str = include_str!("../../../docs/events.md");
const LAYERS: [&str; 9] = [
    "circuit_breaker",
    "classify",
    "retry",
    "throttle",
    "token_cache",
    "fallback",
    "response_cache",
    "detach",
    "store",
];

/// Logged while settings are made, before there is a layer with a name.
const NAMELESS: [&str; 3] = [
    "jitter ratio is not within 0.0 and 1.0",
    "setting without effect: a failure of credentials does not fail open",
    "no closure to fail open with, the class fails closed",
];

/// The levels and the fields of the events with one target and message.
type Events = BTreeMap<(String, String), (BTreeSet<String>, BTreeSet<String>)>;

/// All events and spans of this crate, with the fields that they declare.
#[derive(Clone, Default)]
struct Catalogue(Arc<Mutex<Events>>);

/// An event's message.
#[derive(Default)]
struct Message(String);

// === impl Catalogue ===

impl Catalogue {
    fn add(&self, metadata: &Metadata<'_>, message: String) {
        let Some(target) = metadata.target().strip_prefix("tower_heed::") else { return };
        let mut events = self.0.lock().unwrap();
        let (levels, fields) = events.entry((target.to_owned(), message)).or_default();
        levels.insert(metadata.level().to_string());
        let declared = metadata.fields().iter().map(|field| field.name().to_owned());
        fields.extend(declared.filter(|name| name != "message"));
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Catalogue {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        self.add(event.metadata(), message.0);
    }

    fn on_new_span(&self, span: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.add(span.metadata(), span.metadata().name().to_owned());
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

// === the tables ===

fn cells(row: &str) -> Vec<&str> {
    row.split(" |").map(|cell| cell.trim_start_matches('|').trim()).collect()
}

/// The rows of the table in a section of the page.
fn rows(section: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let (_, text) = PAGE.split_once(&format!("\n## {section}\n")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    text.lines().filter(|line| line.starts_with("| `")).map(cells)
}

/// What a cell has in backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(Into::into).collect()
}

/// The first of them.
fn name(cell: &str) -> String {
    cell.split('`').nth(1).unwrap().to_owned()
}

fn level(name: &str) -> bool {
    ["ERROR", "WARN", "INFO", "DEBUG"].contains(&name)
}

/// The names in the rows of a module's page that begin with one of `starts`; that of the cell `at`.
fn on_the_page(module: &str, starts: &[&str], at: usize) -> BTreeSet<String> {
    let page = std::fs::read_to_string(super::root().join(format!("src/{module}/mod.rs"))).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("//! "));
    let rows =
        rows.filter(|row| starts.iter().any(|start| row.starts_with(&format!("| `{start}"))));
    rows.map(|row| name(cells(row)[at])).collect()
}

// === what happens ===

async fn ask<S>(client: &S, request: Request<Body>)
where
    S: Service<Request<Body>> + Clone,
{
    drop(client.clone().oneshot(request).await);
}

async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

async fn classify() {
    let layer = ErrorClassifyLayer::new()
        .on_unauthenticated(|| async { panic!("the handler's own fault") });
    let client = layer.layer(as_asked());
    for path in ["/200", "/429", "/401"] {
        ask(&client, get(path)).await;
    }
    settle().await;
    ask(&client, get("/200")).await;
}

fn classify_outside_of_a_runtime() {
    let client = ErrorClassifyLayer::new().on_unauthenticated(|| async {}).layer(as_asked());
    assert_ready!(task::spawn(client.oneshot(get("/401"))).poll()).unwrap();
}

async fn retry() {
    let backoff = Backoff::default().jitter_ratio(2.0);
    let client = RetryOnRateLimit::new().backoff(backoff).max_retries(1).layer(as_asked());
    ask(&client, get("/429")).await;
    ask(&client, get("/404")).await;
}

async fn circuit_breaker() {
    let (probe, watch) = probe(8);
    let client = CircuitBreakerLayer::new().layer(probe);
    for _ in 0..5 {
        watch.respond(503, &[]);
        ask(&client, get("/")).await;
    }
    ask(&client, get("/")).await;
    sleep(Duration::from_secs(6)).await;
    ask(&client, get("/")).await;
}

async fn throttle() {
    let (probe, watch) = probe(8);
    let client = ThrottleLayer::new().max_keys(NonZeroUsize::MIN).layer(probe);
    let counters =
        [("ratelimit-limit", "9"), ("ratelimit-remaining", "8"), ("ratelimit-reset", "30")];
    watch.respond(200, &counters);
    watch.respond(429, &[("retry-after", "10")]);
    for _ in 0..3 {
        ask(&client, get("/")).await;
    }
    watch.push(ScriptedResponse::never());
    let hangs = tokio::spawn(client.clone().oneshot(get("/")));
    settle().await;
    ask(&client, Request::get("https://api.example/").body(Body::default()).unwrap()).await;
    hangs.abort();
}

async fn token_cache() {
    let is_down = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&is_down);
    let source = service_fn(move |_: TokenRequest| {
        std::future::ready(match fails.load(Ordering::Relaxed) {
            true => Err(TokenError::new(TokenErrorKind::Unavailable)),
            false => Token::bearer("t"),
        })
    });
    let layer = TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap());
    let client = layer.layer(as_asked());
    ask(&client, get("/200")).await;
    ask(&client, get("/401")).await;
    let handle = layer.handle();
    drop(handle.force_refresh(handle.key()).await);
    handle.invalidate(handle.key());
    is_down.store(true, Ordering::Relaxed);
    ask(&client, get("/200")).await;

    // Slow, and with one key too many.
    let source = service_fn(|_: TokenRequest| async {
        sleep(Duration::from_secs(4)).await;
        Token::bearer("t")
    });
    let handle = TokenCacheLayer::new(source).max_keys(NonZeroUsize::MIN).handle();
    for name in ["a", "b"] {
        drop(handle.token(&TokenKey::new().with_audience(name)).await);
    }
}

/// A store of one record, which the first process cannot open, and which then fails and comes back.
async fn store() {
    let is_down = Arc::new(AtomicBool::new(false));
    let (store, fails) = (InMemory::new(), Arc::clone(&is_down));
    let store = service_fn(move |request: SlotRequest| {
        let reply = store.clone().oneshot(request);
        let fails = fails.load(Ordering::Relaxed);
        async move { if fails { Err("refused") } else { Ok(reply.await.unwrap()) } }
    });
    let limit = Duration::from_secs(60);
    let source = service_fn(|_: TokenRequest| async move {
        Token::bearer("t").map(|token| token.expires_in(Duration::from_secs(3600)))
    });
    let limited = service_fn(move |_: TokenRequest| async move {
        Err::<Token, _>(TokenError::new(TokenErrorKind::RateLimited).with_retry_after(limit))
    });
    let keys = |id| SealingKeys::new(&[0; 32], id, &[1; 32]);
    let missing = || TokenRequest::new(TokenKey::new(), FetchReason::Missing);
    let shared = |id| Shared::new(TokenKey::new(), source, store.clone(), keys(id));
    let other_key = TokenKey::new().with_audience("other");
    let limited = Shared::new(other_key.clone(), limited, store.clone(), keys(1));
    for _ in 0..2 {
        drop(limited.clone().oneshot(missing()).await);
    }
    for id in [1, 1, 2] {
        drop(shared(id).oneshot(missing()).await);
    }
    let process = shared(1);
    for reason in [FetchReason::Missing, FetchReason::Rejected, FetchReason::Rejected] {
        drop(process.clone().oneshot(TokenRequest::new(TokenKey::new(), reason)).await);
    }
    for is_failing in [true, true, false] {
        is_down.store(is_failing, Ordering::Relaxed);
        drop(process.clone().oneshot(missing()).await);
        sleep(Duration::from_secs(31)).await;
    }
}

/// A quota of a fleet of one process, whose store fails and comes back.
async fn quota() {
    let is_down = Arc::new(AtomicBool::new(false));
    let (store, fails) = (InMemory::new(), Arc::clone(&is_down));
    let store = service_fn(move |request: QuotaRequest| {
        let reply = store.clone().oneshot(request);
        let fails = fails.load(Ordering::Relaxed);
        async move { if fails { Err("refused") } else { Ok(reply.await.unwrap()) } }
    });
    let limiter = Limiter::new(Rule::Fixed { limit: 20, period: NANOS });
    let (limiter, begun) = (Arc::new(Mutex::new(limiter)), Instant::now());
    let api = service_fn(move |_: Request<Body>| {
        let now = 1_700_000_000 * NANOS + (Instant::now() - begun).as_nanos() as u64;
        let left = limiter.lock().unwrap().arrive(now);
        let mut response = response(if left.accepted { 200 } else { 429 }, &[]);
        response.headers_mut().extend(Headers::Epoch.fields(&left, now));
        async move {
            sleep(Duration::from_millis(5)).await;
            Ok::<_, BoxError>(response)
        }
    });
    let client = ThrottleLayer::new().fleet(store, SealingKeys::in_clear_text(&[0; 32])).layer(api);
    for is_failing in [false, true, false] {
        is_down.store(is_failing, Ordering::Relaxed);
        let until = Instant::now() + Duration::from_secs(6);
        while Instant::now() < until {
            ask(&client, get("/")).await;
        }
    }
    // Permits that nobody uses.
    for _ in 0..2 {
        sleep(Duration::from_secs(5)).await;
        ask(&client, get("/")).await;
    }
}

async fn fallback() {
    let without_effect = FallbackLayer::fail_closed()
        .fail_open_on(ErrorClass::Forbidden)
        .fail_open_on(ErrorClass::Timeout);
    ask(&without_effect.layer(as_asked()), get("/200")).await;
    let layer = FallbackLayer::fail_open(|_| Response::new(""))
        .endpoint("/503".parse().unwrap(), |config| config.fail_closed());
    let client = layer.layer(scripted(|request| match request.uri().path() {
        "/403" => response(403, &[("retry-after", "2")]),
        _ => response(503, &[]),
    }));
    for path in ["/200", "/503", "/403"] {
        ask(&client, get(path)).await;
    }
}

async fn response_cache() {
    let (probe, watch) = probe(8);
    let layer = ResponseCacheLayer::new()
        .endpoint("GET /users/{id}".parse().unwrap(), |config| config.ttl(Duration::from_secs(60)))
        .endpoint("/groups".parse().unwrap(), |config| config)
        .endpoint("PUT /groups".parse().unwrap(), |config| config.ttl(Duration::from_secs(60)));
    let client = layer.layer(probe);
    ask(&client, get("/users/1")).await;
    ask(&client, get("/users/1")).await;
    sleep(Duration::from_secs(61)).await;
    watch.respond(429, &[("retry-after", "5")]);
    ask(&client, get("/users/1")).await;
    sleep(Duration::from_secs(10)).await;
    ask(&client, get("/users/1")).await;
    ask(&client, Request::patch("https://id.example/users/1").body(Body::default()).unwrap()).await;
    layer.handle().invalidate("id", "1");
    watch.respond(200, &[("cache-control", "no-store")]);
    ask(&client, get("/users/2")).await;
    // A 304 for another response, and one for the stored one.
    watch.respond(200, &[("etag", "\"1\"")]);
    ask(&client, get("/users/3")).await;
    sleep(Duration::from_secs(61)).await;
    watch.respond(304, &[("etag", "\"2\"")]);
    watch.respond(200, &[("etag", "\"1\"")]);
    ask(&client, get("/users/3")).await;
    sleep(Duration::from_secs(61)).await;
    watch.respond(304, &[]);
    ask(&client, get("/users/3")).await;
}

async fn detach() {
    let (probe, watch) = probe(8);
    let layer = DetachLayer::new()
        .endpoint("POST /events".parse().unwrap(), |config| config)
        .max_queued(1)
        .max_concurrent(NonZeroUsize::MIN)
        .on_success(|_, _| panic!("the callback's own fault"));
    let client = layer.layer(probe);
    let event = || Request::post("https://id.example/events").body(Body::default()).unwrap();
    watch.respond(503, &[]);
    for _ in 0..3 {
        ask(&client, event()).await;
    }
    settle().await;
    layer.handle().shutdown(Duration::from_secs(1)).await;
}

async fn stack() {
    let client = Stack::new()
        .endpoint("/200".parse().unwrap(), |endpoint| {
            endpoint.fallback(|config| config.fail_closed())
        })
        .service(as_asked());
    ask(&client, get("/200")).await;
}

fn run_all() {
    let runtime = runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        classify().await;
        retry().await;
        circuit_breaker().await;
        throttle().await;
        token_cache().await;
        store().await;
        quota().await;
        fallback().await;
        response_cache().await;
        detach().await;
        stack().await;
        ask(&AttemptSpanLayer::new().layer(as_asked()), get("/200")).await;
    });
    classify_outside_of_a_runtime();
}

#[test]
fn each_event_is_in_the_table_with_its_target_its_levels_and_its_fields() {
    let catalogue = Catalogue::default();
    // While there is one subscriber alone, an event that another test's thread meets first is off for all.
    let _second = Dispatch::new(NoSubscriber::default());
    let subscriber = tracing_subscriber::registry().with(catalogue.clone());
    tracing::subscriber::with_default(subscriber, run_all);
    let mut seen = catalogue.0.lock().unwrap().clone();
    let span = seen.remove(&("attempt_span".to_owned(), "attempt".to_owned()));
    assert_eq!(span.unwrap().0, BTreeSet::from(["INFO".to_owned()]));

    let told: Events = rows("Events")
        .map(|row| {
            let levels = names(row[1]).into_iter().filter(|name| level(name)).collect();
            let mut fields = names(row[3]);
            if !NAMELESS.contains(&name(row[2]).as_str()) && name(row[0]) != "store" {
                fields.insert("stack".to_owned());
            }
            ((name(row[0]), name(row[2])), (levels, fields))
        })
        .collect();
    assert_eq!(told, seen);

    for layer in LAYERS {
        let listed = on_the_page(layer, &["ERROR", "WARN", "INFO", "DEBUG"], 1);
        let told = told.keys().filter(|(target, _)| target == layer);
        assert_eq!(listed, told.map(|(_, message)| message.clone()).collect(), "{layer}");
    }
}

#[test]
fn the_alerts_name_metrics_labels_and_values_of_the_table() {
    let page = super::page("failure_modes.rs");
    let (_, alerts) = page.split_once("# What to alert on").unwrap();
    let metrics: BTreeMap<_, _> =
        rows("Metrics").map(|row| (name(row[0]), names(&row.join(" ")))).collect();
    let mut seen = 0;
    for row in alerts.lines().filter_map(|line| line.strip_prefix("//! ")) {
        if !row.starts_with("| `tower_heed_") {
            continue;
        }
        let mut metric = "";
        for word in cells(row)[0].split('`').skip(1).step_by(2) {
            if word.starts_with("tower_heed_") {
                metric = word;
            }
            assert!(metrics[metric].contains(word), "`{metric}` has no `{word}`");
        }
        seen += 1;
    }
    assert!(seen > 7, "{seen} rows");
}

#[cfg(feature = "metrics")]
#[test]
fn each_metric_is_in_the_table_with_its_kind_its_labels_and_their_values() {
    use metrics_util::debugging::DebuggingRecorder;

    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, run_all);

    let told: BTreeMap<String, _> = rows("Metrics")
        .map(|row| (name(row[0]), (row[1].to_owned(), names(row[2]), names(row[3]))))
        .collect();
    let mut seen = BTreeSet::new();
    for (key, ..) in snapshots.snapshot().into_vec() {
        let (kind, key) = key.into_parts();
        let name = key.name().to_owned();
        let (told_kind, told_labels, told_values) =
            told.get(&name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(*told_kind, format!("{kind:?}").to_lowercase(), "{name}");
        let labels: BTreeSet<_> = key.labels().map(|label| label.key().to_owned()).collect();
        // OpenTelemetry's: what is unknown is left out.
        if name == "http.client.request.duration" {
            assert!(told_labels.is_superset(&labels), "{labels:?}");
            seen.insert(name);
            continue;
        }
        assert_eq!(*told_labels, labels, "{name}");
        let last = key.labels().last().filter(|label| label.key() != "endpoint");
        let value = last.map(|label| label.value().to_owned());
        assert!(
            value.as_ref().is_none_or(|value| told_values.contains(value)),
            "{name}: {value:?}"
        );
        seen.insert(name);
    }
    assert_eq!(seen, told.keys().cloned().collect());
    assert_eq!(seen, on_the_page("metrics", &["tower_heed_", "http."], 0));
}
