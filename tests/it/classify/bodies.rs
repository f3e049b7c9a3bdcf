//! What only the body says, through a whole stack.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, channel::Channel};
use tokio::time::Instant;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_heed::{
    ErrorClassifyLayer, Stack, TokenCacheLayer,
    classify::{AuthStatus, Classification, ClassifyBodyLayer, ErrorClass, Preset},
    token_cache::{Token, TokenRequest},
};

use crate::support::{probe::Body, scripted::get};

const SECOND: Duration = Duration::from_secs(1);

/// A response: its status, one field of its head, and its body.
type Said = (u16, (&'static str, &'static str), &'static str);

const JSON: (&str, &str) = ("content-type", "application/json");

const SHOPIFY: Said = (
    200,
    JSON,
    r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":
    {"requestedQueryCost":202,"throttleStatus":{"maximumAvailable":1000.0,"currentlyAvailable":2,"restoreRate":50.0}}}}"#,
);

/// What one response means to a layer outside of the one that reads it, and the whole of its body.
async fn read(preset: Preset, said: Said) -> (Option<Classification>, Bytes) {
    let http = service_fn(move |_: Request<Body>| async move {
        let (status, (name, value), body) = said;
        let response = Response::builder().status(status).header(name, value);
        Ok::<_, BoxError>(response.body(Full::<Bytes>::from(body))?)
    });
    let layer = ClassifyBodyLayer::new()
        .endpoint("/users/{id}".parse().unwrap(), |config| config.classifier(preset));
    let client = ServiceBuilder::new().layer(layer).service(http);
    let response = client.oneshot(get("/users/1")).await.unwrap();
    let found = response.extensions().get().cloned();
    (found, response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test(start_paused = true)]
async fn each_preset_reads_what_its_provider_writes() {
    use ErrorClass::{Forbidden, RateLimited, Rejected, Unauthenticated};

    let xml = ("content-type", "text/xml");
    let secondary = r#"{"message":"You have exceeded a secondary rate limit. Please wait."}"#;
    type Row = (Preset, Said, Option<(ErrorClass, Option<u64>)>);
    let rows: &[Row] = &[
        (Preset::GraphQl, SHOPIFY, Some((RateLimited, Some(4)))),
        (
            Preset::GraphQl,
            (200, JSON, r#"{"errors":[{"type":"RATE_LIMITED"}]}"#),
            Some((RateLimited, None)),
        ),
        (
            Preset::GraphQl,
            (200, JSON, r#"{"data":null,"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}"#),
            Some((Unauthenticated, None)),
        ),
        (
            Preset::GraphQl,
            (200, JSON, r#"{"errors":[{"extensions":{"code":"FORBIDDEN"}}]}"#),
            Some((Forbidden, None)),
        ),
        // Part of the data came, and a user may have written anything into it.
        (
            Preset::GraphQl,
            (200, JSON, r#"{"errors":[{"extensions":{"code":"FORBIDDEN"}}],"data":{"a":1}}"#),
            None,
        ),
        (
            Preset::GraphQl,
            (200, JSON, r#"{"data":{"errors":[{"extensions":{"code":"THROTTLED"}}]}}"#),
            None,
        ),
        // Something was carried out, although no value is left of it.
        (
            Preset::GraphQl,
            (200, JSON, r#"{"errors":[{"extensions":{"code":"THROTTLED"}}],"data":{"a":null}}"#),
            None,
        ),
        (
            Preset::GraphQl,
            (200, JSON, r#"{"data":{},"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}"#),
            None,
        ),
        (
            Preset::GraphQl,
            (200, JSON, r#"{"data":[],"errors":[{"extensions":{"code":"THROTTLED"}}]}"#),
            None,
        ),
        // The data may follow.
        (Preset::GraphQl, (200, JSON, r#"{"errors":[{"extensions":{"code":"THROTTLED"}}]"#), None),
        (Preset::GraphQl, (200, ("content-type", "text/plain"), SHOPIFY.2), None),
        (
            Preset::OpenAi,
            (429, JSON, r#"{"error":{"message":"m","code":"insufficient_quota"}}"#),
            Some((Rejected, None)),
        ),
        (Preset::OpenAi, (429, JSON, r#"{"error":{"code":"rate_limit_exceeded"}}"#), None),
        (Preset::GitHub, (403, JSON, secondary), Some((RateLimited, Some(60)))),
        (Preset::GitHub, (403, ("retry-after", "7"), secondary), Some((RateLimited, Some(7)))),
        (
            Preset::GitHub,
            (403, JSON, r#"{"message":"Resource not accessible by integration"}"#),
            None,
        ),
        (
            Preset::Standard,
            (400, JSON, r#"{"__type":"com.amazon#ThrottlingException"}"#),
            Some((RateLimited, None)),
        ),
        (
            Preset::Standard,
            (503, xml, "<Error><Code>SlowDown</Code></Error>"),
            Some((RateLimited, None)),
        ),
        (
            Preset::Standard,
            (403, xml, "<E><Code>ExpiredToken</Code></E>"),
            Some((Unauthenticated, None)),
        ),
        (Preset::Standard, (400, xml, "<Error><Code>NoSuchKey</Code></Error>"), None),
        (
            Preset::Google,
            (
                429,
                JSON,
                r#"{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"30.5s"}]}}"#,
            ),
            Some((RateLimited, Some(30))),
        ),
        (Preset::Google, (403, JSON, r#"{"error":{"errors":[{"reason":"forbidden"}]}}"#), None),
        (Preset::Okta, (429, JSON, secondary), None),
    ];
    for (preset, said, expected) in rows {
        let (found, body) = read(*preset, *said).await;
        let found =
            found.map(|found| (found.class(), found.retry_after().map(|wait| wait.as_secs())));
        assert_eq!(found, *expected, "{preset:?} {said:?}");
        assert_eq!(body, said.2, "the body is whole");
    }
}

/// The data may follow in the part that was not read.
#[tokio::test(start_paused = true)]
async fn a_graph_ql_body_that_was_cut_says_nothing() {
    let text = r#"{"errors":[{"extensions":{"code":"THROTTLED"}}]}"#;
    for (max_bytes, comes, is_found) in
        [(text.len() - 1, true, false), (100, true, true), (100, false, false)]
    {
        let http = service_fn(move |_: Request<Body>| async move {
            let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
            tokio::spawn(async move {
                sender.send_data(text.into()).await.unwrap();
                if !comes {
                    tokio::time::sleep(10 * SECOND).await;
                }
            });
            let response = Response::builder().header("content-type", "application/json");
            Ok::<_, BoxError>(response.body(body)?)
        });
        let layer = ClassifyBodyLayer::new().endpoint("/users/{id}".parse().unwrap(), |config| {
            config.classifier(Preset::GraphQl).max_bytes(max_bytes)
        });
        let client = ServiceBuilder::new().layer(layer).service(http);
        let response = client.oneshot(get("/users/1")).await.unwrap();
        let found = response.extensions().get::<Classification>();
        assert_eq!(found.is_some(), is_found, "{max_bytes} {comes}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_encoded_body_is_not_read() {
    for (encoding, is_found) in [("gzip", false), ("identity", true)] {
        let http = service_fn(move |_: Request<Body>| async move {
            let body = r#"{"errors":[{"extensions":{"code":"THROTTLED"}}]}"#;
            let response = Response::builder()
                .header("content-type", "application/json")
                .header("content-encoding", encoding);
            Ok::<_, BoxError>(response.body(Full::<Bytes>::from(body))?)
        });
        let layer = ClassifyBodyLayer::new()
            .endpoint("/users/{id}".parse().unwrap(), |config| config.classifier(Preset::GraphQl));
        let client = ServiceBuilder::new().layer(layer).service(http);
        let response = client.oneshot(get("/users/1")).await.unwrap();
        let found = response.extensions().get::<Classification>();
        assert_eq!(found.is_some(), is_found, "{encoding}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_waits_as_long_as_the_body_says() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let http = service_fn(move |_: Request<Body>| {
        let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
        let body = if first { SHOPIFY.2 } else { r#"{"data":{"shop":1}}"# };
        async move {
            let response = Response::builder().header("content-type", "application/json");
            Ok::<_, BoxError>(response.body(Full::<Bytes>::from(body))?)
        }
    });
    let bodies = ClassifyBodyLayer::new()
        .endpoint("/users/{id}".parse().unwrap(), |config| config.classifier(Preset::GraphQl));
    let client = Stack::new().service(ServiceBuilder::new().layer(bodies).service(http));
    let start = Instant::now();
    let response = client.oneshot(get("/users/1")).await.unwrap();
    let took = Instant::now() - start;
    assert!(took >= 4 * SECOND && took < 9 * SECOND, "{took:?}");
    assert_eq!(tries.load(Ordering::Relaxed), 2);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"data":{"shop":1}}"#);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_rejects_the_token_has_it_replaced() {
    let http = service_fn(|request: Request<Body>| async move {
        let is_first = request.headers()["authorization"] == "Bearer token-0";
        let code = if is_first {
            r#"{"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}"#
        } else {
            "{}"
        };
        let response = Response::builder().header("content-type", "application/json");
        Ok::<_, BoxError>(response.body(Full::<Bytes>::from(code))?)
    });
    let number = Arc::new(AtomicUsize::new(0));
    let source = service_fn(move |_: TokenRequest| {
        let token = format!("token-{}", number.fetch_add(1, Ordering::Relaxed));
        std::future::ready(Token::bearer(&token))
    });
    let bodies = ClassifyBodyLayer::new()
        .endpoint("/users/{id}".parse().unwrap(), |config| config.classifier(Preset::GraphQl));
    let classify = ErrorClassifyLayer::new();
    let session = classify.status();
    let client = Stack::new()
        .classify(classify)
        .token_cache(
            TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap()),
        )
        .service(ServiceBuilder::new().layer(bodies).service(http));
    let response = client.oneshot(get("/users/1")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{}");
    assert_eq!(session.get(), AuthStatus::Active);
}

/// A limit is waited for, and costs no token.
#[tokio::test(start_paused = true)]
async fn a_429_rejects_no_token_whatever_its_body_says() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let http = service_fn(move |_: Request<Body>| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
        let body = if is_first {
            r#"{"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}"#
        } else {
            "{}"
        };
        let response = Response::builder()
            .status(if is_first { 429 } else { 200 })
            .header("retry-after", "4")
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body));
        async move { Ok::<_, BoxError>(response?) }
    });
    let tokens = Arc::new(AtomicUsize::new(0));
    let number = Arc::clone(&tokens);
    let source = service_fn(move |_: TokenRequest| {
        let token = format!("token-{}", number.fetch_add(1, Ordering::Relaxed));
        std::future::ready(Token::bearer(&token))
    });
    let bodies = ClassifyBodyLayer::new()
        .endpoint("/users/{id}".parse().unwrap(), |config| config.classifier(Preset::GraphQl));
    let token = TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap());
    let client =
        Stack::new().token_cache(token).service(ServiceBuilder::new().layer(bodies).service(http));
    let begun = Instant::now();
    assert_eq!(client.oneshot(get("/users/1")).await.unwrap().status(), 200);
    assert!(Instant::now() - begun >= 4 * SECOND);
    assert_eq!((attempts.load(Ordering::Relaxed), tokens.load(Ordering::Relaxed)), (2, 1));
}

/// A stream is returned once its beginning is there, and a body that never comes after the longest wait.
#[tokio::test(start_paused = true)]
async fn reading_is_bounded_in_bytes_and_time() {
    let http = service_fn(|_: Request<Body>| async move {
        let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
        tokio::spawn(async move {
            for chunk in ["{\"a\":1,", "\"b\":2,", "\"c\":3"] {
                sender.send_data(chunk.into()).await.unwrap();
                tokio::time::sleep(10 * SECOND).await;
            }
        });
        let response = Response::builder().header("content-type", "application/json");
        Ok::<_, BoxError>(response.body(body)?)
    });
    for (max_bytes, max_wait, waits) in
        [(4, 2 * SECOND, 0), (100, 2 * SECOND, 2), (100, Duration::MAX, 30)]
    {
        let layer = ClassifyBodyLayer::new().endpoint("/users/{id}".parse().unwrap(), |config| {
            config.classifier(Preset::GraphQl).max_bytes(max_bytes).max_wait(max_wait)
        });
        let client = ServiceBuilder::new().layer(layer).service(http);
        let start = Instant::now();
        let response = client.oneshot(get("/users/1")).await.unwrap();
        assert_eq!((Instant::now() - start).as_secs(), waits);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "{\"a\":1,\"b\":2,\"c\":3");
    }
}

#[test]
fn grpc_says_in_the_head_how_a_call_ended() {
    use std::time::SystemTime;

    let of = |status: &'static str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("grpc-status", status.parse().unwrap());
        headers.insert("grpc-retry-pushback-ms", "1500".parse().unwrap());
        Classification::of_response(
            &Preset::Grpc,
            http::StatusCode::OK,
            &headers,
            SystemTime::UNIX_EPOCH,
        )
    };
    assert_eq!(of("0"), None);
    let limited = of("8").unwrap();
    assert_eq!(
        (limited.class(), limited.retry_after()),
        (ErrorClass::RateLimited, Some(SECOND * 3 / 2))
    );
    for (status, class) in [
        ("16", ErrorClass::Unauthenticated),
        ("7", ErrorClass::Forbidden),
        ("14", ErrorClass::Unavailable),
        ("4", ErrorClass::Timeout),
        ("3", ErrorClass::Rejected),
    ] {
        assert_eq!(of(status).unwrap().class(), class);
    }
}

/// A body that announces ten bytes and breaks off after four, so often; then a whole one.
#[allow(clippy::type_complexity, reason = "a count and a service")]
fn breaks_off(
    times: usize,
    status: u16,
) -> (
    Arc<AtomicUsize>,
    impl tower::Service<
        Request<Body>,
        Response = Response<Channel<Bytes, BoxError>>,
        Error = BoxError,
        Future: Send,
    > + Clone,
) {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let http = service_fn(move |_: Request<Body>| {
        let breaks = counter.fetch_add(1, Ordering::Relaxed) < times;
        async move {
            let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
            tokio::spawn(async move {
                sender.send_data("half".into()).await.unwrap();
                if breaks {
                    sender.abort(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
                } else {
                    sender.send_data(" whole".into()).await.unwrap();
                }
            });
            let mut response = Response::builder().status(status);
            if status == 429 {
                response = response.header("retry-after", "600");
            }
            Ok::<_, BoxError>(response.body(body)?)
        }
    });
    (tries, http)
}

#[tokio::test(start_paused = true)]
async fn a_get_whose_small_body_breaks_off_is_sent_again_if_it_is_read_whole() {
    for (whole, method, status, expected_tries, expected_text) in [
        (true, "GET", 200, 2, Some("half whole")),
        // Its negatives: not asked for; may have been carried out; the head of a failure counts, whatever its body.
        (false, "GET", 200, 1, None),
        (true, "POST", 200, 1, None),
        (true, "GET", 429, 1, None),
    ] {
        let (tries, http) = breaks_off(1, status);
        let bodies = ClassifyBodyLayer::new().endpoint("/users/{id}".parse().unwrap(), |config| {
            if whole { config.whole() } else { config }
        });
        let client = Stack::new().service(ServiceBuilder::new().layer(bodies).service(http));
        let mut request = get("/users/1");
        *request.method_mut() = method.parse().unwrap();
        let read = async {
            let response = client.oneshot(request).await?;
            assert_eq!(response.status(), status);
            Ok::<_, BoxError>(response.into_body().collect().await?.to_bytes())
        };
        let text = read.await.ok();
        assert_eq!(text.as_deref(), expected_text.map(str::as_bytes), "{whole} {method} {status}");
        assert_eq!(tries.load(Ordering::Relaxed), expected_tries, "{whole} {method} {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_beyond_what_is_read_is_the_callers_to_see() {
    let (tries, http) = breaks_off(1, 200);
    let bodies = ClassifyBodyLayer::new()
        .endpoint("/users/{id}".parse().unwrap(), |config| config.whole().max_bytes(4));
    let client = Stack::new().service(ServiceBuilder::new().layer(bodies).service(http));
    let response = client.oneshot(get("/users/1")).await.unwrap();
    assert_eq!(response.status(), 200);
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(Classification::of_error(&*error).unwrap().class(), ErrorClass::Interrupted);
    assert_eq!(tries.load(Ordering::Relaxed), 1);
}
