//! The events of this layer, with the fields that the module page lists. None holds a URL or a header's own text.

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

pub(super) fn failing_open(endpoint: Option<&str>, failure: &Classification) {
    event!(warn, endpoint, failure, "answered in the upstream's place");
}

pub(super) fn failing_closed(endpoint: Option<&str>, failure: &Classification) {
    event!(info, endpoint, failure, "failed in the upstream's place");
}

pub(super) fn not_open(endpoint: Option<&str>, failure: &Classification) {
    event!(
        info,
        endpoint,
        failure,
        "not answered in the upstream's place: it has to do with credentials"
    );
}
