use std::sync::Arc;

use http::Method;

/// Which methods are told by their names. A mistake's, or an attacker's, would be names without end.
#[derive(Clone, Debug, Default)]
pub(super) struct Methods {
    /// None for those of the conventions.
    own: Option<Arc<[Method]>>,
}

/// Those of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-9), `PATCH` and `QUERY`.
const KNOWN: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY"];

// === impl Methods ===

impl Methods {
    pub(super) fn these(methods: impl IntoIterator<Item = Method>) -> Self {
        Self { own: Some(methods.into_iter().collect()) }
    }

    /// The name of a method that is known.
    pub(super) fn name<'a>(&self, method: &'a Method) -> Option<&'a str> {
        let is_known = match &self.own {
            Some(own) => own.contains(method),
            None => KNOWN.contains(&method.as_str()),
        };
        is_known.then(|| method.as_str())
    }
}
