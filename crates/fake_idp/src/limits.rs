//! Limits: pure rules that are asked with a `now`.

use std::{collections::VecDeque, time::Duration};

use super::headers::Headers;

/// How many requests an endpoint serves, and which headers say so.
///
/// A rejected request takes nothing from what is left.
#[derive(Clone, Debug)]
pub struct Limit {
    rule: Rule,
    headers: Option<Headers>,
}

/// What a limit said to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub allowed: bool,
    pub limit: u32,
    /// Left after this request.
    pub remaining: u32,
    /// When the window ends or the bucket is full again, as time since the Unix epoch.
    pub reset: Duration,
    /// Until the next request is let through; zero while some are left.
    pub retry_after: Duration,
    /// The window's length; for a bucket the time in which it fills.
    pub window: Duration,
}

#[derive(Clone, Debug)]
enum Rule {
    Unlimited,
    FixedWindow {
        limit: u32,
        window: Duration,
        first: Option<Duration>,
        start: Duration,
        used: u32,
    },
    SlidingLog {
        limit: u32,
        window: Duration,
        taken: VecDeque<Duration>,
    },
    TokenBucket {
        burst: u32,
        refill: Duration,
        full_at: Duration,
    },
}

// === impl Limit ===

impl Limit {
    /// Everything is served, and no header speaks of a limit.
    pub fn unlimited() -> Self {
        Self::new(Rule::Unlimited)
    }

    /// `limit` requests in each window. Windows follow one another from the whole Unix second of
    /// the first request on, so a reset is a whole second where the window is.
    pub fn fixed_window(limit: u32, window: Duration) -> Self {
        assert!(!window.is_zero(), "a window has a length");
        Self::new(Rule::FixedWindow { limit, window, first: None, start: Duration::ZERO, used: 0 })
    }

    /// `limit` requests in any span of the length of `window`.
    pub fn sliding_log(limit: u32, window: Duration) -> Self {
        Self::new(Rule::SlidingLog { limit, window, taken: VecDeque::new() })
    }

    /// `burst` requests at once, and one more each `refill`. The reset is when the bucket is full
    /// again.
    pub fn token_bucket(burst: u32, refill: Duration) -> Self {
        assert!(burst > 0 && !refill.is_zero(), "a bucket holds something and fills");
        Self::new(Rule::TokenBucket { burst, refill, full_at: Duration::ZERO })
    }

    /// Other headers than the flavour's own.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = Some(headers);
        self
    }

    fn new(rule: Rule) -> Self {
        Self { rule, headers: None }
    }

    pub(super) fn style(&self) -> Option<Headers> {
        self.headers
    }

    /// Asks for one request at `now`, the time since the Unix epoch; `None` where nothing is
    /// limited.
    pub(super) fn take(&mut self, now: Duration) -> Option<Quota> {
        match &mut self.rule {
            Rule::Unlimited => None,
            Rule::FixedWindow { limit, window, first, start, used } => {
                let first = *first.get_or_insert(Duration::from_secs(now.as_secs()));
                let current = now - rest(now - first, *window);
                if current != *start {
                    (*start, *used) = (current, 0);
                }
                let allowed = used < limit;
                *used += u32::from(allowed);
                Some(Quota::new(allowed, *limit, *limit - *used, now, *start + *window, *window))
            }
            Rule::SlidingLog { limit, window, taken } => {
                while taken.front().is_some_and(|at| *at + *window <= now) {
                    taken.pop_front();
                }
                let left = *limit - u32::try_from(taken.len()).unwrap_or(*limit);
                if left > 0 {
                    taken.push_back(now);
                }
                let reset = taken.front().map_or(now, |at| *at) + *window;
                Some(Quota::new(left > 0, *limit, left.saturating_sub(1), now, reset, *window))
            }
            Rule::TokenBucket { burst, refill, full_at } => {
                let fill = *refill * *burst;
                let next = (*full_at).max(now) + *refill;
                let allowed = next <= now + fill;
                if allowed {
                    *full_at = next;
                }
                let left = (now + fill - *full_at).as_nanos() / refill.as_nanos();
                let remaining = u32::try_from(left).unwrap_or(*burst);
                let mut quota = Quota::new(allowed, *burst, remaining, now, *full_at, fill);
                if remaining == 0 {
                    quota.retry_after = *full_at + *refill - now - fill;
                }
                Some(quota)
            }
        }
    }
}

// === impl Quota ===

impl Quota {
    /// A rejection until `reset`.
    pub(super) fn spent(limit: u32, now: Duration, reset: Duration) -> Self {
        Self::new(false, limit, 0, now, reset, reset - now)
    }

    fn new(
        allowed: bool,
        limit: u32,
        remaining: u32,
        now: Duration,
        reset: Duration,
        window: Duration,
    ) -> Self {
        let retry_after = if remaining == 0 { reset - now } else { Duration::ZERO };
        Self { allowed, limit, remaining, reset, retry_after, window }
    }
}

fn rest(passed: Duration, window: Duration) -> Duration {
    Duration::from_nanos(u64::try_from(passed.as_nanos() % window.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(since_epoch: u64) -> Duration {
        Duration::from_millis(since_epoch)
    }

    fn ask(limit: &mut Limit, at: u64) -> (bool, u32, u64, u64) {
        let quota = limit.take(ms(at)).expect("a limit");
        let [reset, wait] =
            [quota.reset, quota.retry_after].map(|time| u64::try_from(time.as_millis()).unwrap());
        (quota.allowed, quota.remaining, reset, wait)
    }

    #[test]
    fn a_fixed_window_begins_at_the_whole_second_and_ends_at_once() {
        let mut limit = Limit::fixed_window(2, ms(2_000));
        assert_eq!(ask(&mut limit, 10_900), (true, 1, 12_000, 0));
        assert_eq!(ask(&mut limit, 11_000), (true, 0, 12_000, 1_000));
        assert_eq!(ask(&mut limit, 11_999), (false, 0, 12_000, 1));
        assert_eq!(ask(&mut limit, 12_000), (true, 1, 14_000, 0));
        assert_eq!(ask(&mut limit, 99_500), (true, 1, 100_000, 0));
    }

    #[test]
    fn a_fixed_window_of_none_rejects_everything() {
        let mut limit = Limit::fixed_window(0, ms(1_000));
        assert_eq!(ask(&mut limit, 1_250), (false, 0, 2_000, 750));
        assert_eq!(ask(&mut limit, 2_000), (false, 0, 3_000, 1_000));
    }

    #[test]
    fn a_sliding_log_frees_one_place_at_a_time_and_forgets_rejections() {
        let mut limit = Limit::sliding_log(2, ms(1_000));
        assert_eq!(ask(&mut limit, 5_000), (true, 1, 6_000, 0));
        assert_eq!(ask(&mut limit, 5_400), (true, 0, 6_000, 600));
        assert_eq!(ask(&mut limit, 5_999), (false, 0, 6_000, 1));
        assert_eq!(ask(&mut limit, 6_000), (true, 0, 6_400, 400));
        assert_eq!(ask(&mut limit, 6_399), (false, 0, 6_400, 1));
        assert_eq!(ask(&mut limit, 9_000), (true, 1, 10_000, 0));
    }

    #[test]
    fn a_sliding_log_of_none_rejects_everything() {
        assert_eq!(ask(&mut Limit::sliding_log(0, ms(1_000)), 5_000), (false, 0, 6_000, 1_000));
    }

    #[test]
    fn a_bucket_gives_its_burst_then_its_pace() {
        let mut limit = Limit::token_bucket(3, ms(500));
        assert_eq!(ask(&mut limit, 7_000), (true, 2, 7_500, 0));
        assert_eq!(ask(&mut limit, 7_000), (true, 1, 8_000, 0));
        assert_eq!(ask(&mut limit, 7_000), (true, 0, 8_500, 500));
        assert_eq!(ask(&mut limit, 7_499), (false, 0, 8_500, 1));
        assert_eq!(ask(&mut limit, 7_500), (true, 0, 9_000, 500));
        assert_eq!(ask(&mut limit, 8_600), (true, 1, 9_500, 0));
        assert_eq!(ask(&mut limit, 60_000), (true, 2, 60_500, 0));
    }

    #[test]
    fn nothing_is_said_where_nothing_is_limited() {
        assert_eq!(Limit::unlimited().take(ms(1)), None);
    }
}
