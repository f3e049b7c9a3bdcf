//! The crate's own errors, as tests look for them.

#![allow(clippy::panic, reason = "helpers of tests are no tests to Clippy")]

use std::{error::Error as StdError, time::Duration};

use tower_heed::{
    Error, ErrorKind,
    error::{NotQueuedReason, Phase, find},
};

/// The outermost error that a layer has made.
pub fn ours<'a>(error: &'a (dyn StdError + 'static)) -> &'a Error {
    find(error).unwrap_or_else(|| panic!("not of a layer: {error}"))
}

/// The limit and the phase of a timeout.
pub fn timeout(error: &(dyn StdError + 'static)) -> (Duration, Phase) {
    match ours(error).kind() {
        ErrorKind::Timeout { limit, phase, .. } => (*limit, *phase),
        kind => panic!("not a timeout: {kind}"),
    }
}

/// The outermost error of a layer, which fails closed.
pub fn unavailable<'a>(error: &'a (dyn StdError + 'static)) -> &'a Error {
    let error = ours(error);
    assert_eq!(*error.kind(), ErrorKind::UpstreamUnavailable);
    error
}

/// Why a request was not queued.
pub fn not_queued(error: &(dyn StdError + 'static)) -> NotQueuedReason {
    match ours(error).kind() {
        ErrorKind::NotQueued { reason, .. } => *reason,
        kind => panic!("not about a queue: {kind}"),
    }
}
