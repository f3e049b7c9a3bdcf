//! The events of this layer, with the fields that the module page lists. None holds a URL or a header's own text.

use super::AuthStatus;
use crate::classify::Classification;

/// One for each refusal by a limit.
pub(super) fn rate_limited(failure: &Classification, endpoint: Option<&str>) {
    let limit = failure.rate_limit();
    tracing::warn!(
        class = failure.class().as_str(),
        status = failure.status().map(|status| status.as_u16()),
        endpoint,
        limit = limit.and_then(|limit| limit.limit()),
        remaining = limit.and_then(|limit| limit.remaining()),
        reset = limit.and_then(|limit| limit.reset()).map(|wait| wait.as_secs_f64()),
        retry_after = limit.and_then(|limit| limit.retry_after()).map(|wait| wait.as_secs_f64()),
        wait = failure.retry_after().map(|wait| wait.as_secs_f64()),
        "rate limited"
    );
}

pub(super) fn status_changed(from: AuthStatus, to: AuthStatus) {
    let (from, to) = (from.as_str(), to.as_str());
    if to == AuthStatus::Unauthenticated.as_str() {
        tracing::warn!(from, to, "auth status changed");
    } else if from == AuthStatus::Unauthenticated.as_str() {
        tracing::info!(from, to, "auth status changed");
    } else {
        tracing::debug!(from, to, "auth status changed");
    }
}

pub(super) fn no_runtime() {
    tracing::error!("the unauthenticated handler was not started: no tokio runtime on this thread");
}

pub(super) fn handler_panicked() {
    tracing::error!("the unauthenticated handler panicked");
}
