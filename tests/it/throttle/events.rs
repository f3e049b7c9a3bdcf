//! What is logged: changes of state, and nothing for each request.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use tokio::time::sleep;
use tower::Layer;
use tower_heed::ThrottleLayer;
use tracing::{
    Instrument, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::{SECOND, rate_limit, send, spawn};
use crate::support::{events::Events, probe::probe, scripted::get};

#[tokio::test(start_paused = true)]
async fn a_backlog_is_logged_when_it_begins_and_when_it_ends() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    rate_limit(&mut client, &watch).await;
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(spawn(&client, get("/users/1?secret=1")).await);
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let queued = events.named("requests are queued");
    assert_eq!(queued.len(), 1, "{}", events.text());
    assert_eq!(queued[0].field("key"), Some("https://id.example"));
    let wait: u64 = queued[0].field("wait_ms").unwrap().parse().unwrap();
    assert!((10_000..10_100).contains(&wait), "{wait}");
    let drained = events.named("requests are no longer queued");
    assert_eq!(drained.len(), 1, "{}", events.text());
    assert_eq!(drained[0].field("requests"), Some("5"));
    let waited: u64 = drained[0].field("waited_ms").unwrap().parse().unwrap();
    assert!((10_000..11_000).contains(&waited), "{waited}");
    assert!(!events.text().contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_logged_when_it_is_learned_and_when_it_changes() {
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
    let learned = events.named("learned the server's limit");
    let limits: Vec<_> = learned.iter().map(|event| event.field("limit")).collect();
    assert_eq!(limits, [Some("9"), Some("20")], "{}", events.text());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_the_rate_of_a_bucket() {
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
    assert_eq!(shown.kind(), "bucket");
    assert!(shown.rate().is_some_and(|rate| (0.5..2.0).contains(&rate)));
    assert_eq!((shown.limit(), shown.queued()), (Some(10), 0));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_the_rate_of_a_window_once_two_were_seen() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new();
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    for (second, known) in [(20, None), (80, Some(0.5))] {
        let date = format!("Tue, 14 Nov 2023 22:{:02}:{:02} GMT", 13 + second / 60, second % 60);
        let headers = &[
            ("date", &*date),
            ("x-ratelimit-limit", "30"),
            ("x-ratelimit-remaining", "29"),
            ("x-ratelimit-reset", if second == 20 { "1700000060" } else { "1700000120" }),
        ];
        watch.respond(200, headers);
        send(&mut client, get("/")).await.unwrap();
        assert_eq!(super::only(handle.snapshot()).rate(), known);
        sleep(60 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_span_with_the_field_gets_the_time_that_its_call_was_queued() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().max_wait(20 * SECOND).layer(probe);
    rate_limit(&mut client, &watch).await;
    assert_eq!(spans.take(), None, "it did not wait");
    let span = tracing::info_span!("call", throttle_waited_ms = tracing::field::Empty);
    send(&mut client, get("/")).instrument(span.clone()).await.unwrap();
    assert!(spans.take().is_some_and(|waited| (10_000..10_100).contains(&waited)));
    // A call with a permit records nothing, and a span without the field is not harmed.
    let (probe, watch) = self::probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    send(&mut client, get("/")).instrument(span).await.unwrap();
    rate_limit(&mut client, &watch).await;
    send(&mut client, get("/")).instrument(tracing::info_span!("other")).await.unwrap();
    assert_eq!(spans.take(), None);
}

/// The last value of the field `throttle_waited_ms` of any span.
#[derive(Clone, Debug, Default)]
struct Spans(Arc<Mutex<Option<u64>>>);

// === impl Spans ===

impl Spans {
    fn take(&self) -> Option<u64> {
        self.0.lock().unwrap().take()
    }
}

impl Visit for Spans {
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "throttle_waited_ms" {
            *self.0.lock().unwrap() = Some(value);
        }
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Spans {
    fn on_record(&self, _: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        values.record(&mut self.clone());
    }
}
