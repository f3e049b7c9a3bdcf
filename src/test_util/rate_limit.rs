use std::time::Duration;

use tokio::time::Instant;

use super::{ScriptedResponse, response::Outcome};

/// A limit of `requests` in each window. A window starts with the first request after the last one ended.
#[derive(Debug)]
pub(super) struct RateLimit {
    requests: u32,
    window: Duration,
    window_start: Option<Instant>,
    used: u32,
}

// === impl RateLimit ===

impl RateLimit {
    pub(super) const fn new(requests: u32, window: Duration) -> Self {
        Self { requests, window, window_start: None, used: 0 }
    }

    /// Counts a request and returns its response: a 429, or that of `respond`.
    pub(super) fn count(
        &mut self,
        now: Instant,
        respond: impl FnOnce() -> ScriptedResponse,
    ) -> ScriptedResponse {
        let start = match self.window_start {
            Some(start) if now.saturating_duration_since(start) < self.window => start,
            _ => {
                self.used = 0;
                *self.window_start.insert(now)
            }
        };
        let left = self.window.saturating_sub(now.saturating_duration_since(start));
        // Rounded up to whole seconds.
        let reset = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        if self.used >= self.requests {
            let response = ScriptedResponse::status(429);
            return self.with_headers(response.header("retry-after", &reset.to_string()), reset);
        }
        self.used += 1;
        self.with_headers(respond(), reset)
    }

    fn with_headers(&self, response: ScriptedResponse, reset: u64) -> ScriptedResponse {
        if !matches!(response.outcome, Outcome::Response(_)) {
            return response;
        }
        response
            .header("x-ratelimit-limit", &self.requests.to_string())
            .header("x-ratelimit-remaining", &(self.requests - self.used).to_string())
            .header("x-ratelimit-reset", &reset.to_string())
    }
}
