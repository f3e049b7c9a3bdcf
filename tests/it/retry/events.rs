//! The events: one for each wait, one where a failure ends the call. Fields as the manual lists them, and no secret.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tower_heed::RetryOnRateLimit;
use tracing::{Level, subscriber};

use super::api::{Api, api, get, post, response, script, send};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The events of one call, as text.
async fn events(
    layer: RetryOnRateLimit,
    api: Api,
    request: http::Request<super::api::Body>,
) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let guard = subscriber::set_default(log);
    send(&layer, &api, request).await.unwrap();
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn layer() -> RetryOnRateLimit {
    let still = tower_heed::retry::Backoff::default().jitter_ratio(0.0);
    RetryOnRateLimit::new()
        .backoff(still)
        .endpoint("/users/{id}".parse().unwrap(), |it| it.max_retries(1))
}

#[tokio::test(start_paused = true)]
async fn waits_and_final_failures_are_logged_without_the_query() {
    let logged = events(layer(), api(|_| response(429, &[("retry-after", "7")])), get()).await;
    assert_eq!(
        logged,
        [
            "INFO tower_heed::retry: waiting to retry endpoint=\"/users/{id}\" \
             class=\"rate_limited\" status=429 wait_ms=7000 retries=0",
            "WARN tower_heed::retry: not retried endpoint=\"/users/{id}\" \
             class=\"rate_limited\" status=429 retry_after_ms=7000 retries=1 stopped=\"max_retries\"",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_final_response_is_worth_no_more_than_a_debug_event_and_a_success_none() {
    let logged = events(layer(), api(|_| response(404, &[])), post()).await;
    assert_eq!(
        logged,
        ["DEBUG tower_heed::retry: not retried endpoint=\"/users/{id}\" \
          class=\"rejected\" status=404 retries=0 stopped=\"final\""]
    );
    assert!(events(layer(), script(&[]), get()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_error_has_no_status_and_a_request_to_no_endpoint_no_pattern() {
    let api = api(|send| match send {
        0 => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
        _ => response(200, &[]),
    });
    let mut request = get();
    *request.uri_mut() = "https://id.example/other".parse().unwrap();
    let logged = events(layer(), api, request).await;
    assert_eq!(
        logged,
        ["INFO tower_heed::retry: waiting to retry \
          class=\"connect\" wait_ms=1000 retries=0"]
    );
}
