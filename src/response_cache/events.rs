//! The events of this layer, with the fields that the module page lists. None names a path, a user or a credential.

use std::{sync::atomic::Ordering, time::Duration};

use super::config::Named;
use crate::{classify::ErrorClass, response_cache::NotKept};

const TARGET: &str = "tower_heed::response_cache";

pub(super) fn kept(endpoint: &str, bytes: usize, fresh_for: Duration) {
    tracing::debug!(target: TARGET, endpoint, bytes, ?fresh_for, "response kept");
}

pub(super) fn not_kept(endpoint: &str, named: &Named, why: NotKept) {
    let reason = why.as_str();
    tracing::debug!(target: TARGET, endpoint, reason, "response not kept");
    let is_said_by_server = matches!(why, NotKept::NoStore | NotKept::NoCache | NotKept::SetCookie);
    if is_said_by_server && !named.refusal_was_said.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            target: TARGET,
            endpoint,
            reason,
            "the server does not have its responses kept: each request is sent"
        );
    }
}

pub(super) fn serves_stale(endpoint: &str, named: &Named, class: ErrorClass) {
    if !named.is_out.swap(true, Ordering::Relaxed) {
        tracing::warn!(target: TARGET, endpoint, class = class.as_str(), "serving stale responses");
    }
}

pub(super) fn answers_again(endpoint: &str, named: &Named) {
    if named.is_out.swap(false, Ordering::Relaxed) {
        tracing::info!(target: TARGET, endpoint, "the server answers again");
    }
}

pub(super) fn overwritten(endpoint: &str) {
    tracing::debug!(target: TARGET, endpoint, "a write has invalidated its resource");
}

pub(super) fn invalidated(what: &str) {
    tracing::info!(target: TARGET, what, "responses invalidated");
}
