use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::Config;
use crate::{
    body::{ReplayableBody, with_body},
    extensions::NoRetry,
    retry::{Repeatable, Stopped},
};

/// What a call keeps of its request.
pub(super) enum Saved<B> {
    /// All of it, for the next send.
    Copy(Copied<B>),
    /// What decides about it, and why it will not be sent again.
    Head { method: Method, uri: Uri, repeatable: Repeatable, bar: Stopped },
}

/// All parts of a request, of which few are ever made a request again: what counts is what it takes to keep them.
pub(super) struct Copied<B> {
    method: Method,
    uri: Uri,
    version: Version,
    /// A list takes one allocation, where a map takes two.
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
    body: B,
}

/// What a decision needs to know of a request that failed.
pub(super) struct Sent<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) repeatable: Repeatable,
    /// Why it cannot be sent again, whatever the answer.
    pub(super) bar: Option<Stopped>,
}

/// A body for the next send, or why there will be none.
fn next_body<B: ReplayableBody>(request: &Request<B>, config: &Config) -> Result<B, Stopped> {
    if request.extensions().get::<NoRetry>().is_some() {
        Err(Stopped::NoRetry)
    } else if config.limits().max_retries == 0 {
        Err(Stopped::MaxRetries)
    } else {
        request.body().try_clone().ok_or(Stopped::BodyNotReplayable)
    }
}

/// A copy of a request that may be sent more than once.
pub(super) fn copy<B: ReplayableBody>(request: &Request<B>, config: &Config) -> Option<Request<B>> {
    Some(with_body(request, next_body(request, config).ok()?))
}

// === impl Saved ===

impl<B: ReplayableBody> Saved<B> {
    // Inlined, so that the copy is made where it is kept.
    #[inline]
    pub(super) fn of(request: &Request<B>, config: &Config) -> Self {
        match next_body(request, config) {
            Ok(body) => Self::Copy(Copied::of(request, body)),
            Err(bar) => Self::Head {
                method: request.method().clone(),
                uri: request.uri().clone(),
                repeatable: Repeatable::of(request),
                bar,
            },
        }
    }

    pub(super) fn sent(&self) -> Sent<'_> {
        match self {
            Self::Copy(copied) => copied.sent(),
            Self::Head { method, uri, repeatable, bar } => {
                Sent { method, path: uri.path(), repeatable: *repeatable, bar: Some(*bar) }
            }
        }
    }

    /// The request once more; ends the send that may still be going on.
    pub(super) fn rewind(&self) -> Option<Request<B>> {
        match self {
            Self::Copy(copied) => Some(copied.to_request(copied.body.rewind()?)),
            Self::Head { .. } => None,
        }
    }
}

// === impl Copied ===

impl<B> Copied<B> {
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
            body,
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::try_with_capacity(self.headers.len()).unwrap_or_default();
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        headers
    }

    fn to_request(&self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers();
        *request.extensions_mut() = self.extensions.clone();
        request
    }
}

impl<B: ReplayableBody> Copied<B> {
    fn sent(&self) -> Sent<'_> {
        Sent::new(&self.method, &self.uri, &self.headers(), &self.extensions, &self.body)
    }
}

// === impl Sent ===

impl<'a> Sent<'a> {
    pub(super) fn of<B: ReplayableBody>(request: &'a Request<B>) -> Self {
        let (headers, extensions) = (request.headers(), request.extensions());
        Self::new(request.method(), request.uri(), headers, extensions, request.body())
    }

    fn new<B: ReplayableBody>(
        method: &'a Method,
        uri: &'a Uri,
        headers: &HeaderMap,
        extensions: &Extensions,
        body: &B,
    ) -> Self {
        Self {
            method,
            path: uri.path(),
            repeatable: Repeatable::of_parts(method, headers, extensions),
            bar: (!body.is_replayable()).then_some(Stopped::BodyNotReplayable),
        }
    }
}
