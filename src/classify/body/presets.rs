//! What the bodies of providers' responses say that their heads do not.

use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::json::Scalars;
use crate::{
    classify::{Classification, ErrorClass, Preset, ResponseHead},
    headers::is_aws_throttling_code,
};

/// GitHub asks to wait for at least a minute after a secondary limit that names no wait:
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>
const GITHUB_WAIT: Duration = Duration::from_secs(60);

/// The longest wait that is believed to a body.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The codes of AWS's services for credentials that are no longer valid.
const AWS_REJECTED: [&str; 5] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

pub(in crate::classify) fn reads(preset: Preset, head: &ResponseHead<'_>) -> bool {
    let mut encodings = head.headers().get_all(CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return false;
    }
    let status = head.status().as_u16();
    match preset {
        Preset::Standard => matches!(status, 400 | 403 | 429 | 500 | 503),
        Preset::GitHub | Preset::Google => matches!(status, 403 | 429),
        Preset::OpenAi => status == 429,
        Preset::GraphQl => {
            let json = |text: &str| text.contains("json");
            let content_type = head.headers().get(CONTENT_TYPE);
            content_type.and_then(|value| value.to_str().ok()).is_some_and(json)
        }
        Preset::Auth0 | Preset::Clerk | Preset::Okta | Preset::Grpc => false,
    }
}

pub(in crate::classify) fn classify(
    preset: Preset,
    head: &ResponseHead<'_>,
    body: &[u8],
    is_whole: bool,
) -> Option<Classification> {
    match preset {
        Preset::Standard => aws(body),
        Preset::GitHub => github(head, body),
        Preset::Google => google(body),
        Preset::OpenAi => open_ai(body),
        Preset::GraphQl if is_whole => graph_ql(body),
        Preset::GraphQl | Preset::Auth0 | Preset::Clerk | Preset::Okta | Preset::Grpc => None,
    }
}

fn rate_limited(wait: Option<Duration>) -> Classification {
    Classification::of_class(ErrorClass::RateLimited).with_retry_after(wait)
}

/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>: `__type` or `code` in JSON, `<Code>` in XML.
fn aws(body: &[u8]) -> Option<Classification> {
    let of_code = |code: &[u8]| {
        let code = code.rsplit(|byte| *byte == b'#').next().unwrap_or(code);
        if is_aws_throttling_code(code) || code == b"SlowDown" {
            return Some(rate_limited(None));
        }
        let is_rejected = AWS_REJECTED.iter().any(|known| known.as_bytes() == code);
        let rejected = Classification::of_class(ErrorClass::Unauthenticated).rejecting_token();
        is_rejected.then_some(rejected)
    };
    if body.trim_ascii_start().starts_with(b"<") {
        let start = find(body, b"<Code>")? + b"<Code>".len();
        let code = &body[start..];
        return of_code(&code[..find(code, b"<")?]);
    }
    let mut scalars = Scalars::of(body);
    while let Some(value) = scalars.next() {
        if scalars.is_at(&["__type"]) || scalars.is_at(&["code"]) {
            if let Some(found) = of_code(value) {
                return Some(found);
            }
        }
    }
    None
}

fn github(head: &ResponseHead<'_>, body: &[u8]) -> Option<Classification> {
    let mut scalars = Scalars::of(body);
    while let Some(value) = scalars.next() {
        let names = |words: &[u8]| find(value, words).is_some();
        if scalars.is_at(&["message"]) {
            let is_secondary = names(b"secondary rate limit") || names(b"abuse detection");
            let is_told = head.rate_limit().is_some_and(|limit| limit.retry_after().is_some());
            return is_secondary.then(|| rate_limited((!is_told).then_some(GITHUB_WAIT)));
        }
    }
    None
}

/// <https://cloud.google.com/apis/design/errors>
fn google(body: &[u8]) -> Option<Classification> {
    let mut scalars = Scalars::of(body);
    let (mut limited, mut wait) = (false, None);
    while let Some(value) = scalars.next() {
        if scalars.is_at(&["error", "errors", "reason"]) {
            limited |= matches!(value, b"rateLimitExceeded" | b"userRateLimitExceeded");
        } else if scalars.is_at(&["error", "status"]) {
            limited |= value == b"RESOURCE_EXHAUSTED";
        } else if scalars.is_at(&["error", "details", "retryDelay"]) {
            wait = value.strip_suffix(b"s").and_then(seconds);
        }
    }
    limited.then(|| rate_limited(wait))
}

/// <https://platform.openai.com/docs/guides/error-codes>: a budget that is spent is not a limit that passes.
fn open_ai(body: &[u8]) -> Option<Classification> {
    let mut scalars = Scalars::of(body);
    while let Some(value) = scalars.next() {
        let is_code = scalars.is_at(&["error", "code"]) || scalars.is_at(&["error", "type"]);
        if is_code && matches!(value, b"insufficient_quota" | b"billing_hard_limit_reached") {
            return Some(Classification::of_class(ErrorClass::Rejected));
        }
    }
    None
}

/// `errors` without `data`, which is absent or null: anything else may have been carried out. The codes of Apollo, Shopify and GitHub.
fn graph_ql(body: &[u8]) -> Option<Classification> {
    let mut scalars = Scalars::watching(body, "data");
    let mut class = None;
    let (mut asked, mut available, mut rate) = (None, None, None);
    while let Some(value) = scalars.next() {
        if scalars.is_at(&["data"]) && value != b"null" {
            return None;
        }
        if scalars.is_at(&["errors", "extensions", "code"]) || scalars.is_at(&["errors", "type"]) {
            class = class.or(match value {
                b"THROTTLED" | b"RATE_LIMITED" | b"RATE_LIMIT" | b"TOO_MANY_REQUESTS" => {
                    Some(ErrorClass::RateLimited)
                }
                b"UNAUTHENTICATED" => Some(ErrorClass::Unauthenticated),
                b"FORBIDDEN" | b"ACCESS_DENIED" => Some(ErrorClass::Forbidden),
                _ => None,
            });
        } else if scalars.is_at(&["extensions", "cost", "requestedQueryCost"]) {
            asked = number(value);
        } else if scalars.is_at(&["extensions", "cost", "throttleStatus", "currentlyAvailable"]) {
            available = number(value);
        } else if scalars.is_at(&["extensions", "cost", "throttleStatus", "restoreRate"]) {
            rate = number(value);
        }
    }
    if scalars.has_container || !scalars.is_at_end() {
        return None;
    }
    Some(match class? {
        ErrorClass::RateLimited => {
            // Shopify: a query costs points, which are restored by the second.
            let wait = (|| duration((asked? - available?) / rate?))();
            rate_limited(wait)
        }
        ErrorClass::Unauthenticated => {
            Classification::of_class(ErrorClass::Unauthenticated).rejecting_token()
        }
        class => Classification::of_class(class),
    })
}

fn seconds(text: &[u8]) -> Option<Duration> {
    number(text).and_then(duration)
}

fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `None` for what is no wait: not positive, or no number.
fn duration(seconds: f64) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(seconds).ok()?.min(MAX_WAIT);
    (!wait.is_zero()).then_some(wait)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}
