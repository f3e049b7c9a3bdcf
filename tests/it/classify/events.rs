//! What is logged: one event for each rate-limited response, with what the headers said, and the changes of the status.

use std::time::{Duration, SystemTime};

use http::Request;
use tower::{Layer, ServiceExt};
use tower_heed::{ErrorClassifyLayer, clock::Clock};
use tracing::Level;

use crate::support::{
    events::Events,
    probe::Body,
    scripted::{as_asked, get, response, scripted},
};

const AUTH0: &[(&str, &str)] = &[
    ("x-ratelimit-limit", "1000"),
    ("x-ratelimit-remaining", "0"),
    ("x-ratelimit-reset", "1675452600"),
    ("retry-after", "12"),
    ("x-request-id", "secret-of-the-server"),
];

fn layer() -> ErrorClassifyLayer {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_675_452_570);
    ErrorClassifyLayer::new().clock(Clock::from_system_time(move || now))
}

#[tokio::test]
async fn a_rate_limited_response_is_logged_with_what_its_headers_said() {
    let events = Events::record();
    let layer = layer().endpoint("GET /api/v2/users/{id}".parse().unwrap(), |config| config);
    let api = layer.layer(scripted(|_| response(429, AUTH0)));
    drop(api.oneshot(get("/api/v2/users/auth0%7C1?fields=email")).await.unwrap());

    let [event] = &events.named("rate limited")[..] else { panic!("{}", events.text()) };
    assert_eq!(event.level, Level::WARN);
    for (field, value) in [
        ("class", "rate_limited"),
        ("status", "429"),
        ("endpoint", "GET /api/v2/users/{id}"),
        ("limit", "1000"),
        ("remaining", "0"),
        ("reset_ms", "30000"),
        ("retry_after_ms", "12000"),
        ("wait_ms", "30000"),
    ] {
        assert_eq!(event.field(field), Some(value), "{field}");
    }
    assert_eq!(event.fields.len(), 8, "{:?}", event.fields);
}

#[tokio::test]
async fn what_the_server_did_not_say_is_not_logged() {
    let events = Events::record();
    drop(layer().layer(as_asked()).oneshot(get("/429")).await.unwrap());
    let [event] = &events.named("rate limited")[..] else { panic!("{}", events.text()) };
    assert_eq!(event.fields.keys().copied().collect::<Vec<_>>(), ["class", "status"]);
}

#[tokio::test]
async fn each_rate_limited_response_is_logged_once_and_no_other_response_is() {
    let events = Events::record();
    let api = layer().error_for_status().layer(as_asked());
    for path in ["/200", "/304", "/401", "/403", "/404", "/408", "/500", "/503"] {
        drop(api.clone().oneshot(get(path)).await);
    }
    assert_eq!(events.named("rate limited").len(), 0);
    for count in 1..=3 {
        drop(api.clone().oneshot(get("/429")).await);
        assert_eq!(events.named("rate limited").len(), count);
    }
}

#[tokio::test]
async fn no_event_holds_a_query_or_a_header_s_text() {
    let events = Events::record();
    let api = layer().layer(scripted(|request| match request.uri().path() {
        "/users" => response(429, AUTH0),
        _ => response(401, AUTH0),
    }));
    for path in ["/users?token=hush", "/me?token=hush"] {
        let mut request: Request<Body> = get(path);
        request.headers_mut().insert("authorization", "Bearer hush".parse().unwrap());
        drop(api.clone().oneshot(request).await.unwrap());
    }
    let text = events.text();
    assert!(text.contains("rate limited") && text.contains("auth status changed"), "{text}");
    assert!(!text.contains("hush") && !text.contains("secret-of-the-server"), "{text}");
}

#[tokio::test]
async fn a_change_of_the_status_is_logged_once() {
    let events = Events::record();
    let api = layer().layer(as_asked());
    for path in ["/200", "/200", "/503", "/429", "/401", "/401", "/200"] {
        drop(api.clone().oneshot(get(path)).await.unwrap());
    }
    let changes = events.named("auth status changed");
    let changes: Vec<_> = changes
        .iter()
        .map(|event| (event.level, event.field("from").unwrap(), event.field("to").unwrap()))
        .collect();
    assert_eq!(
        changes,
        [
            (Level::DEBUG, "unknown", "active"),
            (Level::DEBUG, "active", "degraded"),
            (Level::WARN, "degraded", "unauthenticated"),
            (Level::INFO, "unauthenticated", "active"),
        ]
    );
}
