//! What is counted, for the [`metrics`] facade: install any of its recorders, and these come with it.
//!
//! | name | kind | labels | |
//! |---|---|---|---|
//! | [`tower_heed_sends_total`](SENDS) | counter | `endpoint` | requests that the throttle let through, retries among them |
//! | [`tower_heed_refusals_total`](REFUSALS) | counter | `endpoint` | answers that refused a request because of a limit |
//! | [`tower_heed_wait_seconds`](WAIT) | histogram | `endpoint` | time for which a request waited for its turn, of those that had to |
//! | [`tower_heed_queue_length`](QUEUE_LENGTH) | gauge | `endpoint` | requests that wait for their turns now |
//! | [`tower_heed_retries_total`](RETRIES) | counter | `endpoint`, `class` | sends after the first, by the [class](crate::policy::ErrorClass) of the failure before |
//! | [`tower_heed_tokens_fetched_total`](TOKENS_FETCHED) | counter | `outcome` | flights for a token: `ok`, or what went wrong |
//!
//! Requests that the throttle has nothing to do with are not among them: those to endpoints that are
//! [exempt](crate::throttle::Config::exempt), and those of keys for which there is no room.
//!
//! `endpoint` is the pattern that the layer was [configured](crate::ThrottleLayer::endpoint) with, never a path, so that no
//! caller can make a server's worth of time series; requests without one are [`other`](OTHER). Each count of a request to
//! such an endpoint costs an allocation or two for its label, one of the others none. The first four come from
//! [`ThrottleLayer`](crate::ThrottleLayer), the others from [`RetryOnRateLimit`](crate::RetryOnRateLimit) and
//! [`TokenCacheLayer`](crate::TokenCacheLayer).

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
}
