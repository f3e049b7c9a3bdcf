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
//! [exempt](crate::throttle::ThrottleConfig::exempt), and those of keys for which there is no room.
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

#[cfg(feature = "response-cache")]
mod cache;
#[cfg(feature = "metrics")]
mod counting;
#[cfg(feature = "metrics")]
mod names;
#[cfg(not(feature = "metrics"))]
mod silent;

#[cfg(feature = "response-cache")]
pub(crate) use cache::CacheMeter;
#[cfg(feature = "metrics")]
pub(crate) use counting::*;
#[cfg(feature = "metrics")]
pub use names::*;
#[cfg(not(feature = "metrics"))]
pub(crate) use silent::*;
