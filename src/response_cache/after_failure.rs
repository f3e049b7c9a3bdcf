use crate::classify::ErrorClass;

/// What a failed refresh means for the response that was to be refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterFailure {
    /// The failure says nothing about the resource: what is kept answers within its bound.
    ServeStale,
    /// The failure is how things are now: it is passed on, and what was kept is forgotten.
    Forget,
}

// === impl AfterFailure ===

impl AfterFailure {
    /// What a failure of this class means for what is kept.
    #[must_use]
    pub const fn of(class: ErrorClass) -> Self {
        match class {
            ErrorClass::RateLimited
            | ErrorClass::Timeout
            | ErrorClass::Unavailable
            | ErrorClass::Connect
            | ErrorClass::Interrupted
            | ErrorClass::Throttled
            | ErrorClass::TokenUnavailable => Self::ServeStale,
            ErrorClass::Unauthenticated | ErrorClass::Forbidden | ErrorClass::Rejected => {
                Self::Forget
            }
        }
    }
}
