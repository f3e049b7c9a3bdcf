//! What is counted, and with which labels.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, DetachLayer, FallbackLayer, RetryOnRateLimit, Stack, ThrottleLayer, TokenCacheLayer,
    error::{TokenError, TokenErrorKind},
    token_cache::{Token, TokenRequest},
};

use crate::support::{
    probe::{Body, ScriptedResponse, probe},
    scripted::get,
};

const ATTEMPTS: &str = "tower_heed_attempts_total";
const RATE_LIMITED: &str = "tower_heed_rate_limited_total";
const QUEUE_WAIT: &str = "tower_heed_queue_wait_seconds";
const QUEUE_LENGTH: &str = "tower_heed_queue_length";
const RETRIES: &str = "tower_heed_retries_total";
const TOKEN_FETCHES: &str = "tower_heed_token_fetches_total";
const FALLBACKS: &str = "tower_heed_fallbacks_total";
const CACHE_REQUESTS: &str = "tower_heed_response_cache_requests_total";
const DETACHED: &str = "tower_heed_detached_total";
const COMPLETED: &str = "tower_heed_detached_completed_total";
const REJECTED: &str = "tower_heed_detached_rejected_total";
const PENDING: &str = "tower_heed_detached_pending";

/// The `endpoint` of requests that match no pattern.
const OTHER: &str = "other";

/// Records what this thread counts for as long as the guard lives.
fn record() -> (Snapshotter, impl Drop) {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    (recorder.snapshotter(), metrics::set_default_local_recorder(recorder))
}

/// Everything that was counted since the last look, as `name{labels}`.
fn counted(snapshots: &Snapshotter) -> BTreeMap<String, f64> {
    let snapshot = snapshots.snapshot().into_vec().into_iter();
    snapshot
        .map(|(key, _, _, value)| {
            let (_, key) = key.into_parts();
            let labels: Vec<_> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let value = match value {
                DebugValue::Counter(count) => count as f64,
                DebugValue::Gauge(level) => level.into_inner(),
                DebugValue::Histogram(values) => {
                    values.into_iter().map(|value| value.into_inner()).sum()
                }
            };
            (format!("{}{{{}}}", key.name(), labels.join(",")), value)
        })
        .collect()
}

async fn send<S>(client: &mut S, request: Request<Body>) -> Result<S::Response, BoxError>
where
    S: Service<Request<Body>, Error = BoxError>,
{
    client.ready().await?.call(request).await
}

/// The histograms of attempts since the last look: their labels, and the seconds.
fn durations(snapshots: &Snapshotter) -> Vec<(BTreeMap<String, String>, Vec<f64>)> {
    let snapshot = snapshots.snapshot().into_vec().into_iter();
    snapshot
        .filter_map(|(key, _, _, value)| {
            let (_, key) = key.into_parts();
            let DebugValue::Histogram(values) = value else { return None };
            let labels =
                key.labels().map(|label| (label.key().to_owned(), label.value().to_owned()));
            let values = values.into_iter().map(|value| value.into_inner()).collect();
            (key.name() == "http.client.request.duration").then(|| (labels.collect(), values))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_attempt_of_a_stack_is_measured() {
    let second = Duration::from_secs(1);
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let stack = Stack::new()
        .name("auth0")
        .endpoint("GET /users/{id}".parse().unwrap(), |endpoint| endpoint);
    let mut client = stack.service(inner);
    watch.push(ScriptedResponse::status(429).header("retry-after", "5").after(second));
    watch.push(ScriptedResponse::status(200).after(2 * second));
    send(&mut client, get("/users/secret?q=secret")).await.unwrap();
    let mut seen = durations(&snapshots);
    seen.sort_by_key(|(labels, _)| labels["http.response.status_code"].clone());
    let [(ok, took), (limited, took_first)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((&took[..], &took_first[..]), (&[2.0][..], &[1.0][..]));
    let common = [
        ("http.request.method", "GET"),
        ("server.address", "id.example"),
        ("server.port", "443"),
        ("url.template", "/users/{id}"),
        ("stack", "auth0"),
    ];
    for (labels, status, error) in [(ok, "200", None), (limited, "429", Some("429"))] {
        let mut expected: BTreeMap<String, String> =
            common.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        expected.insert("http.response.status_code".into(), status.into());
        expected.extend(error.map(|error: &str| ("error.type".into(), error.into())));
        assert_eq!(*labels, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_chooses_the_port_makes_a_hundred_series() {
    let (snapshots, _guard) = record();
    let (inner, _watch) = probe(4);
    let mut client = Stack::new().service(inner);
    for port in 1..=1_000 {
        let mut request = get("/");
        *request.uri_mut() = format!("http://id.example:{port}/").parse().unwrap();
        send(&mut client, request).await.unwrap();
    }
    let seen = durations(&snapshots);
    assert_eq!(seen.len(), 101);
    let others = |labels: &&BTreeMap<String, String>| labels["server.address"] == "_OTHER";
    let (others, _) = seen.iter().find(|(labels, _)| others(&labels)).unwrap();
    assert!(!others.contains_key("server.port"));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_a_response_is_measured_by_its_error() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let mut client = Stack::new().service(inner);
    watch.push(ScriptedResponse::never());
    let mut request = get("/");
    *request.method_mut() = "BREW".parse().unwrap();
    assert!(send(&mut client, request).await.is_err());
    watch.push(ScriptedResponse::never());
    let left = tokio::time::timeout(Duration::from_secs(3), send(&mut client, get("/"))).await;
    assert!(left.is_err());
    let seen: BTreeMap<String, (String, Vec<f64>)> = durations(&snapshots)
        .into_iter()
        .map(|(labels, took)| {
            assert!(!labels.contains_key("http.response.status_code"));
            (labels["error.type"].clone(), (labels["http.request.method"].clone(), took))
        })
        .collect();
    assert_eq!(seen["timeout"], ("_OTHER".to_owned(), vec![10.0]));
    assert_eq!(seen["cancelled"], ("GET".to_owned(), vec![3.0]));
}

#[tokio::test(start_paused = true)]
async fn retries_that_were_stopped_are_counted_by_reason() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let mut client = RetryOnRateLimit::new().layer(inner);
    watch.respond(404, &[]);
    watch.respond(429, &[("retry-after", "3600")]);
    for _ in 0..2 {
        drop(send(&mut client, get("/")).await);
    }
    let counted = counted(&snapshots);
    let stopped = |class: &str, reason: &str| {
        counted[&format!(
            "tower_heed_retries_stopped_total{{endpoint=other,class={class},reason={reason}}}"
        )]
    };
    assert_eq!((stopped("rejected", "final"), stopped("rate_limited", "max_wait")), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn circuits_are_counted_while_they_are_open() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let mut client = tower_heed::CircuitBreakerLayer::new().layer(inner);
    for _ in 0..5 {
        watch.respond(503, &[]);
        drop(send(&mut client, get("/")).await);
    }
    for _ in 0..3 {
        assert!(send(&mut client, get("/")).await.is_err());
    }
    let seen = counted(&snapshots);
    assert_eq!(seen["tower_heed_circuits_open{endpoint=other}"], 1.0);
    assert_eq!(seen["tower_heed_circuit_opened_total{endpoint=other,class=unavailable}"], 1.0);
    assert_eq!(seen["tower_heed_circuit_rejected_total{endpoint=other}"], 3.0);
    tokio::time::sleep(Duration::from_secs(6)).await;
    send(&mut client, get("/")).await.unwrap();
    // By so many less than at the last look.
    assert_eq!(counted(&snapshots)["tower_heed_circuits_open{endpoint=other}"], -1.0);
}

#[tokio::test(start_paused = true)]
async fn the_throttle_counts_attempts_rate_limits_waits_and_its_queue() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let layer = ThrottleLayer::new().endpoint("GET /users/{id}".parse().unwrap(), |config| config);
    let mut client = layer.layer(inner);
    watch.respond(429, &[("retry-after", "10"), ("x-ratelimit-scope", "global")]);
    send(&mut client, get("/elsewhere")).await.unwrap();

    let mut waits = client.clone();
    let waits = tokio::spawn(async move { send(&mut waits, get("/users/7")).await });
    let mut gives_up = client.clone();
    let gives_up = tokio::spawn(async move { send(&mut gives_up, get("/users/8")).await });
    tokio::task::yield_now().await;
    let users = |name: &str| format!("{name}{{endpoint=GET /users/{{id}}}}");
    let other = |name: &str| format!("{name}{{endpoint={OTHER}}}");
    let seen = counted(&snapshots);
    assert_eq!(seen[&other(ATTEMPTS)], 1.0);
    assert_eq!(seen[&other(RATE_LIMITED)], 1.0);
    assert_eq!(seen[&users(QUEUE_LENGTH)], 2.0);
    assert!(!seen.contains_key(&users(ATTEMPTS)), "{seen:?}");

    gives_up.abort();
    waits.await.unwrap().unwrap();
    let seen = counted(&snapshots);
    // By two less than at the last look.
    assert_eq!(seen[&users(QUEUE_LENGTH)], -2.0, "{seen:?}");
    assert_eq!(seen[&users(ATTEMPTS)], 1.0);
    assert!(seen[&users(QUEUE_WAIT)] >= 10.0 && seen[&users(QUEUE_WAIT)] < 10.1, "{seen:?}");
    assert!(!seen.contains_key(&users(RATE_LIMITED)), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_long_is_over_for_the_queue_as_well() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let mut client = ThrottleLayer::new().max_wait(Duration::from_secs(3)).layer(inner);
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/")).await.unwrap();
    send(&mut client, get("/")).await.unwrap_err();
    let seen = counted(&snapshots);
    assert_eq!(seen[&format!("{QUEUE_LENGTH}{{endpoint={OTHER}}}")], 0.0, "{seen:?}");
    assert_eq!(seen[&format!("{ATTEMPTS}{{endpoint={OTHER}}}")], 1.0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_are_counted_by_class_and_first_attempts_are_not() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let mut client = RetryOnRateLimit::new().layer(inner);
    send(&mut client, get("/")).await.unwrap();
    assert_eq!(counted(&snapshots), BTreeMap::new());
    watch.respond(429, &[("retry-after", "1")]);
    watch.respond(503, &[]);
    send(&mut client, get("/")).await.unwrap();
    let seen = counted(&snapshots);
    for class in ["rate_limited", "unavailable"] {
        let name = format!("{RETRIES}{{endpoint={OTHER},class={class}}}");
        assert_eq!(seen.get(&name), Some(&1.0), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_are_counted_by_outcome_and_those_from_the_cache_are_not() {
    let (snapshots, _guard) = record();
    let was_rejected = Arc::new(AtomicBool::new(false));
    let source = service_fn(move |_: TokenRequest| {
        std::future::ready(if was_rejected.swap(true, Ordering::Relaxed) {
            Token::bearer("t")
        } else {
            Err(TokenError::new(TokenErrorKind::RateLimited))
        })
    });
    let api = service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(Response::new(())) });
    let layer = TokenCacheLayer::new(source);
    let mut client = layer.allow_origin("https://id.example".parse().unwrap()).layer(api);
    send(&mut client, get("/")).await.unwrap_err();
    tokio::time::advance(Duration::from_secs(600)).await;
    for _ in 0..3 {
        send(&mut client, get("/")).await.unwrap();
    }
    let seen = counted(&snapshots);
    assert_eq!(seen[&format!("{TOKEN_FETCHES}{{outcome=rate_limited}}")], 1.0, "{seen:?}");
    assert_eq!(seen[&format!("{TOKEN_FETCHES}{{outcome=ok}}")], 1.0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn fallbacks_are_counted_by_class_and_outcome() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(1);
    let layer = FallbackLayer::fail_open(|failure| {
        (failure.class() != tower_heed::classify::ErrorClass::Timeout).then(|| Response::new("[]"))
    });
    let layer = layer.endpoint("POST /users".parse().unwrap(), |config| config.fail_closed());
    let mut client = layer.layer(inner);
    let post = || Request::post("https://id.example/users").body(Body::default()).unwrap();
    // A success, a failure that passes through, and one that must not fail open.
    for status in [200, 404, 401] {
        watch.respond(status, &[]);
        send(&mut client, get("/users")).await.unwrap();
    }
    assert_eq!(counted(&snapshots), BTreeMap::new());
    watch.respond(503, &[]);
    send(&mut client, get("/users")).await.unwrap();
    watch.respond(429, &[]);
    send(&mut client, post()).await.unwrap_err();
    // Without a fallback response.
    watch.respond(504, &[]);
    send(&mut client, get("/users")).await.unwrap_err();
    let name = |endpoint, class, outcome| {
        format!("{FALLBACKS}{{endpoint={endpoint},class={class},outcome={outcome}}}")
    };
    let expected = BTreeMap::from([
        (name(OTHER, "unavailable", "fail_open"), 1.0),
        (name("POST /users", "rate_limited", "fail_closed"), 1.0),
        (name(OTHER, "timeout", "fail_closed"), 1.0),
    ]);
    assert_eq!(counted(&snapshots), expected);
}

#[cfg(feature = "response-cache")]
#[tokio::test(start_paused = true)]
async fn the_cache_counts_hits_misses_shared_fetches_and_stale_responses() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let layer = tower_heed::ResponseCacheLayer::new()
        .endpoint("/users/{id}".parse().unwrap(), |config| config.ttl(Duration::from_secs(60)));
    let mut client = layer.layer(inner);
    let name = |outcome| format!("{CACHE_REQUESTS}{{endpoint=/users/{{id}},outcome={outcome}}}");
    let seen = || -> BTreeMap<_, _> {
        counted(&snapshots).into_iter().filter(|(_, count)| *count > 0.0).collect()
    };

    send(&mut client, get("/elsewhere")).await.unwrap();
    assert_eq!(seen(), BTreeMap::new());
    let (first, second) = (client.clone().oneshot(get("/users/7")), client.clone());
    let (first, second) = tokio::join!(first, second.oneshot(get("/users/7")));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(seen(), BTreeMap::from([(name("miss"), 1.0), (name("shared"), 1.0)]));
    send(&mut client, get("/users/7")).await.unwrap();
    assert_eq!(seen(), BTreeMap::from([(name("hit"), 1.0)]));

    tokio::time::advance(Duration::from_secs(61)).await;
    watch.respond(429, &[("retry-after", "10")]);
    for expected in [
        // The request was sent, and failed.
        BTreeMap::from([(name("miss"), 1.0), (name("stale"), 1.0)]),
        BTreeMap::from([(name("stale"), 1.0)]),
    ] {
        send(&mut client, get("/users/7")).await.unwrap();
        assert_eq!(seen(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn detached_requests_are_counted_at_start_at_end_and_while_pending() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let layer = DetachLayer::new().endpoint("POST /events".parse().unwrap(), |config| config);
    let layer = layer.max_queued(2).max_concurrent(std::num::NonZeroUsize::MIN);
    let handle = layer.handle();
    let mut client = layer.layer(inner);
    let event = || Request::post("https://id.example/events").body(Body::default()).unwrap();
    let settle = async || {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    let name = |name, more: &str| format!("{name}{{endpoint=POST /events{more}}}");

    send(&mut client, get("/users")).await.unwrap();
    assert_eq!(counted(&snapshots), BTreeMap::new());
    watch.respond(200, &[]);
    watch.respond(503, &[]);
    watch.push(ScriptedResponse::never());
    for _ in 0..3 {
        send(&mut client, event()).await.unwrap();
    }
    send(&mut client, event()).await.unwrap_err();
    let expected = BTreeMap::from([
        (name(DETACHED, ""), 3.0),
        (name(REJECTED, ",reason=full"), 1.0),
        (name(PENDING, ""), 3.0),
    ]);
    assert_eq!(counted(&snapshots), expected);

    settle().await;
    let seen = counted(&snapshots);
    assert_eq!(seen[&name(COMPLETED, ",outcome=ok")], 1.0, "{seen:?}");
    assert_eq!(seen[&name(COMPLETED, ",outcome=response")], 1.0, "{seen:?}");
    // By so many less than at the last look.
    assert_eq!(seen[&name(PENDING, "")], -2.0, "{seen:?}");

    send(&mut client, event()).await.unwrap();
    handle.shutdown(Duration::ZERO).await;
    send(&mut client, event()).await.unwrap_err();
    let seen = counted(&snapshots);
    assert_eq!(seen[&name(COMPLETED, ",outcome=interrupted")], 1.0, "{seen:?}");
    assert_eq!(seen[&name(COMPLETED, ",outcome=discarded")], 1.0, "{seen:?}");
    assert_eq!(seen[&name(REJECTED, ",reason=shut_down")], 1.0, "{seen:?}");
    assert_eq!(seen[&name(PENDING, "")], -1.0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_stack_is_a_label_of_what_its_layers_count() {
    let (snapshots, _guard) = record();
    let (inner, watch) = probe(4);
    let source = service_fn(async |_: TokenRequest| Token::bearer("t"));
    let token = TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap());
    let stack = Stack::new()
        .name("auth0")
        .token_cache(token)
        .fallback(FallbackLayer::fail_closed())
        .retry(RetryOnRateLimit::new().max_retries(1))
        .endpoint("GET /users/{id}".parse().unwrap(), |endpoint| endpoint);
    let mut client = stack.service(inner);
    watch.respond(429, &[("retry-after", "1")]);
    watch.respond(500, &[]);
    send(&mut client, get("/users/7")).await.map(drop).unwrap_err();
    send(&mut client, get("/elsewhere")).await.map(drop).unwrap();

    let mut seen = counted(&snapshots);
    seen.retain(|name, _| name.starts_with("tower_heed_") && !name.starts_with("tower_heed_queue"));
    let users = "endpoint=GET /users/{id},stack=auth0";
    let expected = BTreeMap::from([
        (format!("{ATTEMPTS}{{{users}}}"), 2.0),
        (format!("{ATTEMPTS}{{endpoint={OTHER},stack=auth0}}"), 1.0),
        (format!("{RATE_LIMITED}{{{users}}}"), 1.0),
        (format!("{RETRIES}{{{users},class=rate_limited}}"), 1.0),
        (
            format!(
                "tower_heed_retries_stopped_total{{{users},class=unavailable,reason=max_retries}}"
            ),
            1.0,
        ),
        (format!("{FALLBACKS}{{{users},class=unavailable,outcome=fail_closed}}"), 1.0),
        (format!("{TOKEN_FETCHES}{{outcome=ok,stack=auth0}}"), 1.0),
    ]);
    assert_eq!(seen, expected);
}

#[cfg(feature = "response-cache")]
#[tokio::test(start_paused = true)]
async fn the_name_of_a_stack_is_a_label_of_its_response_cache_whatever_came_first() {
    let endpoint = |layer: tower_heed::ResponseCacheLayer| {
        let pattern = "/users/{id}".parse().unwrap();
        layer.endpoint(pattern, |config| config.ttl(Duration::from_secs(60)))
    };
    let layer = tower_heed::ResponseCacheLayer::new;
    for layer in [endpoint(layer()).name("auth0"), endpoint(layer().name("auth0"))] {
        let (snapshots, _guard) = record();
        let (inner, _watch) = probe(4);
        layer.layer(inner).oneshot(get("/users/7")).await.map(drop).unwrap();
        let name = format!("{CACHE_REQUESTS}{{endpoint=/users/{{id}},outcome=miss,stack=auth0}}");
        assert_eq!(counted(&snapshots), BTreeMap::from([(name, 1.0)]));
    }
}

/// The page lists the metrics that there are, with their labels.
#[test]
fn each_has_a_description_and_a_unit_and_a_line_on_the_page() {
    let (snapshots, _guard) = record();
    let (inner, _watch) = probe(1);
    // A layer registers the descriptions when it wraps a service.
    drop(DetachLayer::new().layer(inner));
    let page = include_str!("../../src/metrics/mod.rs");
    let rows = page.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let rows = rows.filter_map(|row| row.split_once("` | "));
    let mut named = 0;
    for (name, row) in rows {
        // A description is shown with a value only.
        match row.split(' ').next() {
            Some("counter") => metrics::counter!(name).increment(1),
            Some("gauge") => metrics::gauge!(name).set(1.0),
            Some("histogram") => metrics::histogram!(name).record(1.0),
            _ => continue,
        }
        named += 1;
    }
    let snapshot = snapshots.snapshot().into_vec();
    assert!(snapshot.len() == named && named >= 17, "{named}");
    for (key, unit, description, _) in snapshot {
        assert!(unit.is_some() && description.is_some(), "{key:?}");
    }
}

/// A process of a fleet whose store is down from the sixth second on.
#[cfg(feature = "shared")]
#[tokio::test(start_paused = true)]
async fn permits_of_a_fleet_are_counted_by_what_became_of_them() {
    use limiter_sim::{Headers, Limiter, Rule, SECOND};
    use tokio::time::{Instant, sleep, timeout};
    use tower_heed::store::{InMemory, QuotaRequest, SealingKeys};

    let (snapshots, _recording) = record();
    let is_down = Arc::new(AtomicBool::new(false));
    let (store, fails) = (InMemory::new(), Arc::clone(&is_down));
    let store = service_fn(move |request: QuotaRequest| {
        let reply = store.clone().oneshot(request);
        let fails = fails.load(Ordering::Relaxed);
        async move { if fails { Err("refused") } else { Ok(reply.await.unwrap()) } }
    });
    let limiter = Limiter::new(Rule::Fixed { limit: 20, period: SECOND });
    let (limiter, begun) = (Arc::new(std::sync::Mutex::new(limiter)), Instant::now());
    let api = service_fn(move |_: Request<Body>| {
        let now = 1_700_000_000 * SECOND + (Instant::now() - begun).as_nanos() as u64;
        let left = limiter.lock().unwrap().arrive(now);
        let mut response = Response::new(());
        *response.status_mut() = if left.accepted { 200 } else { 429 }.try_into().unwrap();
        *response.headers_mut() = Headers::Epoch.fields(&left, now);
        async move {
            sleep(Duration::from_millis(5)).await;
            Ok::<_, BoxError>(response)
        }
    });
    let keys = SealingKeys::in_clear_text(&[0; 32]);
    let client = ThrottleLayer::new().name("idp").fleet(store, keys).layer(api);
    let busy = async |span| {
        let until = Instant::now() + span;
        let send = async {
            loop {
                drop(client.clone().oneshot(get("/")).await);
            }
        };
        let _: Result<(), _> = timeout(until - Instant::now(), send).await;
    };
    let permits = |counted: &BTreeMap<String, f64>, outcome: &str| {
        let name = format!("tower_heed_permits_total{{outcome={outcome},stack=idp}}");
        counted.get(&name).copied().unwrap_or_default()
    };

    busy(Duration::from_secs(5)).await;
    let up = counted(&snapshots);
    assert!(permits(&up, "used") > 50.0, "{up:?}");
    assert_eq!(permits(&up, "by_share"), 0.0);
    is_down.store(true, Ordering::Relaxed);
    busy(Duration::from_secs(5)).await;
    let down = counted(&snapshots);
    assert!(permits(&down, "by_share") > 30.0, "{down:?}");
    is_down.store(false, Ordering::Relaxed);
    busy(Duration::from_secs(3)).await;
    drop(counted(&snapshots));
    busy(Duration::from_secs(3)).await;
    let back = counted(&snapshots);
    assert!(permits(&back, "used") > 30.0, "{back:?}");
    assert_eq!(permits(&back, "by_share"), 0.0);
    // What it has at hand when the callers leave is not used, and its window ends.
    sleep(Duration::from_secs(5)).await;
    busy(Duration::from_secs(2)).await;
    let idle = counted(&snapshots);
    assert!(permits(&idle, "lapsed") > 0.0, "{idle:?}");
}
