use super::{Failure, IntoFallback, answer::Answer};
use crate::{
    classify::{Classes, ErrorClass},
    error::InvalidConfig,
};

/// Failures of the upstream or of the way to it, which say nothing about who asks.
const OUT: Classes = Classes::NONE
    .with(ErrorClass::RateLimited)
    .with(ErrorClass::Timeout)
    .with(ErrorClass::Unavailable)
    .with(ErrorClass::Connect)
    .with(ErrorClass::Interrupted)
    .with(ErrorClass::Throttled)
    .with(ErrorClass::TokenUnavailable);

/// Those, and the 401 that was meant for this program: passed on, it would sign out this program's caller.
const OURS: Classes = OUT.with(ErrorClass::Unauthenticated);

/// What becomes of the failures of an endpoint. It starts as the layer's own.
#[derive(Clone, Debug)]
pub struct Config {
    open: Classes,
    closed: Classes,
    /// The classes of those who may be let in although the upstream would not.
    let_in: Classes,
    pub(super) answer: Option<Answer>,
}

/// What becomes of one failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Open,
    Closed,
    PassThrough,
}

// === impl Config ===

impl Config {
    const PASS_THROUGH: Self =
        Self { open: Classes::NONE, closed: Classes::NONE, let_in: Classes::NONE, answer: None };

    pub(super) const fn closed() -> Self {
        Self::PASS_THROUGH.fail_closed()
    }

    pub(super) fn open(answer: Answer) -> Self {
        Self { open: OUT, answer: Some(answer), ..Self::PASS_THROUGH }
    }

    /// Failures are answered by `answer`, as [`FallbackLayer::fail_open`](super::FallbackLayer::fail_open) has it. What
    /// was chosen for single classes is forgotten.
    #[must_use]
    pub fn fail_open<F, A>(self, answer: F) -> Self
    where
        F: Fn(&Failure) -> A + Send + Sync + 'static,
        A: IntoFallback,
    {
        Self::open(Answer::now(answer))
    }

    /// Failures are answered by what `answer` comes to, as
    /// [`FallbackLayer::fail_open_async`](super::FallbackLayer::fail_open_async) has it. What was chosen for single
    /// classes is forgotten.
    #[must_use]
    pub fn fail_open_async<F, Fut, A>(self, answer: F) -> Self
    where
        F: Fn(Failure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = A> + Send + 'static,
        A: IntoFallback,
    {
        Self::open(Answer::later(answer))
    }

    /// Failures become [`UpstreamUnavailable`](super::UpstreamUnavailable), as
    /// [`FallbackLayer::fail_closed`](super::FallbackLayer::fail_closed) has it. What was chosen for single classes is
    /// forgotten.
    #[must_use]
    pub const fn fail_closed(mut self) -> Self {
        self.open = Classes::NONE;
        self.closed = OURS;
        self.let_in = Classes::NONE;
        self
    }

    /// Failures pass as they come. What was chosen for single classes is forgotten.
    #[must_use]
    pub const fn pass_through(mut self) -> Self {
        self.open = Classes::NONE;
        self.closed = Classes::NONE;
        self.let_in = Classes::NONE;
        self
    }

    /// Failures of this class are answered by the closure that was given to `fail_open`, here or before.
    ///
    /// Refused where there is none, and for `Unauthenticated` and `Forbidden`.
    #[must_use]
    pub const fn fail_open_on(mut self, class: ErrorClass) -> Self {
        self.open = self.open.with(class);
        self.closed = self.closed.without(class);
        self
    }

    /// Failures of this class become [`UpstreamUnavailable`](super::UpstreamUnavailable).
    #[must_use]
    pub const fn fail_closed_on(mut self, class: ErrorClass) -> Self {
        self.open = self.open.without(class);
        self.closed = self.closed.with(class);
        self
    }

    /// Failures of this class pass as they come.
    #[must_use]
    pub const fn pass_through_on(mut self, class: ErrorClass) -> Self {
        self.open = self.open.without(class);
        self.closed = self.closed.without(class);
        self
    }

    /// **Whoever the upstream does not know is answered as if it did**: failures that are
    /// [`Unauthenticated`](ErrorClass::Unauthenticated) fail open as well.
    ///
    /// For endpoints whose answer lets nobody do anything, such as the picture on a login page. Refused without a
    /// closure to answer with.
    #[must_use]
    pub const fn dangerously_let_in_unauthenticated(mut self) -> Self {
        self.let_in = self.let_in.with(ErrorClass::Unauthenticated);
        self.fail_open_on(ErrorClass::Unauthenticated)
    }

    /// **Whoever the upstream does not allow this is answered as if it did**: failures that are
    /// [`Forbidden`](ErrorClass::Forbidden) fail open as well.
    ///
    /// For endpoints whose answer lets nobody do anything. Refused without a closure to answer with.
    #[must_use]
    pub const fn dangerously_let_in_forbidden(mut self) -> Self {
        self.let_in = self.let_in.with(ErrorClass::Forbidden);
        self.fail_open_on(ErrorClass::Forbidden)
    }

    pub(super) fn checked(self) -> Result<Self, InvalidConfig> {
        for (class, method) in [
            (ErrorClass::Unauthenticated, "dangerously_let_in_unauthenticated"),
            (ErrorClass::Forbidden, "dangerously_let_in_forbidden"),
        ] {
            if self.open.contains(class) && !self.let_in.contains(class) {
                let why = format!(
                    "it would let in whoever the upstream refuses; if that is meant, use `{method}`"
                );
                return Err(InvalidConfig::new(format!("fallback of `{class}`"), why));
            }
        }
        if !self.open.is_empty() && self.answer.is_none() {
            return Err(InvalidConfig::new(
                "fallback",
                "there is nothing to answer with: give it by `fail_open`",
            ));
        }
        Ok(self)
    }

    /// Whether anything is done about any failure.
    pub(super) const fn does_nothing(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty()
    }

    /// Whether a failure may be answered, so that the request's address is of use.
    pub(super) const fn may_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) const fn then(&self, class: ErrorClass) -> Then {
        if self.open.contains(class) {
            Then::Open
        } else if self.closed.contains(class) {
            Then::Closed
        } else {
            Then::PassThrough
        }
    }
}
