//! What is counted, for the [`metrics`] facade: install any of its recorders, and these come with it.
//!
//! | name | kind | labels | |
//! |---|---|---|---|
//! | [`tower_heed_sends_total`](SENDS) | counter | `endpoint` | requests that the throttle let through, retries among them |
//! | [`tower_heed_refusals_total`](REFUSALS) | counter | `endpoint` | answers that refused a request because of a limit |
//! | [`tower_heed_wait_seconds`](WAIT) | histogram | `endpoint` | time for which a request waited for its turn, of those that had to |
//! | [`tower_heed_queue_length`](QUEUE_LENGTH) | gauge | `endpoint` | requests that wait for their turns now |
//! | [`tower_heed_retries_total`](RETRIES) | counter | `endpoint`, `class` | sends after the first, by the [class](crate::classify::ErrorClass) of the failure before |
//! | [`tower_heed_tokens_fetched_total`](TOKENS_FETCHED) | counter | `outcome` | flights for a token: `ok`, or what went wrong |
//! | [`tower_heed_fallbacks_total`](FALLBACKS) | counter | `endpoint`, `class`, `outcome` | failures that were not passed on: `open`, answered in the upstream's place, or `closed`, an error in its place |
//! | [`tower_heed_cache_requests_total`](CACHE_REQUESTS) | counter | `endpoint`, `outcome` | requests that the response cache looked at: `hit`, `miss`, `shared`, and `stale` besides |
//! | [`tower_heed_detached_total`](DETACHED) | counter | `endpoint` | requests answered with 202 |
//! | [`tower_heed_detached_ends_total`](DETACHED_ENDS) | counter | `endpoint`, `outcome` | ends of these: `ok`, or the [cause](crate::detach::Cause::as_str) of the failure |
//! | [`tower_heed_detached_refusals_total`](DETACHED_REFUSALS) | counter | `endpoint`, `obstacle` | requests that were not taken on: `full`, `shut_down` or `no_runtime` |
//! | [`tower_heed_detached_pending`](DETACHED_PENDING) | gauge | `endpoint` | requests taken on that have not come to an end |
//!
//! Requests that the throttle has nothing to do with are not among them: those to endpoints that are
//! [exempt](crate::throttle::Config::exempt), and those of keys for which there is no room.
//!
//! `endpoint` is the pattern that the layer was [configured](crate::ThrottleLayer::endpoint) with, never a path, so that no
//! caller can make a server's worth of time series; requests without one are [`other`](OTHER). Each count of a request to
//! such an endpoint costs an allocation or two for its label, one of the others none. Those that have a second label cost one in
//! any case, and stand where something failed or is boxed anyway; those of the response cache cost none, so that a hit costs no
//! more for them.
//!
//! The first four come from [`ThrottleLayer`](crate::ThrottleLayer), the others from
//! [`RetryOnRateLimit`](crate::RetryOnRateLimit), [`TokenCacheLayer`](crate::TokenCacheLayer),
//! [`FallbackLayer`](crate::FallbackLayer), `ResponseCacheLayer` and [`DetachLayer`](crate::DetachLayer).
//!
//! # Of the response cache
//!
//! A request is a `hit` if a fresh response was at hand, a `miss` if it was sent, and `shared` if it waited for one that was on its
//! way. One that was served a `stale` response is counted as that, and as `miss` or `shared` as well if it first waited for a
//! new one. Those whose responses the server does not have kept pass, and are none of these. The same counts, of all endpoints
//! together, are in the handle's `snapshot`.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Requests that the throttle let through.
pub const SENDS: &str = "tower_heed_sends_total";

/// Answers that refused a request because of a limit.
pub const REFUSALS: &str = "tower_heed_refusals_total";

/// For how long requests waited for their turns, in seconds.
pub const WAIT: &str = "tower_heed_wait_seconds";

/// How many requests wait for their turns.
pub const QUEUE_LENGTH: &str = "tower_heed_queue_length";

/// Sends after the first.
pub const RETRIES: &str = "tower_heed_retries_total";

/// Flights for a token.
pub const TOKENS_FETCHED: &str = "tower_heed_tokens_fetched_total";

/// Failures that were not passed on.
pub const FALLBACKS: &str = "tower_heed_fallbacks_total";

/// Requests that the response cache looked at.
pub const CACHE_REQUESTS: &str = "tower_heed_cache_requests_total";

/// Requests that were taken on to be sent in the background.
pub const DETACHED: &str = "tower_heed_detached_total";

/// How these ended.
pub const DETACHED_ENDS: &str = "tower_heed_detached_ends_total";

/// Requests that were to be sent in the background and were not taken on.
pub const DETACHED_REFUSALS: &str = "tower_heed_detached_refusals_total";

/// How many requests were taken on and have not come to an end.
pub const DETACHED_PENDING: &str = "tower_heed_detached_pending";

/// The `endpoint` of requests that match no pattern.
pub const OTHER: &str = "other";

/// Tells the recorder the description and the unit of each.
///
/// The layers do so themselves when they are put around a service. Call it if the recorder was installed after that.
pub fn describe() {
    describe_counter!(SENDS, Unit::Count, "Requests that the throttle let through.");
    describe_counter!(REFUSALS, Unit::Count, "Requests refused by the server because of a limit.");
    describe_histogram!(WAIT, Unit::Seconds, "Time that a request waited for its turn.");
    describe_gauge!(QUEUE_LENGTH, Unit::Count, "Requests that wait for their turns.");
    describe_counter!(RETRIES, Unit::Count, "Sends after the first of a call.");
    describe_counter!(TOKENS_FETCHED, Unit::Count, "Tokens asked for at their source.");
    describe_counter!(FALLBACKS, Unit::Count, "Failures answered in the upstream's place.");
    describe_counter!(CACHE_REQUESTS, Unit::Count, "Requests seen by the response cache.");
    describe_counter!(DETACHED, Unit::Count, "Requests to be sent in the background.");
    describe_counter!(DETACHED_ENDS, Unit::Count, "Ends of requests sent in the background.");
    describe_counter!(DETACHED_REFUSALS, Unit::Count, "Requests with no place in the background.");
    describe_gauge!(DETACHED_PENDING, Unit::Count, "Requests pending in the background.");
}
