//! Which header fields of a request can neither tell users apart nor change a response.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, CONNECTION, COOKIE, PRAGMA, PROXY_AUTHORIZATION},
};

use super::memory::names;

/// The fields that a `credential` function stands for.
const CREDENTIALS: [HeaderName; 4] =
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, HeaderName::from_static("dpop")];

/// Whether a field of this name is the credential itself, in place of which a `credential` function may tell the user.
/// `DPoP` is a proof that its sender may use the token in `Authorization`.
pub(super) fn is_credential(name: &HeaderName) -> bool {
    CREDENTIALS.contains(name)
}

/// Whether the values of a field can be left out of the lookup key. A field that is left out by mistake gives a user another
/// user's response; one that counts by mistake costs hits, if it differs from request to request.
pub(super) fn is_neutral(name: &HeaderName, headers: &HeaderMap) -> bool {
    is_neutral_name(name)
        && headers.get_all(name).iter().all(|value| !value.is_sensitive())
        && (name != CONNECTION || names_nothing_else(headers))
        && (name != PRAGMA || is_no_cache(headers))
}

/// Not among them, because they may carry a user's id: `baggage`, `x-datadog-tags`, `forwarded`, `x-forwarded-for`.
fn is_neutral_name(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        // A response with a `Content-Encoding` is for requests with the same `Accept-Encoding`, as if `Vary` named it.
        "accept-encoding" | "user-agent" | "date"
        // What the cache itself obeys.
        | "cache-control" | "pragma"
        // The connection's.
        | "connection" | "keep-alive" | "proxy-connection" | "te"
        // The numbers of a request, a trace and a span.
        | "x-request-id" | "request-id" | "x-correlation-id" | "correlation-id" | "idempotency-key"
        | "traceparent" | "tracestate" | "b3" | "x-b3-traceid" | "x-b3-spanid"
        | "x-b3-parentspanid" | "x-b3-sampled" | "x-b3-flags" | "uber-trace-id" | "sentry-trace"
        | "grpc-trace-bin" | "x-cloud-trace-context" | "x-amzn-trace-id" | "x-datadog-trace-id"
        | "x-datadog-parent-id" | "x-datadog-sampling-priority"
    )
}

/// Whether `Connection` names no field that the next hop removes and the server would otherwise see: `Connection: cookie` makes
/// another request of one with a cookie.
fn names_nothing_else(headers: &HeaderMap) -> bool {
    names(headers, &CONNECTION)
        .all(|name| name.is_ok_and(|name| matches!(name.as_str(), "close" | "keep-alive" | "te")))
}

fn is_no_cache(headers: &HeaderMap) -> bool {
    headers.get_all(PRAGMA).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"no-cache"))
}
