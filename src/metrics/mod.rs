//! Metrics for the [`metrics`] facade. Install any of its recorders to get them.
//!
//! | name | kind | labels | |
//! |---|---|---|---|
//! | `http.client.request.duration` | histogram | `http.request.method`, `server.address`, `server.port`, `url.template`, `http.response.status_code`, `error.type` | seconds of each attempt, from its start to the response head or the error |
//! | `tower_heed_attempts_total` | counter | `endpoint` | requests that the throttle let through, including retries |
//! | `tower_heed_rate_limited_total` | counter | `endpoint` | responses that rejected a request because of a limit |
//! | `tower_heed_queue_wait_seconds` | histogram | `endpoint` | time that a queued request waited for its permit |
//! | `tower_heed_queue_length` | gauge | `endpoint` | requests in the throttle's queue |
//! | `tower_heed_retries_total` | counter | `endpoint`, `class` | attempts after the first, by the [class](crate::classify::ErrorClass) of the failure before |
//! | `tower_heed_retries_stopped_total` | counter | `endpoint`, `class`, `reason` | failed calls that were not tried again, by the [reason](crate::retry::Stopped::as_str) |
//! | `tower_heed_token_fetches_total` | counter | `outcome` | fetches of a token: `ok`, or the kind of the failure |
//! | `tower_heed_fallbacks_total` | counter | `endpoint`, `class`, `outcome` | failed calls that the fallback layer handled: `fail_open` or `fail_closed` |
//! | `tower_heed_response_cache_requests_total` | counter | `endpoint`, `outcome` | requests to the response cache: `hit`, `miss`, `shared`, and also `stale` |
//! | `tower_heed_circuits_open` | gauge | `endpoint` | circuits that are not closed |
//! | `tower_heed_circuit_opened_total` | counter | `endpoint`, `class` | times that a circuit opened or a probe failed, by the class of the last failure |
//! | `tower_heed_circuit_rejected_total` | counter | `endpoint` | requests that an open circuit rejected |
//! | `tower_heed_detached_total` | counter | `endpoint` | requests that got a 202 |
//! | `tower_heed_detached_completed_total` | counter | `endpoint`, `outcome` | ends of these requests: `ok`, or the [failure](crate::detach::Failure::as_str) |
//! | `tower_heed_detached_rejected_total` | counter | `endpoint`, `reason` | requests that were not queued: `full`, `shut_down` or `no_runtime` |
//! | `tower_heed_detached_pending` | gauge | `endpoint` | requests that got a 202 and have not ended |
//! | `tower_heed_store_calls_total` | counter | `contract`, `outcome` | calls of a store that processes share: `ok`, `error`, `timeout`, or `not_called` while it is down |
//! | `tower_heed_store_call_seconds` | histogram | `contract` | time that such a call took |
//! | `tower_heed_shared_tokens_total` | counter | `outcome` | fetches of a token that processes share: see [`Shared`](crate::token_cache#a-fleet) |
//! | `tower_heed_permits_total` | counter | `outcome` | permits of a quota that processes share: `used`, `lapsed` if not in time, or used `by_share` while the store is down; counted with each question to it |
//!
//! [`ThrottleLayer`](crate::ThrottleLayer) records `attempts`, `rate_limited`, `queue_wait`, `queue_length` and `permits`. They leave
//! out requests that the throttle does not handle: those to exempt endpoints, and those of new keys beyond `max_keys`.
//! [`token_cache`](crate::token_cache#a-fleet) and `ThrottleLayer::fleet` record the calls of their store, which have no `stack`. The
//! others come from [`RetryOnRateLimit`](crate::RetryOnRateLimit), [`TokenCacheLayer`](crate::TokenCacheLayer),
//! [`CircuitBreakerLayer`](crate::CircuitBreakerLayer), [`FallbackLayer`](crate::FallbackLayer), `ResponseCacheLayer` and
//! [`DetachLayer`](crate::DetachLayer).
//!
//! A layer describes its metrics to the recorder when it wraps a service. If the recorder is installed later, call `metrics::describe`.
//!
//! `endpoint` is the pattern that the layer was [configured](crate::ThrottleLayer::endpoint) with, never a path, so a caller cannot
//! create time series. Requests that match no pattern have the label `other`. The metrics of a layer that has a
//! [name](crate::Stack::name) also have the label `stack`, those of others do not. Counting allocates once or twice if the request
//! matches an endpoint or the layer has a name, and not for `other` without a name. Metrics with a second label always allocate, but
//! are recorded only where something failed or is boxed anyway; the response cache's never allocate.
//!
//! # Durations
//!
//! `http.client.request.duration` is OpenTelemetry's, and so are its labels; one that is unknown is left out. A [`Stack`](crate::Stack)
//! records it, and so does [`AttemptSpanLayer`](crate::AttemptSpanLayer) by itself. `error.type` is a status of 400 or above, the
//! [class](crate::classify::ErrorClass) of an error, `_OTHER`, or `cancelled` if the caller left. The first hundred
//! pairs of a server and a port have labels of their own; the others, which only the callers of a proxy can make, have the
//! `server.address` `_OTHER` and no port. The method is `_OTHER` for unknown ones. Give the recorder OpenTelemetry's buckets: 0.005, 0.01,
//! 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5 and 10. An attempt with known labels costs one allocation for them, and the
//! recorder's own.
//!
//! # Response cache
//!
//! A request is a `hit` if a fresh response is stored, a `miss` if it is sent, and `shared` if it waits for the response of another
//! one. A request that gets a `stale` response counts as `stale`, and also as `miss` or `shared` if it first waited for a new one.
//! Responses that the server forbids to store pass through and count as none of these. The handle's `snapshot` has the same counts
//! for all endpoints together.

/// What the labels of a duration say of the request.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "nothing is measured"))]
pub(crate) struct Measured<'a> {
    pub(crate) method: &'a str,
    pub(crate) server: Option<&'a str>,
    pub(crate) port: Option<i64>,
    pub(crate) template: Option<&'a str>,
}

#[cfg(feature = "metrics")]
mod duration;
#[cfg(feature = "metrics")]
mod names;
#[cfg(feature = "metrics")]
mod recording;
#[cfg(feature = "response-cache")]
mod response_cache;
#[cfg(not(feature = "metrics"))]
mod silent;
#[cfg(feature = "shared")]
mod store;

#[cfg(feature = "metrics")]
pub(crate) use duration::{Duration, Labels};
#[cfg(feature = "metrics")]
pub use names::describe;
#[cfg(feature = "metrics")]
use names::*;
#[cfg(feature = "metrics")]
pub(crate) use recording::*;
#[cfg(feature = "response-cache")]
pub(crate) use response_cache::CacheMeter;
#[cfg(not(feature = "metrics"))]
pub(crate) use silent::*;
#[cfg(feature = "shared")]
pub(crate) use store::*;
