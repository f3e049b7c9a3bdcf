//! What the answers say about the session, and when recovery is due. Pure: no lock, no clock, no handler.

use super::AuthStatus;
use crate::classify::{Classification, ErrorClass};

/// What one answer says about the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The credentials were accepted.
    Accepted,
    /// The API limits, fails or is out of reach; it says nothing about the credentials.
    Trouble,
    /// The credentials were rejected.
    SignedOut,
    /// Nothing at all.
    Nothing,
}

/// A point in the session's order of events: it counts the changes after which older answers are out of date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point(u64);

/// The state of one session.
#[derive(Debug, Default)]
pub(super) struct Session {
    status: AuthStatus,
    now: Point,
    /// When it last became unauthenticated. A success of a request sent before then proves nothing about now.
    signed_out: Point,
    /// When the credentials may last have been replaced: at the end of a sign-out, or of a run of the handler. A
    /// rejection of a request sent before then is about the old ones.
    renewed: Point,
    /// The present sign-out has had no run of the handler yet.
    due: bool,
    running: bool,
}

/// What can be known of a [`Session`] without its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    status: AuthStatus,
    now: Point,
    startable: bool,
}

/// What came of one piece of evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// The status before and after, if it changed.
    pub(super) change: Option<(AuthStatus, AuthStatus)>,
    /// The handler is to be started now.
    pub(super) start: bool,
}

// === impl Evidence ===

impl Evidence {
    /// What this failure says. A success says [`Accepted`](Self::Accepted).
    pub(super) fn of(failure: &Classification) -> Self {
        Self::of_class(failure.class(), failure.cause())
    }

    fn of_class(class: ErrorClass, cause: Option<ErrorClass>) -> Self {
        match class {
            ErrorClass::Unauthenticated => Self::SignedOut,
            ErrorClass::RateLimited
            | ErrorClass::Unavailable
            | ErrorClass::Timeout
            | ErrorClass::Connect
            | ErrorClass::Interrupted
            | ErrorClass::Throttled => Self::Trouble,
            // A gateway may answer so before it looks at the credentials, and an API after it accepted them.
            ErrorClass::Forbidden | ErrorClass::Rejected => Self::Nothing,
            ErrorClass::TokenUnavailable => match cause {
                None | Some(ErrorClass::TokenUnavailable) => Self::Nothing,
                Some(cause) => Self::of_class(cause, None),
            },
        }
    }
}

// === impl Session ===

impl Session {
    /// Takes in what the answer to a request that was sent at `sent` says. The handler is started only if `may_start`.
    pub(super) fn observe(&mut self, evidence: Evidence, sent: Point, may_start: bool) -> Step {
        use AuthStatus::{Active, Degraded, Unauthenticated, Unknown};

        let before = self.status;
        let mut start = false;
        match (evidence, before) {
            (Evidence::Accepted, Unauthenticated) if sent < self.signed_out => {}
            (Evidence::Accepted, Unauthenticated) => {
                self.status = Active;
                self.due = false;
                self.renewed = self.tick();
            }
            (Evidence::Accepted, Unknown | Active | Degraded) => self.status = Active,
            (Evidence::Trouble, Unknown | Active) => self.status = Degraded,
            (Evidence::SignedOut, _) if sent < self.renewed => {}
            (Evidence::SignedOut, _) => {
                if before != Unauthenticated {
                    self.status = Unauthenticated;
                    self.due = true;
                    self.signed_out = self.tick();
                }
                start = may_start && self.startable();
                if start {
                    self.due = false;
                    self.running = true;
                }
            }
            (Evidence::Trouble, Degraded | Unauthenticated) | (Evidence::Nothing, _) => {}
        }
        let change = (self.status != before).then_some((before, self.status));
        Step { change, start }
    }

    /// The handler's run has ended, whichever way.
    pub(super) fn run_ended(&mut self) {
        self.running = false;
        self.renewed = self.tick();
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { status: self.status, now: self.now, startable: self.startable() }
    }

    fn startable(&self) -> bool {
        self.due && !self.running
    }

    fn tick(&mut self) -> Point {
        self.now = Point(self.now.0.saturating_add(1));
        self.now
    }
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) const fn status(self) -> AuthStatus {
        self.status
    }

    pub(super) const fn now(self) -> Point {
        self.now
    }

    /// Whether `evidence` would leave the session as it is, whenever its request was sent.
    pub(super) fn is_settled(self, evidence: Evidence, may_start: bool) -> bool {
        match evidence {
            Evidence::Accepted => self.status == AuthStatus::Active,
            Evidence::Trouble => {
                matches!(self.status, AuthStatus::Degraded | AuthStatus::Unauthenticated)
            }
            Evidence::SignedOut => {
                self.status == AuthStatus::Unauthenticated && !(may_start && self.startable)
            }
            Evidence::Nothing => true,
        }
    }

    /// The snapshot in one word, for an atomic.
    pub(super) const fn pack(self) -> u64 {
        let status = match self.status {
            AuthStatus::Unknown => 0,
            AuthStatus::Active => 1,
            AuthStatus::Degraded => 2,
            AuthStatus::Unauthenticated => 3,
        };
        self.now.0 << 3 | (self.startable as u64) << 2 | status
    }

    pub(super) const fn unpack(word: u64) -> Self {
        let status = match word & 3 {
            0 => AuthStatus::Unknown,
            1 => AuthStatus::Active,
            2 => AuthStatus::Degraded,
            _ => AuthStatus::Unauthenticated,
        };
        Self { status, now: Point(word >> 3), startable: word & 4 != 0 }
    }
}

#[cfg(test)]
mod tests;
