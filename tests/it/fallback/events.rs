//! One event for each failure, without a URL.

use http::Response;
use tower_heed::FallbackLayer;
use tracing::Level;

use super::outcome_of;
use crate::support::{events::Events, scripted::response};

#[tokio::test(start_paused = true)]
async fn each_failure_is_logged_once() {
    let events = Events::record();
    let open = FallbackLayer::fail_open(|_| Response::new(""))
        .endpoint("/users/{id}".parse().unwrap(), |config| config)
        .endpoint("/closed".parse().unwrap(), |config| config.fail_closed());
    let upstream = |status| response(status, &[("retry-after", "2")]);
    for (path, status) in
        [("/users/1?secret=1", 429), ("/closed?secret=1", 503), ("/users/1?secret=1", 403)]
    {
        drop(outcome_of(&open, path, Ok(upstream(status))).await);
    }
    drop(outcome_of(&open, "/users/1", Ok(upstream(200))).await);
    drop(outcome_of(&open, "/users/1", Ok(response(404, &[]))).await);
    drop(
        outcome_of(&open, "/closed", Ok(response(407, &[("proxy-authenticate", "secret")]))).await,
    );
    let closed = events.named("failed closed").pop().unwrap();
    assert_eq!((closed.field("status"), closed.field("class")), (Some("407"), Some("rejected")));
    assert_eq!(closed.field("wait_ms"), None);
    for (message, level, endpoint, class, status) in [
        ("failed open with a fallback response", Level::WARN, "/users/{id}", "rate_limited", "429"),
        ("failed closed", Level::INFO, "/closed", "unavailable", "503"),
        (
            "did not fail open: the failure concerns credentials",
            Level::INFO,
            "/users/{id}",
            "rate_limited",
            "403",
        ),
    ] {
        let seen = events.named(message);
        let expected = if endpoint == "/closed" { 2 } else { 1 };
        assert_eq!(seen.len(), expected, "{message}: {}", events.text());
        assert_eq!(seen[0].level, level, "{message}");
        let field = |name| seen[0].field(name);
        assert_eq!(field("endpoint"), Some(endpoint), "{message}");
        assert_eq!(field("class"), Some(class), "{message}");
        assert_eq!(field("status"), Some(status), "{message}");
        assert_eq!(field("wait_ms"), Some("2000"), "{message}");
    }
    assert!(!events.text().contains("secret"), "{}", events.text());
}
