//! The events that the module page lists. None contains a path, a query or a header.

use super::{DetachReport, DetachedRequest, Failure};

const TARGET: &str = "tower_heed::detach";

pub(super) fn failed(request: &DetachedRequest, failure: &Failure) {
    let status = match failure {
        Failure::Response(found) => found.status().map(|status| status.as_u16()),
        _ => None,
    };
    tracing::warn!(
        target: TARGET,
        stack = request.stack().map(|name| &**name),
        endpoint = request.endpoint(),
        cause = failure.as_str(),
        class = failure.class().map(|class| class.as_str()),
        status,
        "detached request failed"
    );
}

pub(super) fn callback_panicked(stack: Option<&str>) {
    tracing::error!(target: TARGET, stack, "callback of a detached request panicked");
}

/// Logs the first rejection only.
pub(super) fn full(stack: Option<&str>, max_queued: usize) {
    tracing::warn!(target: TARGET, stack, max_queued, "queue of detached requests is full");
}

pub(super) fn no_longer_full(stack: Option<&str>, rejected: u64) {
    tracing::info!(target: TARGET, stack, rejected, "queue of detached requests has room again");
}

pub(super) fn shut_down(stack: Option<&str>, report: &DetachReport) {
    tracing::info!(
        target: TARGET,
        stack,
        succeeded = report.succeeded(),
        failed = report.failed(),
        dropped = report.dropped(),
        "queue of detached requests was shut down"
    );
}
