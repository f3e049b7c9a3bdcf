//! The events that the module page lists. None contains a URL or a header value.

use crate::classify::Classification;

const TARGET: &str = "tower_heed::fallback";

macro_rules! event {
    ($level:ident, $endpoint:expr, $failure:expr, $message:literal) => {
        tracing::$level!(
            target: TARGET,
            endpoint = $endpoint,
            class = $failure.class().as_str(),
            status = $failure.status().map(|status| status.as_u16()),
            wait_ms = $failure.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            $message
        )
    };
}

pub(super) fn failed_open(endpoint: Option<&str>, failure: &Classification) {
    event!(warn, endpoint, failure, "failed open with a fallback response");
}

pub(super) fn failed_closed(endpoint: Option<&str>, failure: &Classification) {
    event!(info, endpoint, failure, "failed closed");
}

pub(super) fn denied(endpoint: Option<&str>, failure: &Classification) {
    event!(info, endpoint, failure, "did not fail open: the failure concerns credentials");
}
