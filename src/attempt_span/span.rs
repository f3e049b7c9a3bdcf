//! The span of one attempt: its start and its three ends.

use std::{borrow::Cow, error::Error};

use http::{Request, Response};
use tracing::{Level, Span, field::Empty, info_span};

use super::{
    SpanConfig,
    attributes::{FullUrl, Methods, Name, server, template, version},
};
use crate::{
    classify::{Classification, ErrorClass},
    endpoint::Endpoint,
    extensions::Attempt,
};

const TARGET: &str = "tower_heed::attempt_span";

/// What the conventions call an unnamed error or an unknown method.
pub(super) const OTHER: &str = "_OTHER";

/// Whether the subscriber wants the spans of this layer.
#[inline]
pub(super) fn is_enabled() -> bool {
    tracing::enabled!(target: TARGET, Level::INFO)
}

/// Starts the span of an attempt. The attributes are computed only if the subscriber enables the span.
///
/// Numbers are `i64`, OpenTelemetry's only integer type; others are exported as text.
pub(super) fn begin<B>(
    request: &Request<B>,
    endpoint: &Endpoint<'_, SpanConfig>,
    methods: &Methods,
) -> Span {
    let (method, uri) = (request.method(), request.uri());
    let server = || server(uri, request.headers());
    let known = || methods.name(method);
    info_span!(
        target: TARGET,
        "attempt",
        otel.name = %Name { method: known(), template: template(endpoint.pattern()) },
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = known().unwrap_or(OTHER),
        http.request.method_original = known().is_none().then(|| method.as_str()),
        http.request.resend_count = earlier_attempts(request),
        server.address = server().0,
        server.port = server().1,
        url.full = endpoint.config().shows_url().then(|| tracing::field::display(FullUrl(uri))),
        url.template = template(endpoint.pattern()),
        http.response.status_code = Empty,
        network.protocol.version = Empty,
        "error.type" = Empty,
        tower_heed.stack = endpoint.stack(),
    )
}

pub(super) fn end_with_response<B>(span: &Span, response: &Response<B>) {
    let status = response.status();
    span.record("http.response.status_code", i64::from(status.as_u16()));
    span.record("network.protocol.version", version(response.version()));
    if let Some(error) = error_of_response(response) {
        fail(span, &error);
    }
}

/// The `error.type` of a response: its status, if that is an error. One above 599 has no meaning, and counts as an error.
pub(super) fn error_of_response<B>(response: &Response<B>) -> Option<Cow<'static, str>> {
    let status = response.status();
    (status.as_u16() >= 400).then(|| status.as_str().to_owned().into())
}

/// The `error.type` of an error: its class.
pub(super) fn error_of(error: &(dyn Error + 'static)) -> Cow<'static, str> {
    let class = Classification::of_error(error).map(|found| found.class());
    class.map_or(OTHER, ErrorClass::as_str).into()
}

/// Ends the span with an error's class. The error's text may contain an address and is left out.
pub(super) fn end_with_error(span: &Span, error: &(dyn Error + 'static)) {
    if !span.is_disabled() {
        fail(span, &error_of(error));
    }
}

pub(super) fn end_cancelled(span: &Span) {
    fail(span, "cancelled");
}

fn earlier_attempts<B>(request: &Request<B>) -> Option<i64> {
    let attempt: Option<&Attempt> = request.extensions().get();
    attempt.map(|attempt| i64::from(attempt.retries())).filter(|count| *count > 0)
}

fn fail(span: &Span, kind: &str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
}
