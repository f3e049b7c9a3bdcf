use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(super) const DURATION: &str = "http.client.request.duration";
pub(super) const ATTEMPTS: &str = "tower_heed_attempts_total";
pub(super) const RATE_LIMITED: &str = "tower_heed_rate_limited_total";
pub(super) const QUEUE_WAIT: &str = "tower_heed_queue_wait_seconds";
pub(super) const QUEUE_LENGTH: &str = "tower_heed_queue_length";
pub(super) const RETRIES: &str = "tower_heed_retries_total";
pub(super) const RETRIES_STOPPED: &str = "tower_heed_retries_stopped_total";
pub(super) const TOKEN_FETCHES: &str = "tower_heed_token_fetches_total";
pub(super) const FALLBACKS: &str = "tower_heed_fallbacks_total";
pub(super) const RESPONSE_CACHE_REQUESTS: &str = "tower_heed_response_cache_requests_total";
pub(super) const CIRCUITS_OPEN: &str = "tower_heed_circuits_open";
pub(super) const CIRCUIT_OPENED: &str = "tower_heed_circuit_opened_total";
pub(super) const CIRCUIT_REJECTED: &str = "tower_heed_circuit_rejected_total";
pub(super) const DETACHED: &str = "tower_heed_detached_total";
pub(super) const DETACHED_COMPLETED: &str = "tower_heed_detached_completed_total";
pub(super) const DETACHED_REJECTED: &str = "tower_heed_detached_rejected_total";
pub(super) const DETACHED_PENDING: &str = "tower_heed_detached_pending";
#[cfg(feature = "shared")]
pub(super) const STORE_CALLS: &str = "tower_heed_store_calls_total";
#[cfg(feature = "shared")]
pub(super) const STORE_CALL: &str = "tower_heed_store_call_seconds";
#[cfg(feature = "shared")]
pub(super) const SHARED_TOKENS: &str = "tower_heed_shared_tokens_total";
#[cfg(feature = "shared")]
pub(super) const PERMITS: &str = "tower_heed_permits_total";

/// The `endpoint` of requests that match no pattern.
pub(super) const OTHER: &str = "other";

/// Registers the description and the unit of each metric with the recorder.
///
/// The layers do so when they wrap a service. Call this if the recorder is installed later.
pub fn describe() {
    describe_histogram!(DURATION, Unit::Seconds, "Duration of HTTP client requests.");
    describe_counter!(ATTEMPTS, Unit::Count, "Requests that the throttle let through.");
    describe_counter!(RATE_LIMITED, Unit::Count, "Responses that rate-limited a request.");
    describe_histogram!(QUEUE_WAIT, Unit::Seconds, "Time that a request was queued.");
    describe_gauge!(QUEUE_LENGTH, Unit::Count, "Queued requests.");
    describe_counter!(RETRIES, Unit::Count, "Attempts after the first of a call.");
    describe_counter!(RETRIES_STOPPED, Unit::Count, "Failed calls that were not tried again.");
    describe_counter!(TOKEN_FETCHES, Unit::Count, "Fetches of a token.");
    describe_counter!(FALLBACKS, Unit::Count, "Calls that failed open or closed.");
    describe_counter!(RESPONSE_CACHE_REQUESTS, Unit::Count, "Requests to the response cache.");
    describe_gauge!(CIRCUITS_OPEN, Unit::Count, "Circuits that are not closed.");
    describe_counter!(
        CIRCUIT_OPENED,
        Unit::Count,
        "Times that a circuit opened or a probe failed."
    );
    describe_counter!(CIRCUIT_REJECTED, Unit::Count, "Requests that an open circuit rejected.");
    describe_counter!(DETACHED, Unit::Count, "Requests queued for the background.");
    describe_counter!(DETACHED_COMPLETED, Unit::Count, "Background requests that ended.");
    describe_counter!(DETACHED_REJECTED, Unit::Count, "Requests not queued for the background.");
    describe_gauge!(DETACHED_PENDING, Unit::Count, "Background requests that have not ended.");
    #[cfg(feature = "shared")]
    {
        describe_counter!(STORE_CALLS, Unit::Count, "Calls of a store that processes share.");
        describe_histogram!(STORE_CALL, Unit::Seconds, "Time that a call of a store took.");
        describe_counter!(SHARED_TOKENS, Unit::Count, "Fetches of a token that processes share.");
        describe_counter!(PERMITS, Unit::Count, "Permits of a quota that processes share.");
    }
}
