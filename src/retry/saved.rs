use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::Stopped;
use crate::{
    body::ReplayableBody,
    extensions::{Idempotent, NoRetry},
    headers::overrides_method_by,
};

/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What a call keeps of its request.
pub(super) enum Saved<B> {
    /// All of it, for the next attempt.
    Copy(Copied<B>),
    /// The reason why there is no next attempt.
    Nothing(Eligibility),
}

/// All parts of a request. Few copies become a request again, so it is made to be cheap to keep.
pub(super) struct Copied<B> {
    method: Method,
    uri: Uri,
    version: Version,
    /// A list takes one allocation, where a map takes two.
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
    body: B,
    /// A clone of a body that others have read from may have less.
    len: Option<u64>,
}

/// Whether a request may be sent again, as far as the request itself tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Eligibility {
    /// Whether it may be sent again although the server may have carried it out: its method is safe (RFC 9110 section 9.2.1), it
    /// carries an `Idempotency-Key`, or it is marked [`Idempotent`].
    ///
    /// `PUT` and `DELETE` count only if marked: a `DELETE` that is repeated after a lost response gets a 404, which a caller
    /// reads as a failure. They are sent again once if the connection was closed before the head of the response, which is most often
    /// an idle connection that the server closed at the same moment.
    pub(super) repeatable: bool,
    /// Whether its method is idempotent as well (RFC 9110 section 9.2.2), or it is repeatable.
    pub(super) idempotent: bool,
    /// Why it cannot be sent again, whatever the response.
    pub(super) bar: Option<Stopped>,
}

/// A body for the next attempt, or why there is none. `max_retries` does not forbid it: a replaced token counts as no retry.
fn next_body<B: ReplayableBody>(request: &Request<B>) -> Result<B, Stopped> {
    if request.extensions().get::<NoRetry>().is_some() {
        Err(Stopped::NoRetry)
    } else {
        request.body().try_clone().ok_or(Stopped::BodyNotReplayable)
    }
}

// === impl Saved ===

impl<B: ReplayableBody> Saved<B> {
    // Inlined, so that the copy is made where it is kept.
    #[inline]
    pub(super) fn of(request: &Request<B>) -> Self {
        match next_body(request) {
            Ok(body) => Self::Copy(Copied::of(request, body)),
            Err(bar) => Self::Nothing(Eligibility { bar: Some(bar), ..Eligibility::of(request) }),
        }
    }

    pub(super) fn eligibility(&self) -> Eligibility {
        match self {
            Self::Copy(copied) => copied.eligibility(),
            Self::Nothing(eligibility) => *eligibility,
        }
    }

    /// The request once more. Ends the attempt that may still be reading the body.
    pub(super) fn rewind(&self) -> Option<Request<B>> {
        match self {
            Self::Copy(copied) => {
                let body = copied.body.rewind().filter(|body| body.exact_len() == copied.len)?;
                Some(copied.to_request(body))
            }
            Self::Nothing(_) => None,
        }
    }
}

// === impl Copied ===

impl<B: ReplayableBody> Copied<B> {
    #[inline]
    fn of(request: &Request<B>, body: B) -> Self {
        let mut headers = Vec::with_capacity(request.headers().len());
        for (name, value) in request.headers() {
            headers.push((name.clone(), value.clone()));
        }
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers,
            extensions: request.extensions().clone(),
            len: body.exact_len(),
            body,
        }
    }

    fn to_request(&self, body: B) -> Request<B> {
        let mut headers = HeaderMap::try_with_capacity(self.headers.len()).unwrap_or_default();
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = headers;
        *request.extensions_mut() = self.extensions.clone();
        request
    }

    fn eligibility(&self) -> Eligibility {
        let has = |is: fn(&HeaderName) -> bool| self.headers.iter().any(|(name, _)| is(name));
        Eligibility::new(&self.method, has, &self.extensions, &self.body)
    }
}

// === impl Eligibility ===

impl Eligibility {
    pub(super) fn of<B: ReplayableBody>(request: &Request<B>) -> Self {
        let has = |is: fn(&HeaderName) -> bool| request.headers().keys().any(is);
        Self::new(request.method(), has, request.extensions(), request.body())
    }

    fn new<B: ReplayableBody>(
        method: &Method,
        has: impl Fn(fn(&HeaderName) -> bool) -> bool,
        extensions: &Extensions,
        body: &B,
    ) -> Self {
        let has_key = has(|name| name == IDEMPOTENCY_KEY);
        // The server may carry out another method than the request's, which is not known to be safe.
        let is_overridden = has(overrides_method_by);
        let is_safe = method.is_safe() && !is_overridden;
        let repeatable = is_safe || has_key || extensions.get::<Idempotent>().is_some();
        Self {
            repeatable,
            idempotent: repeatable || method.is_idempotent() && !is_overridden,
            bar: (!body.is_replayable()).then_some(Stopped::BodyNotReplayable),
        }
    }
}
