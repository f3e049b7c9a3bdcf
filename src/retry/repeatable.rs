use http::{Extensions, HeaderMap, Method, Request};

use crate::extensions::Idempotent;

/// Whether sending a request twice may do more than sending it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repeatable {
    /// It may be sent again after any failure: the method is safe
    /// ([RFC 9110 section 9.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1)), or it carries an
    /// `Idempotency-Key`, or it is marked [`Idempotent`].
    ///
    /// `PUT` and `DELETE` are idempotent by the RFC but count only when marked: a `DELETE` that is repeated after a
    /// lost answer comes back as 404, which a caller reads as a failure.
    Always,
    /// It may be sent again only if the server did not carry it out.
    IfRefused,
}

// === impl Repeatable ===

impl Repeatable {
    /// What the request itself says.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Self {
        Self::of_parts(request.method(), request.headers(), request.extensions())
    }

    /// What the parts of a request say.
    pub(crate) fn of_parts(method: &Method, headers: &HeaderMap, extensions: &Extensions) -> Self {
        if extensions.get::<Idempotent>().is_some() {
            return Self::Always;
        }
        Self::from_head(method, headers)
    }

    /// What the method and the header fields say.
    #[must_use]
    pub fn from_head(method: &Method, headers: &HeaderMap) -> Self {
        if method.is_safe() || headers.contains_key("idempotency-key") {
            Self::Always
        } else {
            Self::IfRefused
        }
    }
}
