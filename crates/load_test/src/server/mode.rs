//! What a limiter keeps to, and what it tells.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue};
use limiter_sim::{Left, Nanos, Rule, SECOND};

/// A limiter with its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Fifty in each second; `x-ratelimit-*` and `Date`.
    Fixed,
    /// Fifty at once, and twenty a second come back; the same headers, the reset being when it is full.
    Bucket,
    /// Fifty in any second; the same headers, the reset being when the oldest comes back.
    Sliding,
    /// Fifty in each second; nothing but the status.
    Bare,
    /// A hundred in each two seconds; nothing but `Retry-After`.
    RetryAfter,
}

/// A header field of a response.
pub(super) type Field = (HeaderName, HeaderValue);

// === impl Mode ===

impl Mode {
    pub const ALL: [Self; 5] =
        [Self::Fixed, Self::Bucket, Self::Sliding, Self::Bare, Self::RetryAfter];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Bucket => "bucket",
            Self::Sliding => "sliding",
            Self::Bare => "bare",
            Self::RetryAfter => "retry-after",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    pub(super) fn rule(self) -> Rule {
        match self {
            Self::Fixed | Self::Bare => Rule::Fixed { limit: 50, period: SECOND },
            Self::Bucket => Rule::Bucket { rate: 20, burst: 50 },
            Self::Sliding => Rule::Sliding { limit: 50, period: SECOND },
            Self::RetryAfter => Rule::Fixed { limit: 100, period: 2 * SECOND },
        }
    }

    /// The headers of a response to a request that was counted at `now`.
    pub(super) fn headers(self, left: &Left, now: Nanos) -> Vec<Field> {
        match self {
            Self::Fixed | Self::Bucket | Self::Sliding => {
                let date = SystemTime::UNIX_EPOCH + Duration::from_secs(now / SECOND);
                let date = HeaderValue::try_from(httpdate::fmt_http_date(date));
                let mut fields = vec![
                    number("x-ratelimit-limit", left.limit),
                    number("x-ratelimit-remaining", left.remaining),
                    number("x-ratelimit-reset", left.reset.div_ceil(SECOND)),
                ];
                fields.extend(date.map(|date| (http::header::DATE, date)));
                fields
            }
            Self::RetryAfter if !left.accepted => {
                vec![number("retry-after", left.next.saturating_sub(now).div_ceil(SECOND))]
            }
            Self::RetryAfter | Self::Bare => Vec::new(),
        }
    }
}

fn number(name: &'static str, value: u64) -> Field {
    (HeaderName::from_static(name), HeaderValue::from(value))
}
