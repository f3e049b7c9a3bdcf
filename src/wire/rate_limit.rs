#![allow(missing_docs, reason = "placeholder")]
use http::HeaderMap;
use std::time::{Duration, SystemTime};
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit(Duration);
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    Success,
    Redirection,
    RateLimited,
    Transient,
    Rejected,
}
impl RateLimit {
    pub fn from_headers(headers: &HeaderMap, _now: SystemTime) -> Option<Self> {
        headers
            .get("retry-after")?
            .to_str()
            .ok()?
            .parse()
            .ok()
            .map(|s: u32| Self(Duration::from_secs(s.into())))
    }
    pub fn limit(&self) -> Option<u64> {
        None
    }
    pub fn remaining(&self) -> Option<u64> {
        None
    }
    pub fn reset(&self) -> Option<Duration> {
        None
    }
    pub fn retry_after(&self) -> Option<Duration> {
        Some(self.0)
    }
    pub fn is_spent(&self) -> bool {
        false
    }
    pub fn wait(&self, outcome: Outcome) -> Option<Duration> {
        (outcome != Outcome::Success).then_some(self.0)
    }
}
pub fn is_aws_throttling(_headers: &HeaderMap) -> bool {
    false
}
