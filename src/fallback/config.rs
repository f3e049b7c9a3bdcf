use bytes::Bytes;
use http::Response;

use super::{FailedRequest, events, respond::Respond};
use crate::classify::{Classes, ErrorClass};

/// Failures of the upstream or of the way to it, which say nothing about the credentials.
const UPSTREAM_DOWN: Classes = Classes::NONE
    .with(ErrorClass::RateLimited)
    .with(ErrorClass::Timeout)
    .with(ErrorClass::Unavailable)
    .with(ErrorClass::Connect)
    .with(ErrorClass::Interrupted)
    .with(ErrorClass::Throttled)
    .with(ErrorClass::TokenUnavailable);

/// The classes that fail closed. A 401 is about this program's credentials: passed on, it would sign out this program's caller.
const CLOSED: Classes = UPSTREAM_DOWN.with(ErrorClass::Unauthenticated);

/// How the requests of one endpoint fail. The closure of [`FallbackLayer::endpoint`](super::FallbackLayer::endpoint) gets the
/// settings so far.
#[derive(Clone, Debug)]
pub struct FallbackConfig {
    open: Classes,
    closed: Classes,
    /// Those of the closed ones that were named one by one.
    named: Classes,
    pub(super) respond: Option<Respond>,
}

/// How one class of failures is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    FailOpen,
    FailClosed,
    PassThrough,
}

// === impl FallbackConfig ===

impl FallbackConfig {
    pub(super) const CLOSED: Self =
        Self { open: Classes::NONE, closed: CLOSED, named: Classes::NONE, respond: None };

    pub(super) fn open(respond: Respond) -> Self {
        let (closed, named) = (Classes::NONE, Classes::NONE);
        Self { open: UPSTREAM_DOWN, closed, named, respond: Some(respond) }
    }

    /// Each class as the stricter of the two handles it: an error before the failure itself, and that before a response in its place.
    pub(super) fn stricter(&self, other: &Self) -> Self {
        let open = self.open.and(other.open);
        let closed = self.closed.or(other.closed);
        let named = self.named.or(other.named);
        let responds = |config: &Self| config.may_open().then(|| config.respond.clone()).flatten();
        Self { open, closed, named, respond: responds(self).or_else(|| responds(other)) }
    }

    /// The layer's own settings, for a request whose caller has asked to fail open: the classes of `open`, but for those that were
    /// named to fail closed or that say something about credentials.
    pub(super) fn opened_by(&self, open: &Self) -> Self {
        if self.may_open() {
            return Self { respond: open.respond.clone(), ..self.stricter(open) };
        }
        let closed = self.closed.except(open.open).or(self.named);
        Self { open: open.open.except(self.named), closed, ..open.clone() }
    }

    /// Fails open with the response of `respond`, as [`FallbackLayer::fail_open`](super::FallbackLayer::fail_open) does. Resets
    /// the settings for single classes.
    #[must_use]
    pub fn fail_open<F, R, T>(self, respond: F) -> Self
    where
        F: Fn(&FailedRequest) -> R + Send + Sync + 'static,
        R: Into<Option<Response<T>>>,
        T: Into<Bytes>,
    {
        Self::open(Respond::sync(respond))
    }

    /// Fails open with the response that the future of `respond` resolves to, as
    /// [`FallbackLayer::fail_open_async`](super::FallbackLayer::fail_open_async) does. Resets the settings for single classes.
    #[must_use]
    pub fn fail_open_async<F, Fut, R, T>(self, respond: F) -> Self
    where
        F: Fn(FailedRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: Into<Option<Response<T>>>,
        T: Into<Bytes>,
    {
        Self::open(Respond::asynchronous(respond))
    }

    /// Fails closed, as [`FallbackLayer::fail_closed`](super::FallbackLayer::fail_closed) does. Resets the settings for single
    /// classes.
    #[must_use]
    pub fn fail_closed(mut self) -> Self {
        self.open = Classes::NONE;
        self.closed = CLOSED;
        self.named = Classes::NONE;
        self
    }

    /// Passes all failures through. Resets the settings for single classes.
    #[must_use]
    pub fn pass_through(mut self) -> Self {
        self.open = Classes::NONE;
        self.closed = Classes::NONE;
        self.named = Classes::NONE;
        self
    }

    /// Fails open on this class, with the closure that was given to `fail_open` here or on the layer. Without a closure the class
    /// fails closed. A warning is logged of that.
    ///
    /// `Unauthenticated` and `Forbidden` are left as they are, with a warning: see
    /// [`dangerously_let_in_unauthenticated`](Self::dangerously_let_in_unauthenticated) and
    /// [`dangerously_let_in_forbidden`](Self::dangerously_let_in_forbidden).
    #[must_use]
    pub fn fail_open_on(self, class: ErrorClass) -> Self {
        match class {
            ErrorClass::Unauthenticated | ErrorClass::Forbidden => {
                events::credentials_do_not_open(class);
                self
            }
            class => self.open_on(class),
        }
    }

    /// Fails closed on this class.
    #[must_use]
    pub fn fail_closed_on(mut self, class: ErrorClass) -> Self {
        self.open = self.open.without(class);
        self.closed = self.closed.with(class);
        self.named = self.named.with(class);
        self
    }

    /// Passes failures of this class through.
    #[must_use]
    pub fn pass_through_on(mut self, class: ErrorClass) -> Self {
        self.open = self.open.without(class);
        self.closed = self.closed.without(class);
        self.named = self.named.without(class);
        self
    }

    /// **Treats callers that the upstream does not know as if it did**: fails open on
    /// [`Unauthenticated`](ErrorClass::Unauthenticated) too.
    ///
    /// Only for endpoints whose response permits nothing, such as the picture on a login page. Without a closure the class fails
    /// closed.
    #[must_use]
    pub fn dangerously_let_in_unauthenticated(self) -> Self {
        self.open_on(ErrorClass::Unauthenticated)
    }

    /// **Treats callers that the upstream forbids this request as if it did not**: fails open on
    /// [`Forbidden`](ErrorClass::Forbidden) too.
    ///
    /// Only for endpoints whose response permits nothing. Without a closure the class fails closed.
    #[must_use]
    pub fn dangerously_let_in_forbidden(self) -> Self {
        self.open_on(ErrorClass::Forbidden)
    }

    fn open_on(mut self, class: ErrorClass) -> Self {
        if self.respond.is_none() {
            events::nothing_to_open_with(class);
            return self.fail_closed_on(class);
        }
        self.open = self.open.with(class);
        self.closed = self.closed.without(class);
        self.named = self.named.without(class);
        self
    }

    /// Whether all failures pass through.
    pub(super) const fn does_nothing(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty()
    }

    /// Whether a failure may fail open, so that the closure needs the request's method and URI.
    pub(super) const fn may_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) const fn action(&self, class: ErrorClass) -> Action {
        if self.open.contains(class) {
            Action::FailOpen
        } else if self.closed.contains(class) {
            Action::FailClosed
        } else {
            Action::PassThrough
        }
    }
}
