//! A model server: a limiter, a clock of its own, and the headers that it sends.

use std::{
    fmt::Display,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName};
use tower_heed::{policy::quota::Answer, wire::RateLimit};

use super::{Limiter, Nanos, SECOND};

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
    Silent,
}

pub struct Server {
    pub limiter: Limiter,
    pub headers: Headers,
    /// The server's time at the beginning of the world.
    pub clock: Nanos,
}

impl Server {
    /// A request is counted at this moment of the world.
    pub fn arrive(&mut self, at: Nanos) -> Answer {
        let now = self.clock + at;
        let left = self.limiter.arrive(now);
        let mut headers = HeaderMap::new();
        let mut say = |name: &'static str, value: &dyn Display| {
            headers.insert(HeaderName::from_static(name), value.to_string().parse().unwrap());
        };
        if self.headers != Headers::Silent {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(now / SECOND);
            say("date", &httpdate::fmt_http_date(date));
        }
        let family = match self.headers {
            Headers::Epoch => Some((
                left.reset.div_ceil(SECOND),
                ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
            )),
            Headers::EpochFloor => Some((
                left.reset / SECOND,
                ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
            )),
            Headers::Delta => {
                let wait = left.reset.saturating_sub(now).div_ceil(SECOND);
                Some((wait, ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]))
            }
            Headers::RetryAfter | Headers::RetryAfterFloor | Headers::Silent => None,
        };
        if let Some((reset, [limit_name, remaining_name, reset_name])) = family {
            say(limit_name, &left.limit);
            say(remaining_name, &left.remaining);
            say(reset_name, &reset);
        }
        if !left.accepted {
            match self.headers {
                Headers::RetryAfter => say("retry-after", &(left.next - now).div_ceil(SECOND)),
                Headers::RetryAfterFloor => say("retry-after", &((left.next - now) / SECOND)),
                _ => {}
            }
        }
        // The client's own clock is an hour behind, and nobody notices.
        let wall = SystemTime::UNIX_EPOCH + Duration::from_nanos(now) - Duration::from_secs(3_600);
        let limit = RateLimit::from_headers(&headers, wall);
        Answer::new(!left.accepted, &headers, limit.as_ref(), wall)
    }
}
