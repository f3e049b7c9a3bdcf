//! The events of this layer, with the fields that the module page lists. None holds a path, a query or a header.

use super::{Cause, Failure, Report};

const TARGET: &str = "tower_heed::detach";

pub(super) fn came_to_nothing(failure: &Failure) {
    let status = match failure.cause() {
        Cause::Answered(answer) => answer.status().map(|status| status.as_u16()),
        _ => None,
    };
    tracing::warn!(
        target: TARGET,
        endpoint = failure.request().endpoint(),
        cause = failure.cause().as_str(),
        class = failure.class().map(|class| class.as_str()),
        status,
        "a detached request came to nothing"
    );
}

pub(super) fn callback_panicked() {
    tracing::error!(target: TARGET, "the callback of a detached request panicked");
}

/// One for a span of refusals, at its beginning.
pub(super) fn full(max_queued: usize) {
    tracing::warn!(target: TARGET, max_queued, "the queue of detached requests is full");
}

/// Its end, when half of the places are free again.
pub(super) fn no_longer_full(refused: u64) {
    tracing::info!(target: TARGET, refused, "the queue of detached requests has room again");
}

pub(super) fn shut_down(report: &Report) {
    tracing::info!(
        target: TARGET,
        completed = report.completed(),
        failed = report.failed(),
        dropped = report.dropped(),
        "the queue of detached requests was shut down"
    );
}
