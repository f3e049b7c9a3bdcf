use super::{RetryConfig, Stopped, call::Pause};
use crate::{classify::Classification, clock::millis, endpoint::Endpoint};

pub(super) fn jitter_out_of_range(jitter_ratio: f64) {
    tracing::warn!(target: "tower_heed::retry", jitter_ratio, "jitter ratio is not within 0.0 and 1.0");
}

pub(super) fn waiting(
    endpoint: &Endpoint<'_, RetryConfig>,
    failure: &Classification,
    pause: Pause,
    retries: u32,
) {
    tracing::info!(
        target: "tower_heed::retry",
        stack = endpoint.stack(),
        endpoint = endpoint.pattern(),
        class = failure.class().as_str(),
        status = failure.status().map(|status| status.as_u16()),
        wait_ms = millis(pause.length()),
        retries,
        "waiting to retry"
    );
}

/// Warns where a bound forbade a retry; a final response is the caller's business.
pub(super) fn stopped(
    endpoint: &Endpoint<'_, RetryConfig>,
    failure: &Classification,
    stopped: Stopped,
    retries: u32,
) {
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                target: "tower_heed::retry",
                stack = endpoint.stack(),
                endpoint = endpoint.pattern(),
                class = failure.class().as_str(),
                status = failure.status().map(|status| status.as_u16()),
                retry_after_ms = failure.retry_after().map(millis),
                retries,
                stopped = stopped.as_str(),
                "not retried"
            )
        };
    }
    match stopped {
        // No retries were asked for.
        Stopped::MaxRetries if retries == 0 => event!(debug),
        Stopped::MaxRetries
        | Stopped::MaxWait
        | Stopped::Deadline
        | Stopped::Budget
        | Stopped::BodyNotReplayable => event!(warn),
        Stopped::Succeeded | Stopped::Final | Stopped::NotRepeatable | Stopped::NoRetry => {
            event!(debug);
        }
    }
}
