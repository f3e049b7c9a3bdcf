//! The events that the module page lists. None contains a URL or a header value.

use super::call::Call;
use crate::classify::{Classification, ErrorClass};

const TARGET: &str = "tower_heed::fallback";

macro_rules! event {
    ($level:ident, $call:expr, $failure:expr, $message:literal) => {
        tracing::$level!(
            target: TARGET,
            stack = $call.settings.endpoints.stack().map(|name| &**name),
            endpoint = $call.endpoint.as_deref(),
            class = $failure.class().as_str(),
            status = $failure.status().map(|status| status.as_u16()),
            wait_ms = $failure.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            $message
        )
    };
}

pub(super) fn failed_open(call: &Call, failure: &Classification) {
    event!(warn, call, failure, "failed open with a fallback response");
}

pub(super) fn failed_closed(call: &Call, failure: &Classification) {
    event!(info, call, failure, "failed closed");
}

pub(super) fn denied(call: &Call, failure: &Classification) {
    event!(info, call, failure, "did not fail open: the failure concerns credentials");
}

/// `fail_open_on` was called for a class that only the dangerous setters open.
pub(super) fn credentials_do_not_open(class: ErrorClass) {
    let class = class.as_str();
    tracing::warn!(target: TARGET, class, "setting without effect: a failure of credentials does not fail open");
}

pub(super) fn nothing_to_open_with(class: ErrorClass) {
    let class = class.as_str();
    tracing::warn!(target: TARGET, class, "no closure to fail open with, the class fails closed");
}
