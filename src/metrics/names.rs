//! The names of what is counted.

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
