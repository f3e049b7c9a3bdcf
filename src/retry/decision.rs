//! Whether a request is sent again, and when. One table, one function.

use std::time::Duration;

use http::StatusCode;

use super::{Limits, Progress, Repeatable, Stopped};
use crate::chance::share;
use crate::classify::{Classification, ErrorClass};

/// What the budget is asked for before a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cost {
    /// Nothing: the server or a layer here refused the request, and the wait is obeyed.
    Nothing,
    /// One retry: the server or the connection failed.
    OneRetry,
}

/// Whether to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Send again after `wait`, if the budget grants the `cost`.
    Retry {
        /// From the moment the failure was read to the next send.
        wait: Duration,
        /// What it costs.
        cost: Cost,
    },
    /// Return the answer as it is.
    Return(Stopped),
}

// === impl Decision ===

impl Decision {
    /// Whether a request that failed like this is sent again within these limits.
    ///
    /// The wait is the larger of what the server asked for and the backoff step, and jitter after it. Where a bound is
    /// near, the jitter is drawn from a smaller range, so that callers still come back apart: from what `max_wait`
    /// leaves, and from the first half of the time that the deadline leaves, the other half being for the send.
    #[must_use]
    pub fn about(failure: &Classification, limits: &Limits, progress: &Progress) -> Self {
        let cost = match rule(failure, progress.repeatable) {
            Rule::Retry(cost) => cost,
            Rule::Return(stopped) => return Self::Return(stopped),
        };
        if progress.retries >= limits.max_retries {
            return Self::Return(Stopped::MaxRetries);
        }
        let hint = failure.retry_after().unwrap_or_default();
        let least = hint.max(limits.backoff.step(progress.retries));
        if least > limits.max_wait {
            return Self::Return(Stopped::MaxWait);
        }
        let room = match progress.remaining {
            Some(remaining) if least >= remaining => return Self::Return(Stopped::Deadline),
            Some(remaining) => remaining.saturating_sub(least) / 2,
            None => Duration::MAX,
        };
        let room = room.min(limits.max_wait.saturating_sub(least));
        let jitter = share(limits.backoff.spread(progress.retries).min(room), progress.chance);
        Self::Retry { wait: least.saturating_add(jitter), cost }
    }
}

enum Rule {
    Retry(Cost),
    Return(Stopped),
}

/// The table: what a class of failure allows.
fn rule(failure: &Classification, repeatable: Repeatable) -> Rule {
    use ErrorClass as Class;
    use Repeatable::{Always, IfRefused};
    use Rule::{Retry, Return};

    let status = failure.status();
    let told_to_come_back = failure.rate_limit().is_some_and(|limit| limit.retry_after().is_some());
    match (failure.class(), repeatable) {
        // The request was refused, or never left: sending it is no repetition.
        (Class::RateLimited | Class::Throttled, _) => Retry(Cost::Nothing),
        (Class::Connect, _) => Retry(Cost::OneRetry),
        // The server does not support it, now or later.
        (Class::Unavailable, _) if never_served(status) => Return(Stopped::Final),
        (Class::Unavailable, IfRefused)
            if told_to_come_back && status == Some(StatusCode::SERVICE_UNAVAILABLE) =>
        {
            Retry(Cost::OneRetry)
        }
        // It may have been carried out.
        (Class::Unavailable | Class::Timeout | Class::Interrupted, Always) => Retry(Cost::OneRetry),
        (Class::Unavailable | Class::Timeout | Class::Interrupted, IfRefused) => {
            Return(Stopped::NotRepeatable)
        }
        // The same request would meet the same answer.
        (Class::Unauthenticated | Class::Forbidden | Class::Rejected, _) => Return(Stopped::Final),
        // It never left; whether the token can be had later depends on why it could not.
        (Class::TokenUnavailable, _) => match failure.cause() {
            Some(Class::RateLimited) => Retry(Cost::Nothing),
            Some(Class::Unavailable | Class::Timeout | Class::Connect | Class::Interrupted) => {
                Retry(Cost::OneRetry)
            }
            _ => Return(Stopped::Final),
        },
    }
}

/// 501 Not Implemented and 505 HTTP Version Not Supported.
fn never_served(status: Option<StatusCode>) -> bool {
    matches!(status, Some(StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED))
}
