//! What kind of answer the headers came with.

/// What kind of answer the headers came with, which decides what they mean for the next request.
///
/// The kind is the *class* of the answer, not its status alone: a 403 that says it is a limit, and a 400 with an AWS throttling
/// code, are [`RateLimited`](Self::RateLimited).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// Refused for asking too much: 429, 420, and what says so otherwise.
    RateLimited,
    /// The server's trouble or a time-out: 5xx, 408, 425.
    Transient,
    /// Refused for another reason: every other 4xx.
    Rejected,
}
