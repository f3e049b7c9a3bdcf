//! Whether a request is sent again, and when. One table, one function.

use std::{fmt, time::Duration};

use http::{Extensions, HeaderMap, Method, Request, StatusCode};

use super::{Backoff, Classification, ErrorClass, Idempotent, backoff::share};

/// Whether sending a request twice may do more than sending it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repeatable {
    /// It may be sent again after any failure: the method is safe
    /// ([RFC 9110 section 9.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1)), or it carries an
    /// `Idempotency-Key`, or it is marked [`Idempotent`].
    ///
    /// `PUT` and `DELETE` are idempotent by the RFC but count only when marked: a `DELETE` that is repeated after a
    /// lost answer comes back as 404, which a caller reads as a failure.
    Always,
    /// It may be sent again only if the server did not carry it out.
    IfRefused,
}

/// Why a call ended with the answer that it ended with: why no (further) retry was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The answer is a success.
    Succeeded,
    /// Sending the same request again would not help: 401, 403, another 4xx, 501, 505, or an error of unknown meaning.
    Final,
    /// The server may have carried the request out, and carrying it out twice may do harm.
    NotRepeatable,
    /// The body cannot be sent again.
    BodyNotReplayable,
    /// The request carries [`NoRetry`](super::NoRetry).
    NoRetry,
    /// As many retries as allowed have been made.
    MaxRetries,
    /// The wait would be longer than allowed for one wait.
    MaxWait,
    /// The wait would end after the deadline.
    Deadline,
    /// The retries that all callers share are used up.
    Budget,
}

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

/// The bounds within which one call may be retried.
///
/// # Defaults
///
/// [`DEFAULT_MAX_RETRIES`](Self::DEFAULT_MAX_RETRIES), [`DEFAULT_MAX_WAIT`](Self::DEFAULT_MAX_WAIT),
/// [`Backoff::default`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Sends after the first, at most.
    pub max_retries: u32,
    /// One wait, at most, its jitter included. A longer one is not begun.
    pub max_wait: Duration,
    /// The waits where the server names none, and the jitter after every wait.
    pub backoff: Backoff,
}

/// How far one call has come.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Whether the request may be sent again after any failure.
    pub repeatable: Repeatable,
    /// Sends after the first, so far.
    pub retries: u32,
    /// The time to the deadline, if there is one.
    pub remaining: Option<Duration>,
    /// Drawn evenly from 0.0..1.0, anew for each decision.
    pub chance: f64,
}

// === impl Repeatable ===

impl Repeatable {
    /// What the request itself says.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Self {
        Self::of_parts(request.method(), request.headers(), request.extensions())
    }

    /// What the parts of a request say.
    pub(crate) fn of_parts(method: &Method, headers: &HeaderMap, extensions: &Extensions) -> Self {
        if extensions.get::<Idempotent>().is_some() {
            return Self::Always;
        }
        Self::from_head(method, headers)
    }

    /// What the method and the header fields say.
    #[must_use]
    pub fn from_head(method: &Method, headers: &HeaderMap) -> Self {
        if method.is_safe() || headers.contains_key("idempotency-key") {
            Self::Always
        } else {
            Self::IfRefused
        }
    }
}

// === impl Stopped ===

impl Stopped {
    /// The reason in snake case, as it stands in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Final => "final",
            Self::NotRepeatable => "not_repeatable",
            Self::BodyNotReplayable => "body_not_replayable",
            Self::NoRetry => "no_retry",
            Self::MaxRetries => "max_retries",
            Self::MaxWait => "max_wait",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Limits ===

impl Limits {
    /// Five: with steps that double from one second they span more than half a minute.
    pub const DEFAULT_MAX_RETRIES: u32 = 5;

    /// Ninety seconds: what a quota counted by the minute can ask for, with room for the jitter after it.
    pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(90);

    /// Sends after the first, at most.
    #[must_use]
    pub const fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// One wait, at most, its jitter included.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// The waits where the server names none, and the jitter after every wait.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}

// === impl Progress ===

impl Progress {
    /// The first send of a call without a deadline has failed, and no jitter is drawn.
    #[must_use]
    pub const fn first(repeatable: Repeatable) -> Self {
        Self { repeatable, retries: 0, remaining: None, chance: 0.0 }
    }

    /// As many sends after the first have been made.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// So much time is left to the deadline, if there is one.
    #[must_use]
    pub const fn remaining(mut self, remaining: Option<Duration>) -> Self {
        self.remaining = remaining;
        self
    }

    /// Drawn evenly from 0.0..1.0.
    #[must_use]
    pub const fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_retries: Self::DEFAULT_MAX_RETRIES,
            max_wait: Self::DEFAULT_MAX_WAIT,
            backoff: Backoff::default(),
        }
    }
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
        let hint = failure.wait().unwrap_or_default();
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
