//! The fields by which a request asks for another method.

use http::{HeaderMap, HeaderName};

/// Fields by which servers take another method from a request than the one that it has.
const METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Whether this is such a field.
pub(crate) fn overrides_method_by(name: &HeaderName) -> bool {
    METHOD_OVERRIDES.contains(name)
}

/// Whether a server may carry out another method than the request's, a `GET` as a `DELETE`.
pub(crate) fn overrides_method(headers: &HeaderMap) -> bool {
    !headers.is_empty() && METHOD_OVERRIDES.iter().any(|name| headers.contains_key(name))
}
