//! A server that counts.

use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, answer::Outcome};

/// A limit of so many requests in each window of time; a window begins with the first request after the last one ended.
#[derive(Debug)]
pub(super) struct Limit {
    requests: u32,
    window: Duration,
    begun: Option<Instant>,
    taken: u32,
}

// === impl Limit ===

impl Limit {
    pub(super) const fn new(requests: u32, window: Duration) -> Self {
        Self { requests, window, begun: None, taken: 0 }
    }

    /// Counts a request: how it is answered, for which `answer` is asked if it is not refused.
    pub(super) fn count(&mut self, now: Instant, answer: impl FnOnce() -> Answer) -> Answer {
        let began = match self.begun {
            Some(began) if now.saturating_duration_since(began) < self.window => began,
            _ => {
                self.taken = 0;
                *self.begun.insert(now)
            }
        };
        let left = self.window.saturating_sub(now.saturating_duration_since(began));
        // Whole seconds, and none too few.
        let reset = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        if self.taken >= self.requests {
            let refusal = Answer::status(429).header("retry-after", &reset.to_string());
            return self.tell(refusal, reset);
        }
        self.taken += 1;
        self.tell(answer(), reset)
    }

    fn tell(&self, answer: Answer, reset: u64) -> Answer {
        if !matches!(answer.outcome, Outcome::Response(_)) {
            return answer;
        }
        answer
            .header("x-ratelimit-limit", &self.requests.to_string())
            .header("x-ratelimit-remaining", &(self.requests - self.taken).to_string())
            .header("x-ratelimit-reset", &reset.to_string())
    }
}
