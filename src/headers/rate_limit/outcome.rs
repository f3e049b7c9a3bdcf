/// The kind of response that the headers belong to, which decides what they mean for the next request.
///
/// It depends on the *class* of the response, not only on its status: a 403 that names a limit, and a 400 with an AWS throttling
/// code, are [`RateLimited`](Self::RateLimited).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// Rejected because of a rate limit: 429, 420, and others that say so.
    RateLimited,
    /// A server error or a timeout: 5xx, 408, 425.
    Transient,
    /// Rejected for another reason: every other 4xx.
    Rejected,
}
