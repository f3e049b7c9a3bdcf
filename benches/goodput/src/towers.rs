//! tower's retry, and tower-resilience's retry and limiter.

use std::time::Duration;

use http::{Response, StatusCode};
use load_test::{server::Mode};
use tokio::time::Sleep;
use tower::{
    retry::{
        Policy, RetryLayer,
        backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff},
    },
    util::rng::HasherRng,
};
use tower_heed::BoxError;
use tower_resilience::{
    ratelimiter::{RateLimiterLayer, WindowType},
    retry::RetryLayer as ResilienceRetryLayer,
};

/// Longer than any run.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Sends again after every 429, without end.
#[derive(Clone, Debug)]
pub struct AfterRejection(ExponentialBackoff);

/// tower's retry, with its own backoff up to 30 s.
pub fn retry(first: Duration) -> Result<RetryLayer<AfterRejection>, BoxError> {
    let rng = HasherRng::default();
    let backoff =
        ExponentialBackoffMaker::new(first, Duration::from_secs(30), 0.99, rng)?.make_backoff();
    Ok(RetryLayer::new(AfterRejection(backoff)))
}

/// tower-resilience's retry as it comes, but for the number of attempts.
pub fn resilience<Q, B, E>() -> ResilienceRetryLayer<Q, Response<B>, E>
where
    Q: 'static,
    B: 'static,
    E: 'static,
{
    ResilienceRetryLayer::builder()
        .max_attempts(usize::MAX)
        .exponential_backoff(Duration::from_millis(100))
        .retry_on_response(|response: &Response<B>| {
            response.status() == StatusCode::TOO_MANY_REQUESTS
        })
        .build()
}

/// tower-resilience's limiter, set to what the server's limit is.
pub fn limiter(mode: Mode) -> Result<RateLimiterLayer, BoxError> {
    let builder = match mode {
        Mode::Fixed | Mode::Bare => RateLimiterLayer::per_second(50),
        Mode::Sliding => RateLimiterLayer::per_second(50).window_type(WindowType::SlidingLog),
        // Its burst comes on top of the rate.
        Mode::Bucket => RateLimiterLayer::burst(20, 30),
        Mode::RetryAfter => {
            RateLimiterLayer::per_second(100).refresh_period(Duration::from_secs(2))
        }
    };
    Ok(builder.timeout_duration(DAY).build()?)
}

// === impl AfterRejection ===

impl<Q: Clone, B, E> Policy<Q, Response<B>, E> for AfterRejection {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Q, result: &mut Result<Response<B>, E>) -> Option<Sleep> {
        let response = result.as_ref().ok()?;
        (response.status() == StatusCode::TOO_MANY_REQUESTS).then(|| self.0.next_backoff())
    }

    fn clone_request(&mut self, request: &Q) -> Option<Q> {
        Some(request.clone())
    }
}
