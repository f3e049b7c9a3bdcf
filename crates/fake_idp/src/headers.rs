//! How a quota is written into headers.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};

use super::{limits::Quota, wall::Wall};

/// Which headers tell the client of a limit. Times are rounded up to whole seconds, never down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// None at all.
    None,
    /// `Retry-After` in seconds on a 429, nothing else (Clerk).
    RetryAfterOnly,
    /// `Retry-After` as an HTTP-date on a 429, nothing else.
    RetryAfterDate,
    /// `x-ratelimit-*` on every response, the reset in Unix seconds (Auth0's Management API).
    XRateLimit,
    /// The same, and `Retry-After` on a 429.
    XRateLimitAndRetryAfter,
    /// `x-ratelimit-*` with the reset in seconds from now.
    XRateLimitDelta,
    /// `X-Rate-Limit-*`, one hyphen more, the reset in Unix seconds (Okta).
    XRateLimitHyphenated,
    /// `RateLimit-Limit`, `-Remaining`, `-Reset` (IETF draft 3), the reset in seconds from now.
    IetfDraft3,
    /// `RateLimit` and `RateLimit-Policy` (IETF draft 8 on).
    IetfDraft,
    /// On a 429 `Retry-After` and `Auth0-RateLimit`. The `x-ratelimit-*` beside them are of the
    /// tenant's own bucket, which has plenty left (Auth0's custom rate-limit policies).
    Auth0Policy,
    /// `Auth0-Client-Quota-Limit` on every response; on a 429 also `Retry-After` and `x-ratelimit-*`
    /// (Auth0's machine-to-machine quota).
    Auth0Quota,
}

// === impl Headers ===

impl Headers {
    pub(super) fn write(self, quota: &Quota, wall: &Wall, headers: &mut HeaderMap) {
        let now = wall.now();
        let delta = seconds(quota.reset.saturating_sub(now));
        let unix = seconds(wall.shown(quota.reset));
        let Quota { allowed, limit, remaining, window, .. } = *quota;
        let mut put = |name: &'static str, value: String| {
            let value = HeaderValue::try_from(value).expect("digits and visible ASCII");
            headers.insert(HeaderName::from_static(name), value);
        };
        let mut triple = |names: [&'static str; 3], reset: u64| {
            put(names[0], limit.to_string());
            put(names[1], remaining.to_string());
            put(names[2], reset.to_string());
        };
        match self {
            Self::None | Self::RetryAfterOnly | Self::RetryAfterDate => {}
            Self::XRateLimit | Self::XRateLimitAndRetryAfter => triple(X_RATELIMIT, unix),
            Self::XRateLimitDelta => triple(X_RATELIMIT, delta),
            Self::XRateLimitHyphenated => triple(X_RATE_LIMIT, unix),
            Self::IetfDraft3 => triple(RATELIMIT, delta),
            Self::IetfDraft => {
                put("ratelimit", format!("\"default\";r={remaining};t={delta}"));
                put("ratelimit-policy", format!("\"default\";q={limit};w={}", seconds(window)));
            }
            Self::Auth0Policy => {
                put("x-ratelimit-limit", "100".to_owned());
                put("x-ratelimit-remaining", "99".to_owned());
                put("x-ratelimit-reset", (seconds(wall.shown(now)) + 1).to_string());
                if !allowed {
                    put("auth0-ratelimit", format!("client;q={limit};t={delta};r={remaining}"));
                }
            }
            Self::Auth0Quota => {
                if !allowed {
                    triple(X_RATELIMIT, unix);
                }
                put(
                    "auth0-client-quota-limit",
                    format!("b=per_hour;q={limit};r={remaining};t={delta}"),
                );
            }
        }
        if !allowed && self.tells_the_wait() {
            let wait = match self {
                Self::RetryAfterDate => {
                    let ready = wall.shown(now + quota.retry_after);
                    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds(ready)))
                }
                _ => seconds(quota.retry_after).to_string(),
            };
            headers.insert(RETRY_AFTER, HeaderValue::try_from(wait).expect("a date or digits"));
        }
    }

    fn tells_the_wait(self) -> bool {
        matches!(
            self,
            Self::RetryAfterOnly
                | Self::RetryAfterDate
                | Self::XRateLimitAndRetryAfter
                | Self::Auth0Policy
                | Self::Auth0Quota
        )
    }
}

const X_RATELIMIT: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
const X_RATE_LIMIT: [&str; 3] =
    ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"];
const RATELIMIT: [&str; 3] = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_is_a_whole_one() {
        let nanos = [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001];
        assert_eq!(nanos.map(|nanos| seconds(Duration::from_nanos(nanos))), [0, 1, 1, 1, 2]);
    }
}
