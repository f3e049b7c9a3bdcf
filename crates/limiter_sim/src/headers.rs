//! What a model server tells about its limiter.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Left, Nanos, SECOND};

/// What the server tells about its limiter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Headers {
    /// `X-RateLimit-*`, the reset in seconds since 1970, rounded up.
    Epoch,
    /// The same rounded down.
    EpochFloor,
    /// `RateLimit-*`, the reset in seconds from now, rounded up.
    Delta,
    /// On a refusal, how many seconds to wait, rounded up.
    RetryAfter,
    /// The same rounded down: a wait of less than a second is zero.
    RetryAfterFloor,
    /// Nothing, not even a date.
    Bare,
}

impl Headers {
    /// The header fields of a response to a request that was counted at `now`.
    pub fn fields(self, left: &Left, now: Nanos) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut say = |name: &'static str, value: HeaderValue| {
            headers.insert(HeaderName::from_static(name), value);
        };
        if self != Self::Bare {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(now / SECOND);
            let date = HeaderValue::try_from(httpdate::fmt_http_date(date));
            say("date", date.expect("a date is plain text"));
        }
        let family = match self {
            Self::Epoch => Some((
                left.reset.div_ceil(SECOND),
                ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
            )),
            Self::EpochFloor => Some((
                left.reset / SECOND,
                ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
            )),
            Self::Delta => {
                let wait = left.reset.saturating_sub(now).div_ceil(SECOND);
                Some((wait, ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]))
            }
            Self::RetryAfter | Self::RetryAfterFloor | Self::Bare => None,
        };
        if let Some((reset, [limit_name, remaining_name, reset_name])) = family {
            say(limit_name, left.limit.into());
            say(remaining_name, left.remaining.into());
            say(reset_name, reset.into());
        }
        if !left.accepted {
            match self {
                Self::RetryAfter => say("retry-after", (left.next - now).div_ceil(SECOND).into()),
                Self::RetryAfterFloor => say("retry-after", ((left.next - now) / SECOND).into()),
                _ => {}
            }
        }
        headers
    }
}
