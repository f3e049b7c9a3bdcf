//! The spans that OpenTelemetry gets of each attempt.

use std::{collections::BTreeMap, future::pending, time::Duration};

use http::{Method, Request, Response};
use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    AttemptSpanLayer, BoxError, DetachLayer, ErrorClassifyLayer, FallbackLayer, Stack,
    TimeoutLayer, TokenCacheLayer, token_cache::StaticToken,
};
use tracing::{
    Dispatch, Instrument, Span, info_span,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    support::{
        probe::{Body, ScriptedResponse, probe},
        scripted::get,
    },
    token_cache::support::{self as token_support, Source},
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

    /// The only span.
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

fn users() -> AttemptSpanLayer {
    AttemptSpanLayer::new().endpoint("GET /users/{id}".parse().unwrap(), |config| config)
}

/// The span that a call is made in need not be the one that its future is polled in.
#[tokio::test(start_paused = true)]
async fn all_attempts_are_children_of_the_span_of_the_future() {
    let exported = Exported::record();
    let (inner, watch) = probe(1);
    watch.respond(429, &[("retry-after", "1")]);
    let mut client = Stack::new().attempt_span(users()).service(inner);
    let request = async {
        let call = client.ready().await.unwrap().call(get("/users/7"));
        call.instrument(info_span!("login")).await.unwrap();
    };
    request.instrument(info_span!("server")).await;
    let spans = exported.spans();
    let [first, second, login, server] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!((&*login.name, &*server.name), ("login", "server"));
    for attempt in [first, second] {
        assert_eq!(attempt.parent_span_id, login.span_context.span_id());
    }
    assert_eq!(watch.unready_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_429_and_the_success_after_it_are_two_child_spans_of_the_caller_s() {
    let exported = Exported::record();
    let (inner, watch) = probe(1);
    watch.respond(429, &[("retry-after", "1")]);
    let token = StaticToken::new("sk_test_7").unwrap();
    let token = TokenCacheLayer::new(token).allow_origin("https://id.example".parse().unwrap());
    let client = Stack::new().attempt_span(users()).token_cache(token).service(inner);
    let mut request = get("/users/7?code=secret&secret");
    *request.uri_mut() = "https://me:secret@id.example/users/7?code=secret&secret".parse().unwrap();
    request.headers_mut().insert("x-key", "secret".parse().unwrap());
    client.oneshot(request).instrument(info_span!("login")).await.unwrap();

    let spans = exported.spans();
    let [first, second, login] = &spans[..] else { panic!("{spans:#?}") };
    for attempt in [first, second] {
        assert_eq!((&*attempt.name, &attempt.span_kind), ("GET /users/{id}", &SpanKind::Client));
        assert_eq!(attempt.parent_span_id, login.span_context.span_id());
        assert_eq!(attempt.span_context.trace_id(), login.span_context.trace_id());
        assert!(attempt.events.is_empty() && attempt.links.is_empty());
    }
    let both = [
        ("http.request.method", "GET"),
        ("network.protocol.version", "1.1"),
        ("server.address", "id.example"),
        ("server.port", "443"),
        ("url.full", "https://REDACTED:REDACTED@id.example/users/7?code=REDACTED&REDACTED"),
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

#[tokio::test(start_paused = true)]
async fn the_attempt_after_a_rejected_token_is_a_resend_without_a_retry_layer_too() {
    let exported = Exported::record();
    let (inner, watch) = probe(1);
    watch.respond(401, &[]);
    let client =
        token_support::layer(&Source::default()).layer(AttemptSpanLayer::new().layer(inner));
    assert_eq!(client.oneshot(get("/")).await.unwrap().status(), 200);
    let resends = exported.spans();
    let resends = resends.iter().map(|span| attributes(span).remove("http.request.resend_count"));
    assert_eq!(resends.collect::<Vec<_>>(), [None, Some("1".to_owned())]);
}

/// An integer as text could not be compared or summed by a backend.
#[tokio::test]
async fn numbers_are_integers() {
    let exported = Exported::record();
    let (inner, _watch) = probe(1);
    let mut request = get("/");
    request.extensions_mut().insert(tower_heed::extensions::Attempt::new(2));
    AttemptSpanLayer::new().layer(inner).oneshot(request).await.unwrap();
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
    AttemptSpanLayer::new().without_url().layer(http).oneshot(request).await.unwrap_err();

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
async fn an_attempt_that_hangs_is_a_timeout_and_one_that_is_dropped_is_cancelled() {
    for (seconds, kind) in [(5, "timeout"), (50, "cancelled")] {
        let exported = Exported::record();
        let hangs = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, BoxError>>());
        let limit = |seconds| TimeoutLayer::new(Duration::from_secs(seconds));
        let stack = Stack::new().attempt_span(users()).call_timeout(limit(6));
        let retry = tower_heed::RetryOnRateLimit::new().max_retries(0);
        let client = stack.attempt_timeout(limit(seconds)).retry(retry).service(hangs);
        client.oneshot(get("/users/7")).await.unwrap_err();
        let span = exported.span();
        assert_eq!((&*attributes(&span)["error.type"], span.status), (kind, failed()));
    }
}

#[tokio::test]
async fn an_error_of_no_class_text_is_not_in_the_span() {
    let exported = Exported::record();
    let fails =
        service_fn(async |_: Request<Body>| Err::<Response<Body>, BoxError>("secret".into()));
    let error = AttemptSpanLayer::new().layer(fails).oneshot(get("/")).await.unwrap_err();
    assert_eq!(error.to_string(), "secret");
    assert_eq!(attributes(&exported.span())["error.type"], "_OTHER");
    assert!(!format!("{:?}", exported.span()).contains("secret"));
}

#[tokio::test]
async fn an_unknown_method_does_not_name_the_span() {
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
async fn the_known_methods_can_be_set() {
    let exported = Exported::record();
    let (inner, _watch) = probe(3);
    let brew = Method::from_bytes(b"BREW").unwrap();
    let layer = users().known_methods([Method::GET, brew.clone()]);
    let clients = [(users(), "QUERY", "QUERY"), (layer.clone(), "BREW", "BREW")];
    for (layer, method, name) in clients.into_iter().chain([(layer, "POST", "HTTP")]) {
        let mut request = get("/");
        *request.method_mut() = method.parse().unwrap();
        layer.layer(inner.clone()).oneshot(request).await.unwrap();
        assert_eq!(exported.spans().last().unwrap().name, name);
    }
}

/// The span of an attempt that gets `response`.
async fn span_of(request: Request<Body>, response: Response<Body>) -> SpanData {
    let exported = Exported::record();
    let (inner, watch) = probe(1);
    watch.push(ScriptedResponse::from(response));
    AttemptSpanLayer::new().layer(inner).oneshot(request).await.unwrap();
    exported.span()
}

#[tokio::test]
async fn a_status_above_599_is_an_error_and_a_redirect_is_not() {
    for (status, error) in [(399, None), (400, Some("400")), (599, Some("599")), (999, Some("999"))]
    {
        let response = Response::builder().status(status).body(Body::default()).unwrap();
        let span = span_of(get("/"), response).await;
        assert_eq!(attributes(&span).get("error.type").map(String::as_str), error);
        assert_eq!(span.status, error.map_or(Status::Unset, |_| failed()));
    }
}

#[tokio::test]
async fn the_version_is_the_response_s() {
    use http::Version;
    for (version, name) in
        [(Version::HTTP_10, "1.0"), (Version::HTTP_2, "2"), (Version::HTTP_3, "3")]
    {
        let response = Response::builder().version(version).body(Body::default()).unwrap();
        let span = span_of(get("/"), response).await;
        assert_eq!(attributes(&span)["network.protocol.version"], name);
    }
}

#[tokio::test]
async fn a_first_attempt_is_not_a_resend() {
    let mut request = get("/");
    request.extensions_mut().insert(tower_heed::extensions::Attempt::new(0));
    let span = span_of(request, Response::default()).await;
    assert!(!attributes(&span).contains_key("http.request.resend_count"), "{span:?}");
}

#[tokio::test]
async fn a_uri_that_is_only_a_path_takes_its_server_from_the_host_field() {
    for (host, address, port) in [
        ("id.example", "id.example", None),
        ("id.example:8080", "id.example", Some("8080")),
        ("[::1]", "::1", None),
        ("[::1]:8080", "::1", Some("8080")),
    ] {
        let mut request = get("/");
        *request.uri_mut() = "/users?".parse().unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        let seen = attributes(&span_of(request, Response::default()).await);
        assert_eq!(seen["server.address"], address);
        assert_eq!(seen.get("server.port").map(String::as_str), port);
        assert_eq!(seen["url.full"], "/users?");
    }
    let mut request = get("/");
    *request.uri_mut() = "/users".parse().unwrap();
    let seen = attributes(&span_of(request, Response::default()).await);
    assert!(!seen.contains_key("server.address") && !seen.contains_key("server.port"));
}

#[tokio::test]
async fn an_endpoint_without_url_shows_only_its_pattern() {
    let exported = Exported::record();
    let (inner, _watch) = probe(2);
    let layer = users().endpoint("/reset/{code}".parse().unwrap(), |config| config.without_url());
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
async fn an_ipv6_address_has_no_brackets_and_keeps_its_port() {
    let exported = Exported::record();
    let (inner, _watch) = probe(1);
    let request = Request::get("http://[::1]:8080/").body(Body::default()).unwrap();
    AttemptSpanLayer::new().layer(inner).oneshot(request).await.unwrap();
    let seen = attributes(&exported.span());
    assert_eq!((&*seen["server.address"], &*seen["server.port"]), ("::1", "8080"));
    assert_eq!(seen["url.full"], "http://[::1]:8080/");
}

/// The name of the current span.
fn current() -> Option<&'static str> {
    Span::current().metadata().map(|span| span.name())
}

#[tokio::test]
async fn the_span_is_entered_only_inside_and_ends_with_the_head() {
    let exported = Exported::record();
    let (respond, asked) = tokio::sync::oneshot::channel::<()>();
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Some(asked)));
    let inner = service_fn(move |_: Request<Body>| {
        assert_eq!(current(), Some("attempt"));
        let asked = asked.lock().unwrap().take().unwrap();
        async move {
            assert_eq!(current(), Some("attempt"));
            asked.await.unwrap();
            assert_eq!(current(), Some("attempt"));
            Ok::<_, BoxError>(Response::new(Body::from("unread")))
        }
    });
    let mut client = AttemptSpanLayer::new().layer(inner);
    let mut sent = task::spawn(client.ready().await.unwrap().call(get("/")));
    assert_eq!(current(), None);
    assert_pending!(sent.poll());
    assert_eq!(current(), None);
    assert!(exported.spans().is_empty());

    respond.send(()).unwrap();
    let response = assert_ready_ok!(sent.poll());
    assert_eq!(current(), None);
    assert_eq!(exported.span().status, Status::Unset);
    drop((response, sent));
    assert_eq!(exported.spans().len(), 1);
}

/// The names of the spans that have ended, with their status codes.
fn ended(exported: &Exported) -> Vec<String> {
    let spans = exported.spans();
    let line = |span: &SpanData| match attributes(span).get("http.response.status_code") {
        Some(status) => format!("{} {status}", span.name),
        None => span.name.to_string(),
    };
    spans.iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_fallback_outside_has_no_span_and_one_inside_looks_like_the_upstream() {
    let fallback = || FallbackLayer::fail_open(|_| Response::new("[]"));
    for (is_outside, expected) in [(true, "GET /users/{id} 503"), (false, "GET /users/{id} 200")] {
        let exported = Exported::record();
        let (inner, watch) = probe(1);
        watch.respond(503, &[]);
        let status = if is_outside {
            let client = fallback().layer(users().layer(inner));
            client.oneshot(get("/users/7")).await.unwrap().status()
        } else {
            let client = users().layer(fallback().layer(inner));
            client.oneshot(get("/users/7")).await.unwrap().status()
        };
        assert_eq!((status.as_u16(), ended(&exported)), (200, vec![expected.to_owned()]));
    }
}

#[tokio::test]
async fn a_response_that_became_an_error_inside_has_a_class_and_no_status() {
    let exported = Exported::record();
    let (inner, watch) = probe(1);
    watch.respond(503, &[]);
    let client = users().layer(ErrorClassifyLayer::new().error_for_status().layer(inner));
    client.oneshot(get("/users/7")).await.unwrap_err();
    let seen = attributes(&exported.span());
    assert_eq!(seen["error.type"], "unavailable");
    assert!(!seen.contains_key("http.response.status_code"));
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_stack_is_an_attribute() {
    let exported = Exported::record();
    let (inner, _watch) = probe(1);
    let stack = Stack::new().attempt_span(AttemptSpanLayer::new()).name("auth0");
    stack.service(inner).oneshot(get("/users/7")).await.map(drop).unwrap();
    assert_eq!(attributes(&exported.span())["tower_heed.stack"], "auth0");
}

#[cfg(feature = "response-cache")]
#[tokio::test(start_paused = true)]
async fn a_cache_outside_has_one_span_for_a_fetch_and_one_inside_has_a_span_for_every_call() {
    let cache = || {
        tower_heed::ResponseCacheLayer::new()
            .endpoint("/users/{id}".parse().unwrap(), |config| config.ttl(Duration::from_secs(60)))
    };
    async fn three<S>(client: S)
    where
        S: Service<Request<Body>, Error = BoxError> + Clone,
    {
        let login = client.clone().oneshot(get("/users/7")).instrument(info_span!("login"));
        let logout = client.clone().oneshot(get("/users/7")).instrument(info_span!("logout"));
        let (login, logout) = tokio::join!(login, logout);
        assert!(login.is_ok() && logout.is_ok());
        client.oneshot(get("/users/7")).await.unwrap();
    }
    let exported = Exported::record();
    let (inner, watch) = probe(1);
    three(cache().layer(users().layer(inner))).await;
    assert_eq!((watch.attempts(), exported.spans().len()), (1, 3));
    let spans = exported.spans();
    let span = |name| spans.iter().find(|span| span.name == name).unwrap();
    let parent = span("login").span_context.span_id();
    assert_eq!(span("GET /users/{id}").parent_span_id, parent);
    drop(exported);

    let exported = Exported::record();
    let (inner, watch) = probe(1);
    three(users().layer(cache().layer(inner))).await;
    let attempts = ended(&exported).iter().filter(|name| *name == "GET /users/{id} 200").count();
    assert_eq!((watch.attempts(), attempts), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_detached_request_has_its_span_when_it_is_sent_and_the_202_has_one_if_detach_is_inside() {
    let detach =
        || DetachLayer::new().endpoint("GET /users/{id}".parse().unwrap(), |config| config);
    let second = Duration::from_secs(1);
    let slow = || {
        service_fn(async |_: Request<Body>| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, BoxError>(Response::new(Body::default()))
        })
    };
    let exported = Exported::record();
    let client = detach().layer(users().layer(slow()));
    let accepted = client.oneshot(get("/users/7")).instrument(info_span!("login")).await.unwrap();
    assert_eq!((accepted.status().as_u16(), exported.spans().len()), (202, 0));
    tokio::time::sleep(2 * second).await;
    // The span of the call is open until then.
    assert_eq!(ended(&exported), ["GET /users/{id} 200", "login"]);
    let spans = exported.spans();
    assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
    drop(exported);

    let exported = Exported::record();
    let client = users().layer(detach().layer(slow()));
    assert_eq!(client.oneshot(get("/users/7")).await.unwrap().status(), 202);
    assert!(exported.spans().is_empty());
    tokio::time::sleep(2 * second).await;
    assert_eq!(ended(&exported), ["GET /users/{id} 202"]);
}
