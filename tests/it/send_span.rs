//! What OpenTelemetry gets to see of each send.

use std::{collections::BTreeMap, future::pending, time::Duration};

use http::{Method, Request, Response};
use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, SendSpanLayer, Stack, TimeoutLayer, TokenCacheLayer, token_cache::StaticToken,
};
use tracing::{
    Dispatch, Instrument, Span, info_span,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{
    probe::{Body, probe},
    scripted::get,
};

/// The spans of this thread that have ended, as an exporter gets them.
struct Exported {
    exporter: InMemorySpanExporter,
    _provider: SdkTracerProvider,
    _guard: DefaultGuard,
    _second: Dispatch,
}

impl Exported {
    fn record() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = OpenTelemetryLayer::new(provider.tracer("test"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        // As in `Log::record`: one subscriber alone would switch spans off for all threads.
        let second = Dispatch::new(NoSubscriber::default());
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        Self { exporter, _provider: provider, _guard: guard, _second: second }
    }

    fn spans(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }

    /// The one span there is.
    fn span(&self) -> SpanData {
        let spans = self.spans();
        let [span] = &spans[..] else { panic!("{spans:#?}") };
        span.clone()
    }
}

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let pairs = span.attributes.iter();
    pairs.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn failed() -> Status {
    Status::error("")
}

fn users() -> SendSpanLayer {
    SendSpanLayer::new().endpoint("GET /users/{id}", |config| config).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_the_success_after_it_are_two_spans_of_the_caller_s() {
    let exported = Exported::record();
    let (inner, watch) = probe(1);
    watch.respond(429, &[("retry-after", "1")]);
    let token = StaticToken::new("sk_test_7").unwrap();
    let token = TokenCacheLayer::new(token).allow_origin("https://id.example").unwrap();
    let client = Stack::new().send_span(users()).token_cache(token).layer(inner);
    let mut request = get("/users/7?code=secret&secret");
    *request.uri_mut() = "https://me:secret@id.example/users/7?code=secret&secret".parse().unwrap();
    request.headers_mut().insert("x-key", "secret".parse().unwrap());
    client.oneshot(request).instrument(info_span!("login")).await.unwrap();

    let spans = exported.spans();
    let [first, second, login] = &spans[..] else { panic!("{spans:#?}") };
    for send in [first, second] {
        assert_eq!((&*send.name, &send.span_kind), ("GET /users/{id}", &SpanKind::Client));
        assert_eq!(send.parent_span_id, login.span_context.span_id());
        assert_eq!(send.span_context.trace_id(), login.span_context.trace_id());
        assert!(send.events.is_empty() && send.links.is_empty());
    }
    let both = [
        ("http.request.method", "GET"),
        ("server.address", "id.example"),
        ("server.port", "443"),
        ("url.full", "https://id.example/users/7?code=REDACTED&REDACTED"),
        ("url.template", "/users/{id}"),
    ];
    let mut of_first = map(&both);
    of_first.extend(map(&[("http.response.status_code", "429"), ("error.type", "429")]));
    assert_eq!((attributes(first), &first.status), (of_first, &failed()));
    let mut of_second = map(&both);
    of_second
        .extend(map(&[("http.response.status_code", "200"), ("http.request.resend_count", "1")]));
    assert_eq!((attributes(second), &second.status), (of_second, &Status::Unset));
    for text in [format!("{first:?}"), format!("{second:?}")] {
        assert!(!text.contains("secret") && !text.contains("sk_test_7"), "{text}");
    }
}

/// An integer as text could not be compared or summed by a backend.
#[tokio::test]
async fn numbers_are_integers() {
    let exported = Exported::record();
    let (inner, _watch) = probe(1);
    let mut request = get("/");
    request.extensions_mut().insert(tower_heed::policy::Attempt::new(2));
    SendSpanLayer::new().layer(inner).oneshot(request).await.unwrap();
    for name in ["server.port", "http.response.status_code", "http.request.resend_count"] {
        let span = exported.span();
        let pair = span.attributes.iter().find(|pair| pair.key.as_str() == name).unwrap();
        assert!(matches!(pair.value, opentelemetry::Value::I64(_)), "{pair:?}");
    }
}

#[cfg(feature = "hyper")]
#[tokio::test]
async fn a_refused_connection_is_named_by_its_class() {
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    let exported = Exported::record();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let http = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let request = Request::get(format!("http://{closed}/?secret")).body(Body::default()).unwrap();
    SendSpanLayer::new().without_url().layer(http).oneshot(request).await.unwrap_err();

    let span = exported.span();
    let port = closed.port().to_string();
    let expected = map(&[
        ("http.request.method", "GET"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("error.type", "connect"),
    ]);
    assert_eq!((attributes(&span), &span.status), (expected, &failed()));
    assert_eq!(span.name, "GET");
}

#[tokio::test(start_paused = true)]
async fn a_send_that_hangs_is_a_timeout_and_one_that_is_given_up_is_cancelled() {
    for (send, kind) in [(5, "timeout"), (50, "cancelled")] {
        let exported = Exported::record();
        let hangs = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, BoxError>>());
        let limit = |seconds| TimeoutLayer::new(Duration::from_secs(seconds)).unwrap();
        let stack = Stack::new().send_span(users()).call_timeout(limit(6));
        let retry = tower_heed::RetryOnRateLimit::new().max_retries(0);
        let client = stack.send_timeout(limit(send)).retry(retry).layer(hangs);
        client.oneshot(get("/users/7")).await.unwrap_err();
        let span = exported.span();
        assert_eq!((&*attributes(&span)["error.type"], span.status), (kind, failed()));
    }
}

#[tokio::test]
async fn an_error_of_no_class_tells_nothing_of_its_text() {
    let exported = Exported::record();
    let fails =
        service_fn(async |_: Request<Body>| Err::<Response<Body>, BoxError>("secret".into()));
    let error = SendSpanLayer::new().layer(fails).oneshot(get("/")).await.unwrap_err();
    assert_eq!(error.to_string(), "secret");
    assert_eq!(attributes(&exported.span())["error.type"], "_OTHER");
    assert!(!format!("{:?}", exported.span()).contains("secret"));
}

#[tokio::test]
async fn a_method_that_is_not_known_makes_no_name_of_its_own() {
    let exported = Exported::record();
    let (inner, _watch) = probe(1);
    let mut request = get("/users/7");
    *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
    users().layer(inner).oneshot(request).await.unwrap();
    let span = exported.span();
    let seen = attributes(&span);
    assert_eq!((&*span.name, &*seen["http.request.method"]), ("HTTP", "_OTHER"));
    assert_eq!(seen["http.request.method_original"], "BREW");
    assert!(!seen.contains_key("url.template"));
}

#[tokio::test]
async fn an_endpoint_without_url_shows_its_pattern_alone() {
    let exported = Exported::record();
    let (inner, _watch) = probe(2);
    let layer = users().endpoint("/reset/{code}", |config| config.without_url()).unwrap();
    let mut client = layer.layer(inner);
    for path in ["/reset/secret", "/users/7"] {
        client.ready().await.unwrap().call(get(path)).await.unwrap();
    }
    let spans = exported.spans();
    assert_eq!(spans[0].name, "GET /reset/{code}");
    assert!(!format!("{:?}", spans[0]).contains("secret"));
    assert_eq!(attributes(&spans[1])["url.full"], "https://id.example/users/7");
}

#[tokio::test]
async fn an_ipv6_address_has_its_own_port_and_no_brackets() {
    let exported = Exported::record();
    let (inner, _watch) = probe(1);
    let request = Request::get("http://[::1]:8080/").body(Body::default()).unwrap();
    SendSpanLayer::new().layer(inner).oneshot(request).await.unwrap();
    let seen = attributes(&exported.span());
    assert_eq!((&*seen["server.address"], &*seen["server.port"]), ("::1", "8080"));
    assert_eq!(seen["url.full"], "http://[::1]:8080/");
}

/// The name of the span that is entered.
fn current() -> Option<&'static str> {
    Span::current().metadata().map(|span| span.name())
}

#[tokio::test]
async fn the_span_is_entered_inside_alone_and_ends_with_the_head() {
    let exported = Exported::record();
    let (answer, asked) = tokio::sync::oneshot::channel::<()>();
    let mut asked = Some(asked);
    let inner = service_fn(move |_: Request<Body>| {
        assert_eq!(current(), Some("send"));
        let asked = asked.take().unwrap();
        async move {
            assert_eq!(current(), Some("send"));
            asked.await.unwrap();
            assert_eq!(current(), Some("send"));
            Ok::<_, BoxError>(Response::new(Body::from("unread")))
        }
    });
    let mut client = SendSpanLayer::new().layer(inner);
    let mut sent = task::spawn(client.ready().await.unwrap().call(get("/")));
    assert_eq!(current(), None);
    assert_pending!(sent.poll());
    assert_eq!(current(), None);
    assert!(exported.spans().is_empty());

    answer.send(()).unwrap();
    let response = assert_ready_ok!(sent.poll());
    assert_eq!(current(), None);
    assert_eq!(exported.span().status, Status::Unset);
    drop((response, sent));
    assert_eq!(exported.spans().len(), 1);
}
