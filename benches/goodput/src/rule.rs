//! How long to wait after a rejection, as clients without a layer for it do.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header::DATE};
use tower_heed::clock::Clock;

/// A rule that each caller follows by itself.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Until the reset, or as `Retry-After` says, or else a second.
    UntilReset,
    /// As Octokit's throttling does: `Retry-After`, or the reset by the server's clock and a second more; never without.
    Octokit,
    /// As Auth0's own clients do: 100 ms doubled up to a second, and a tenth of a second of chance; ten times at most.
    Auth0,
    /// 1, 2, 4 ... 30 s, and as much of chance.
    Backoff,
}

// === impl Rule ===

impl Rule {
    /// None where it gives up.
    pub fn wait(self, headers: &HeaderMap, retries: u32) -> Option<Duration> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
        let retry_after = number("retry-after").map(Duration::from_secs);
        let reset = number("x-ratelimit-reset").map(Duration::from_secs);
        match self {
            Self::UntilReset => {
                let until = |reset: Duration| {
                    reset.saturating_sub(since_1970(Clock::default().system_time()))
                };
                Some(retry_after.or(reset.map(until)).unwrap_or(Duration::from_secs(1)))
            }
            Self::Octokit => retry_after.or_else(|| {
                let date = headers.get(DATE)?.to_str().ok()?;
                let date = since_1970(httpdate::parse_http_date(date).ok()?);
                Some(reset?.saturating_sub(date) + Duration::from_secs(1))
            }),
            Self::Auth0 => {
                let wait = Duration::from_millis(100) * 2_u32.saturating_pow(retries.min(8));
                let wait = wait + Duration::from_millis(100).mul_f64(rand::random());
                (retries < 10).then_some(wait.min(Duration::from_secs(1)))
            }
            Self::Backoff => {
                let step = Duration::from_secs(1) * 2_u32.saturating_pow(retries.min(8));
                Some(step.min(Duration::from_secs(30)).mul_f64(1.0 + rand::random::<f64>()))
            }
        }
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
