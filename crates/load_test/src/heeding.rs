//! This crate's stack, set for jobs that may take as long as the server's limit asks for. This is the part to copy.

use std::time::Duration;

use tower_heed::{
    RetryOnRateLimit, Stack, ThrottleLayer, TimeoutLayer,
    error::InvalidConfig,
    retry::{Backoff, RetryBudget},
};

/// Longer than any job waits for its turn.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A server that queues requests may take this long for one.
const SEND: Duration = Duration::from_secs(120);

/// More than a limiter takes to be understood, and not so many that a server which only fails is asked for hours.
const RETRIES: u32 = 100;

/// The stack for jobs that have to be done in the end. For a person who waits, keep its defaults.
pub fn stack() -> Result<Stack, InvalidConfig> {
    // The throttle knows when the next turn is, so the retry need not wait for long by itself.
    let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1))?;
    let retry = RetryOnRateLimit::new()
        .max_retries(RETRIES)
        .max_wait(DAY)
        .backoff(backoff)
        .budget(RetryBudget::unlimited());
    Ok(Stack::new()
        .call_timeout(TimeoutLayer::new(DAY))
        .retry(retry)
        .throttle(ThrottleLayer::new().max_wait(DAY))
        .attempt_timeout(TimeoutLayer::new(SEND)))
}
