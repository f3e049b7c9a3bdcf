use http::{Method, Request, Uri};

use super::Config;
use crate::{
    body::ReplayableBody,
    policy::{NoRetry, Repeatable, Stopped},
};

/// What a call keeps of its request.
pub(super) enum Saved<B> {
    /// All of it, for the next send.
    Copy(Request<B>),
    /// What decides about it, and why it will not be sent again.
    Head { method: Method, uri: Uri, repeatable: Repeatable, bar: Stopped },
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
    next_body(request, config).ok().map(|body| with_head_of(request, body))
}

fn with_head_of<B>(request: &Request<B>, body: B) -> Request<B> {
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}

// === impl Saved ===

impl<B: ReplayableBody> Saved<B> {
    // Inlined, so that the copy is made where it is kept.
    #[inline]
    pub(super) fn of(request: &Request<B>, config: &Config) -> Self {
        match next_body(request, config) {
            Ok(body) => Self::Copy(with_head_of(request, body)),
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
            Self::Copy(request) => Sent::of(request),
            Self::Head { method, uri, repeatable, bar } => {
                Sent { method, path: uri.path(), repeatable: *repeatable, bar: Some(*bar) }
            }
        }
    }

    /// The request once more; ends the send that may still be going on.
    pub(super) fn recall(&self) -> Option<Request<B>> {
        match self {
            Self::Copy(request) => Some(with_head_of(request, request.body().recall()?)),
            Self::Head { .. } => None,
        }
    }
}

// === impl Sent ===

impl<'a> Sent<'a> {
    pub(super) fn of<B: ReplayableBody>(request: &'a Request<B>) -> Self {
        let replayable = request.body().is_replayable();
        Self {
            method: request.method(),
            path: request.uri().path(),
            repeatable: Repeatable::of(request),
            bar: (!replayable).then_some(Stopped::BodyNotReplayable),
        }
    }
}
