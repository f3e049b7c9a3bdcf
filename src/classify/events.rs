//! The events of this layer. None holds a URL or the text of a header.

use super::{AuthStatus, Classification, ClassifyConfig};
use crate::{clock::millis, endpoint::Endpoint};

pub(super) fn rate_limited(failure: &Classification, endpoint: &Endpoint<'_, ClassifyConfig>) {
    let limit = failure.rate_limit();
    tracing::warn!(
        target: "tower_heed::classify",
        class = failure.class().as_str(),
        status = failure.status().map(|status| status.as_u16()),
        stack = endpoint.stack(),
        endpoint = endpoint.pattern(),
        limit = limit.and_then(|limit| limit.limit()),
        remaining = limit.and_then(|limit| limit.remaining()),
        reset_ms = limit.and_then(|limit| limit.reset()).map(millis),
        retry_after_ms = limit.and_then(|limit| limit.retry_after()).map(millis),
        wait_ms = failure.retry_after().map(millis),
        "rate limited"
    );
}

pub(super) fn status_changed(stack: Option<&str>, from: AuthStatus, to: AuthStatus) {
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                target: "tower_heed::classify",
                stack,
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

pub(super) fn no_runtime(stack: Option<&str>) {
    tracing::error!(
        target: "tower_heed::classify",
        stack,
        "the unauthenticated handler was not started: no tokio runtime on this thread"
    );
}

pub(super) fn handler_panicked(stack: Option<&str>) {
    tracing::error!(target: "tower_heed::classify", stack, "the unauthenticated handler panicked");
}
