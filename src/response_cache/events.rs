//! The events that the module page lists. None names a path, a user or a credential.

use std::{sync::atomic::Ordering, time::Duration};

use super::{shared::CachedEndpoint, store_policy::NotStorable};
use crate::{EndpointPattern, classify::ErrorClass};

const TARGET: &str = "tower_heed::response_cache";

pub(super) fn stored(endpoint: &CachedEndpoint, bytes: usize, fresh_for: Duration) {
    let (stack, fresh_for_ms) = (endpoint.stack.as_deref(), fresh_for.as_millis());
    let endpoint = &*endpoint.pattern;
    tracing::debug!(target: TARGET, stack, endpoint, bytes, fresh_for_ms, "response stored");
}

pub(super) fn confirmed(endpoint: &CachedEndpoint, fresh_for: Duration) {
    let (stack, fresh_for_ms) = (endpoint.stack.as_deref(), fresh_for.as_millis());
    let endpoint = &*endpoint.pattern;
    tracing::debug!(target: TARGET, stack, endpoint, fresh_for_ms, "stored response confirmed");
}

pub(super) fn fetching_again(endpoint: &CachedEndpoint) {
    let (stack, endpoint) = (endpoint.stack.as_deref(), &*endpoint.pattern);
    tracing::debug!(target: TARGET, stack, endpoint, "response broken, fetching again");
}

pub(super) fn not_stored(endpoint: &CachedEndpoint, why: NotStorable) {
    let (stack, pattern, reason) = (endpoint.stack.as_deref(), &*endpoint.pattern, why.as_str());
    tracing::debug!(target: TARGET, stack, endpoint = pattern, reason, "response not stored");
    let is_forbidden =
        matches!(why, NotStorable::NoStore | NotStorable::NoCache | NotStorable::SetCookie);
    if is_forbidden && !endpoint.has_warned.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            target: TARGET,
            stack,
            endpoint = pattern,
            reason,
            "the server's responses cannot be stored, each request is sent"
        );
    }
}

pub(super) fn serving_stale(endpoint: &CachedEndpoint, class: ErrorClass) {
    if !endpoint.is_down.swap(true, Ordering::Relaxed) {
        let (stack, endpoint) = (endpoint.stack.as_deref(), &*endpoint.pattern);
        let class = class.as_str();
        tracing::warn!(target: TARGET, stack, endpoint, class, "serving stale responses");
    }
}

pub(super) fn recovered(endpoint: &CachedEndpoint) {
    if endpoint.is_down.swap(false, Ordering::Relaxed) {
        let (stack, endpoint) = (endpoint.stack.as_deref(), &*endpoint.pattern);
        tracing::info!(target: TARGET, stack, endpoint, "server recovered");
    }
}

pub(super) fn written(endpoint: &CachedEndpoint) {
    let (stack, endpoint) = (endpoint.stack.as_deref(), &*endpoint.pattern);
    tracing::debug!(target: TARGET, stack, endpoint, "resource invalidated by a write");
}

pub(super) fn invalidated(stack: Option<&str>, scope: &str) {
    tracing::info!(target: TARGET, stack, scope, "responses invalidated");
}

pub(super) fn no_ttl(stack: Option<&str>, pattern: &EndpointPattern) {
    let endpoint = pattern.as_str();
    tracing::debug!(target: TARGET, stack, endpoint, "endpoint has no time to live of its own");
}

pub(super) fn not_get(stack: Option<&str>, pattern: &EndpointPattern) {
    let endpoint = pattern.as_str();
    tracing::warn!(target: TARGET, stack, endpoint, "endpoint of another method than GET is not cached");
}
