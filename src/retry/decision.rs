//! Whether a request is retried, and when: one table, one function.

use std::time::Duration;

use http::StatusCode;

use super::{RetryConfig, Stopped};
use crate::{
    classify::{Classification, ErrorClass, Resend},
    jitter::share,
};

/// How often a request is sent on the next connection without a wait, because the server closed the last one without processing it.
/// A server that allows fewer requests a connection than the client has in flight does so again and again, and each time takes some.
const MOST_RESENDS: u32 = 10;

/// How far a call has come when an attempt has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Whether a second execution does no harm.
    pub repeatable: bool,
    /// Whether a second execution has the effect of one: also `PUT` and `DELETE`.
    pub idempotent: bool,
    /// Whether a throttle inside makes the next attempt wait: only what the server asked for bounds the wait, and no backoff.
    pub paced: bool,
    /// The retries of rate limits so far.
    pub rate_limits: u32,
    /// The retries of failures so far.
    pub failures: u32,
    /// The times that it was sent again without a wait.
    pub resends: u32,
    /// The time to the deadline, if there is one.
    pub remaining: Option<Duration>,
    /// Drawn evenly from 0.0..1.0, anew for each decision.
    pub jitter: f64,
}

/// A retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// From the moment the failure was read to the next attempt.
    pub wait: Duration,
    /// What the budget has to grant.
    pub cost: Cost,
    /// Whether it counts as sent again without a wait, and as no retry.
    pub at_once: bool,
}

/// What a retry takes from the budget, and which retries it counts among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "not public")]
pub enum Cost {
    /// Nothing: the server asked to slow down, and that is obeyed.
    Free,
    /// One retry: the server or the connection failed.
    One,
}

/// Decides whether a request that failed is retried.
///
/// The wait is the larger of what the server asked for and the backoff step, plus jitter. Near a bound the jitter is drawn from a
/// smaller range, so that callers still retry at different times: from what `max_wait` leaves, and from the first half of the time that the
/// deadline leaves, since the attempt needs the other half.
///
/// # Errors
///
/// Why it is not retried.
pub fn decide(
    failure: &Classification,
    config: &RetryConfig,
    progress: &Progress,
) -> Result<Retry, Stopped> {
    let is_over = progress.remaining.is_some_and(|remaining| remaining.is_zero());
    if let Some(cost) = at_once(failure, config, progress)? {
        let retry = Retry { wait: Duration::ZERO, cost, at_once: true };
        return if is_over { Err(Stopped::Deadline) } else { Ok(retry) };
    }
    let cost = cost(failure, progress.repeatable)?;
    let (settings, made) = match cost {
        Cost::Free => (&config.rate_limits, progress.rate_limits),
        Cost::One => (&config.failures, progress.failures),
    };
    let made_in_all = progress.rate_limits.saturating_add(progress.failures);
    if made >= settings.max || made_in_all >= config.max_retries {
        return Err(Stopped::MaxRetries);
    }
    let step = if progress.paced { Duration::ZERO } else { settings.backoff.step(made) };
    let least = failure.pause().unwrap_or_default().max(step);
    if least > config.max_wait {
        return Err(Stopped::MaxWait);
    }
    let room = match progress.remaining {
        Some(remaining) if least >= remaining => return Err(Stopped::Deadline),
        Some(remaining) => remaining.saturating_sub(least) / 2,
        None => Duration::MAX,
    };
    let room = room.min(config.max_wait.saturating_sub(least));
    let jitter = share(settings.backoff.spread(made).min(room), progress.jitter);
    Ok(Retry { wait: least.saturating_add(jitter), cost, at_once: false })
}

/// What it costs to send the request again without a wait; `None` if it has to wait.
fn at_once(
    failure: &Classification,
    config: &RetryConfig,
    progress: &Progress,
) -> Result<Option<Cost>, Stopped> {
    let may = match failure.resend() {
        Resend::Never => return Err(Stopped::Final),
        Resend::Later => false,
        Resend::Once => progress.resends == 0,
        Resend::OnNextConnection => progress.resends < MOST_RESENDS,
    };
    if !may || config.failures.max == 0 {
        return Ok(None);
    }
    Ok(match failure.class() {
        // The request was never sent, or not processed.
        ErrorClass::Connect => Some(Cost::Free),
        // The connection was closed before the head of the response, as an idle one is at any time: RFC 9110 section 9.2.2.
        ErrorClass::Interrupted if progress.idempotent => Some(Cost::One),
        _ => None,
    })
}

/// The decision table: what a retry after this failure takes from the budget, or why there is none.
fn cost(failure: &Classification, repeatable: bool) -> Result<Cost, Stopped> {
    use ErrorClass as Class;

    let status = failure.status();
    match failure.class() {
        // Those before it failed, as an open circuit or a throttle has seen: to wait for the server would be to hang.
        Class::Throttled if failure.cause().is_some() => Err(Stopped::Final),
        // The request was not carried out, or never sent.
        Class::RateLimited | Class::Throttled => Ok(Cost::Free),
        Class::Connect => Ok(Cost::One),
        // The server was not willing to process it in early data (RFC 8470 section 5.2).
        Class::Unavailable if status == Some(StatusCode::TOO_EARLY) => Ok(Cost::One),
        // The server does not support it, now or later.
        Class::Unavailable if never_supported(status) => Err(Stopped::Final),
        Class::Unavailable if failure.asks_to_slow_down() => Ok(Cost::Free),
        // The request may have been carried out.
        Class::Unavailable | Class::Timeout | Class::Interrupted if repeatable => Ok(Cost::One),
        Class::Unavailable | Class::Timeout | Class::Interrupted => Err(Stopped::NotRepeatable),
        // The same request would get the same response.
        Class::Unauthenticated | Class::Forbidden | Class::Rejected => Err(Stopped::Final),
        // The request was never sent; the cause tells whether a token may be available later.
        Class::TokenUnavailable => match failure.cause() {
            Some(Class::RateLimited) => Ok(Cost::Free),
            Some(Class::Unavailable | Class::Timeout | Class::Connect | Class::Interrupted) => {
                Ok(Cost::One)
            }
            _ => Err(Stopped::Final),
        },
    }
}

/// 501 Not Implemented and 505 HTTP Version Not Supported.
fn never_supported(status: Option<StatusCode>) -> bool {
    matches!(status, Some(StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED))
}
