use std::time::Duration;

use super::call::Pause;
use crate::{classify::Classification, retry::Stopped};

const TARGET: &str = "tower_heed::retry";

pub(super) fn waiting(
    endpoint: Option<&str>,
    failure: &Classification,
    pause: Pause,
    retries: u32,
) {
    tracing::info!(
        target: TARGET,
        endpoint,
        class = failure.class().as_str(),
        status = failure.status().map(|status| status.as_u16()),
        wait_ms = millis(pause.length()),
        retries,
        "waiting before the request is sent again"
    );
}

/// A bound that stops a retry is worth a warning; an answer that is final is the caller's business.
pub(super) fn stopped(
    endpoint: Option<&str>,
    failure: &Classification,
    stopped: Stopped,
    retries: u32,
) {
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                target: TARGET,
                endpoint,
                class = failure.class().as_str(),
                status = failure.status().map(|status| status.as_u16()),
                wait_ms = failure.retry_after().map(millis),
                retries,
                stopped = stopped.as_str(),
                "the request is not sent again"
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
        | Stopped::BodyNotReplayable => {
            event!(warn);
        }
        Stopped::Succeeded | Stopped::Final | Stopped::NotRepeatable | Stopped::NoRetry => {
            event!(debug);
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
