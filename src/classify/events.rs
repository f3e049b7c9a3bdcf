//! The events of this layer. None holds a URL or the text of a header.

use super::{AuthStatus, Classification};
use crate::clock::millis;

pub(super) fn rate_limited(failure: &Classification, endpoint: Option<&str>) {
    let limit = failure.rate_limit();
    tracing::warn!(
        target: "tower_heed::classify",
        class = failure.class().as_str(),
        status = failure.status().map(|status| status.as_u16()),
        endpoint,
        limit = limit.and_then(|limit| limit.limit()),
        remaining = limit.and_then(|limit| limit.remaining()),
        reset_ms = limit.and_then(|limit| limit.reset()).map(millis),
        retry_after_ms = limit.and_then(|limit| limit.retry_after()).map(millis),
        wait_ms = failure.retry_after().map(millis),
        "rate limited"
    );
}

pub(super) fn status_changed(from: AuthStatus, to: AuthStatus) {
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                target: "tower_heed::classify",
                from = from.as_str(),
                to = to.as_str(),
                "auth status changed"
            )
        };
    }
    match (from, to) {
        (_, AuthStatus::Unauthenticated) => event!(warn),
        (AuthStatus::Unauthenticated, _) => event!(info),
        _ => event!(debug),
    }
}

pub(super) fn no_runtime() {
    tracing::error!(
        target: "tower_heed::classify",
        "the unauthenticated handler was not started: no tokio runtime on this thread"
    );
}

pub(super) fn handler_panicked() {
    tracing::error!(target: "tower_heed::classify", "the unauthenticated handler panicked");
}
