//! The span: how it begins, and its ends.

use std::error::Error;

use http::{Request, Response};
use tracing::{Span, field::Empty, info_span};

use super::{
    Config,
    attributes::{FullUrl, Name, server, template, version},
    methods::Methods,
};
use crate::{
    classify::{Classification, ErrorClass},
    endpoint::Endpoint,
    extensions::Attempt,
};

const TARGET: &str = "tower_heed::send_span";

// Numbers are `i64` throughout: it is the only integer that OpenTelemetry has, and others are exported as text.

/// What the conventions call an error, or a method, that has no name.
pub(super) const OTHER: &str = "_OTHER";

/// The span of a send that begins. What it shows is worked out only where the subscriber wants it.
pub(super) fn of<B>(
    request: &Request<B>,
    endpoint: &Endpoint<'_, Config>,
    methods: &Methods,
) -> Span {
    let (method, uri) = (request.method(), request.uri());
    let server = || server(uri, request.headers());
    let known = || methods.name(method);
    info_span!(
        target: TARGET,
        "send",
        otel.name = %Name { method: known(), template: template(endpoint.pattern()) },
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = known().unwrap_or(OTHER),
        http.request.method_original = known().is_none().then(|| method.as_str()),
        http.request.resend_count = resends(request),
        server.address = server().0,
        server.port = server().1,
        url.full = endpoint.config().shows_url().then(|| tracing::field::display(FullUrl(uri))),
        url.template = template(endpoint.pattern()),
        http.response.status_code = Empty,
        network.protocol.version = Empty,
        "error.type" = Empty,
    )
}

/// It ends with an answer.
pub(super) fn answered<B>(span: &Span, response: &Response<B>) {
    let status = response.status();
    span.record("http.response.status_code", i64::from(status.as_u16()));
    span.record("network.protocol.version", version(response.version()));
    // Above 599 are those that nobody can interpret.
    if status.as_u16() >= 400 {
        fail(span, status.as_str());
    }
}

/// It ends with an error, of which nothing but its class is told: its text may have an address in it.
pub(super) fn failed(span: &Span, error: &(dyn Error + 'static)) {
    if !span.is_disabled() {
        let class = Classification::of_error(error).map(|found| found.class());
        fail(span, class.map_or(OTHER, ErrorClass::as_str));
    }
}

/// It ends because nobody waits for it any longer.
pub(super) fn cancelled(span: &Span) {
    fail(span, "cancelled");
}

/// How many sends of its call came before; none for the first.
fn resends<B>(request: &Request<B>) -> Option<i64> {
    let attempt: Option<&Attempt> = request.extensions().get();
    attempt.map(|attempt| i64::from(attempt.retries())).filter(|resends| *resends > 0)
}

fn fail(span: &Span, kind: &str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
}
