//! Classifiers: the standard one, the providers', and a user's own.

use std::{cell::OnceCell, fmt, time::SystemTime};

use http::{HeaderMap, StatusCode};

use super::{Classification, ErrorClass, body::presets};
use crate::headers::{RateLimit, is_aws_throttling};

/// The head of a response, as a [`Classifier`] sees it.
pub struct ResponseHead<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    now: &'a dyn Fn() -> SystemTime,
    rate_limit: OnceCell<Option<RateLimit>>,
}

/// Tells what a response means.
///
/// Your own classifier handles the responses it knows and leaves the rest to a [`Preset`]:
///
/// ```
/// use http::StatusCode;
/// use tower_heed::classify::{Classifier, ErrorClass, Preset, ResponseHead};
///
/// /// A gateway that responds 418 while it starts.
/// struct OurGateway;
///
/// impl Classifier for OurGateway {
///     fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass> {
///         match head.status() {
///             StatusCode::IM_A_TEAPOT => Some(ErrorClass::Unavailable),
///             _ => Preset::Standard.classify(head),
///         }
///     }
/// }
/// ```
///
/// A closure is a classifier too: `|head: &ResponseHead<'_>| ..`.
///
/// A 429 that a classifier calls an authentication failure stays [`RateLimited`](ErrorClass::RateLimited):
/// [`Classification`](super::Classification) overrides it.
pub trait Classifier: Send + Sync + 'static {
    /// The class of the response; `None` for a success.
    fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass>;

    /// Whether [`classify_body`](Self::classify_body) has to see the body of a response with this head. Asked only by a
    /// [`ClassifyBodyLayer`](super::ClassifyBodyLayer). Default: never.
    fn reads_body(&self, _: &ResponseHead<'_>) -> bool {
        false
    }

    /// What the head and the beginning of the body mean; `None` leaves it to [`classify`](Self::classify).
    ///
    /// The body comes from outside, as it was sent: it may be compressed. Unless it is whole it is cut anywhere. The result may say how long to wait, by
    /// [`with_retry_after`](Classification::with_retry_after), and that the token was rejected, by
    /// [`rejecting_token`](Classification::rejecting_token). It gets the status and the header fields of the response.
    fn classify_body(
        &self,
        _: &ResponseHead<'_>,
        _: &[u8],
        _is_whole: bool,
    ) -> Option<Classification> {
        None
    }
}

/// The classifiers that come with the crate.
///
/// All follow the status codes of RFC 9110 and RFC 6585, and differ where the providers do:
///
/// | preset | 403 | 422 |
/// |---|---|---|
/// | `Standard`, `GitHub` | a rate limit if the response says so, by an exhausted quota or `Retry-After` | `Rejected` |
/// | `Auth0`, `Okta` | `Forbidden`: their rate limits are always 429 | `Rejected` |
/// | `Clerk` | `Forbidden` | `Unauthenticated` |
/// | others | as `Standard` | as `Standard` |
///
/// A 440 (IIS), 498 (Esri) or 561 (a load balancer of AWS) is `Unauthenticated` with every preset.
///
/// For 422 `Clerk` does as Clerk's [front-end SDK](https://github.com/clerk/javascript/pull/8649). An endpoint that takes
/// forms responds 422 to an invalid form, which does not sign anyone out: give that endpoint `Standard`.
///
/// # gRPC
///
/// A call that fails before it sends a message has its `grpc-status` in the head ("trailers only"). `Grpc` reads that:
///
/// | `grpc-status` | class |
/// |---|---|
/// | `RESOURCE_EXHAUSTED` | `RateLimited` |
/// | `UNAUTHENTICATED` | `Unauthenticated` |
/// | `PERMISSION_DENIED` | `Forbidden` |
/// | `UNAVAILABLE`, `ABORTED`, `INTERNAL`, `UNKNOWN`, `DATA_LOSS` | `Unavailable` |
/// | `DEADLINE_EXCEEDED` | `Timeout` |
/// | `OK` | a success |
/// | any other | `Rejected` |
///
/// `grpc-retry-pushback-ms`, or else the `RetryInfo` in `grpc-status-details-bin`, is the time to wait; a pushback that is negative
/// forbids to retry, as in gRPC's own retries. `UNAVAILABLE` is retried if it says how long to wait; otherwise for safe methods only, and
/// gRPC's is `POST`, so mark calls [`Idempotent`](crate::extensions::Idempotent). `DEADLINE_EXCEEDED` says nothing about the server,
/// since the client has chosen the deadline: it opens no circuit and gets no fallback response.
///
/// [`TimeoutConfig::send_grpc_timeout`](crate::timeout::TimeoutConfig::send_grpc_timeout) tells the server the time that is left. A
/// token is replaced after `UNAUTHENTICATED` if the endpoint says so, since the status is 200:
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower_heed::{ErrorClassifyLayer, Stack, classify::Preset};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_heed::BoxError> {
/// let http = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
/// let client = Stack::new()
///     .classify(ErrorClassifyLayer::new().classifier(Preset::Grpc))
///     .endpoint("/orders.v1.Orders/{method}".parse()?, |e| {
///         e.attempt_timeout(|config| config.send_grpc_timeout())
///             .token_cache(|config| config.rejects_token(|head| {
///                 head.headers().get("grpc-status").is_some_and(|status| status == "16")
///             }))
///     })
///     .service(http);
/// # drop(client);
/// # Ok(())
/// # }
/// ```
///
/// What does not work: a status in real trailers, after the head or a message, is not seen; a `grpc-timeout` that a request carries is no
/// deadline here, so put a [`Deadline`](crate::extensions::Deadline) into its extensions; errors of this crate are no `tonic::Status`: map
/// [`Classification::of_error`] to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// The standards, and AWS's throttling codes.
    #[default]
    Standard,
    /// [Auth0](https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy).
    Auth0,
    /// [Clerk](https://clerk.com/docs/guides/how-clerk-works/system-limits).
    Clerk,
    /// [Okta](https://developer.okta.com/docs/reference/rl-best-practices/).
    Okta,
    /// [GitHub](https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
    GitHub,
    /// [Google's APIs](https://cloud.google.com/apis/design/errors), whose bodies a
    /// [`ClassifyBodyLayer`](super::ClassifyBodyLayer) reads.
    Google,
    /// [OpenAI](https://platform.openai.com/docs/guides/error-codes), whose bodies a
    /// [`ClassifyBodyLayer`](super::ClassifyBodyLayer) reads.
    OpenAi,
    /// GraphQL over HTTP, whose bodies a [`ClassifyBodyLayer`](super::ClassifyBodyLayer) reads: errors come in a `200 OK`.
    GraphQl,
    /// [gRPC](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), as far as the head of a response says how the call
    /// ended. See [below](Preset#grpc).
    Grpc,
}

// === impl ResponseHead ===

impl<'a> ResponseHead<'a> {
    /// `now` reads the client's wall time. It is called at most once, if the headers have to be read.
    pub(crate) const fn new(
        status: StatusCode,
        headers: &'a HeaderMap,
        now: &'a dyn Fn() -> SystemTime,
    ) -> Self {
        Self { status, headers, now, rate_limit: OnceCell::new() }
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The header fields.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// What the headers say about a rate limit. They are read at the first call, so look at the status first.
    #[must_use]
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.rate_limit.get_or_init(|| self.read_rate_limit()).as_ref()
    }

    pub(super) fn into_rate_limit(mut self) -> Option<RateLimit> {
        self.rate_limit.take().unwrap_or_else(|| self.read_rate_limit())
    }

    fn read_rate_limit(&self) -> Option<RateLimit> {
        RateLimit::from_headers_when(self.headers, self.now)
    }
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .field("rate_limit", &self.rate_limit())
            .finish_non_exhaustive()
    }
}

// === impl Classifier ===

impl<C> Classifier for C
where
    C: Fn(&ResponseHead<'_>) -> Option<ErrorClass> + Send + Sync + 'static,
{
    fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass> {
        self(head)
    }
}

// === impl Preset ===

impl Classifier for Preset {
    fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass> {
        if *self == Self::Grpc {
            if let Some(ended) = grpc_status(head.headers) {
                return ended;
            }
        }
        let forbidden_may_be_a_limit = !matches!(self, Self::Auth0 | Self::Okta | Self::Clerk);
        let names_a_limit = || head.rate_limit().is_some_and(RateLimit::marks_rate_limit);
        Some(match head.status.as_u16() {
            ..=399 => return None,
            400.. if is_aws_throttling(head.headers) => ErrorClass::RateLimited,
            429 | 420 => ErrorClass::RateLimited,
            // 561: the identity provider of an AWS load balancer did not let the user in. 440: IIS, and 498: Esri, whose session or token
            // is over.
            401 | 440 | 498 | 561 => ErrorClass::Unauthenticated,
            403 if forbidden_may_be_a_limit && names_a_limit() => ErrorClass::RateLimited,
            403 => ErrorClass::Forbidden,
            408 | 504 => ErrorClass::Timeout,
            422 if *self == Self::Clerk => ErrorClass::Unauthenticated,
            425 | 500.. => ErrorClass::Unavailable,
            _ => ErrorClass::Rejected,
        })
    }

    fn reads_body(&self, head: &ResponseHead<'_>) -> bool {
        presets::reads(*self, head)
    }

    fn classify_body(
        &self,
        head: &ResponseHead<'_>,
        body: &[u8],
        is_whole: bool,
    ) -> Option<Classification> {
        presets::classify(*self, head, body, is_whole)
    }
}

/// What the `grpc-status` of a head says: `None` if there is none, `Some(None)` for a success.
#[allow(clippy::option_option, reason = "a success and no status are different things")]
fn grpc_status(headers: &HeaderMap) -> Option<Option<ErrorClass>> {
    let code = headers.get("grpc-status")?.to_str().ok()?;
    Some(match code {
        "0" => None,
        "2" | "10" | "13" | "14" | "15" => Some(ErrorClass::Unavailable),
        "4" => Some(ErrorClass::Timeout),
        "7" => Some(ErrorClass::Forbidden),
        "8" => Some(ErrorClass::RateLimited),
        "16" => Some(ErrorClass::Unauthenticated),
        _ => Some(ErrorClass::Rejected),
    })
}
