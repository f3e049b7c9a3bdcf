//! What responses say about the session, and when a recovery starts.

use std::time::Duration;

use tokio::time::Instant;

use super::AuthStatus;
use crate::classify::{Classification, ErrorClass};

/// What one response says about the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The credentials were accepted.
    Accepted,
    /// The API rate limits, fails or cannot be reached. That says nothing about the credentials.
    Trouble,
    /// The credentials were rejected.
    SignedOut,
    /// Nothing.
    Nothing,
}

/// Counts the changes of the session after which older responses are out of date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(u64);

/// The least time from the start of one run of the handler to the next: a login is a heavy request. It doubles while the runs are in
/// vain.
const SPACING: Duration = Duration::from_secs(30);

/// The longest such time: a person who signs in anew waits no longer.
const MAX_SPACING: Duration = Duration::from_secs(15 * 60);

/// When the handler ran last, and how long it does not run again.
#[derive(Clone, Copy, Debug, Default)]
struct Spacing {
    last: Option<Instant>,
    wait: Duration,
}

/// The state of one session.
#[derive(Debug, Default)]
pub(super) struct Session {
    status: AuthStatus,
    generation: Generation,
    /// The last sign-out. A success of a request sent before it does not end it.
    signed_out: Generation,
    /// The last time that the credentials may have been replaced: the end of a sign-out, or of a run of the handler. A rejection
    /// of a request sent before it is about the old ones.
    renewed: Generation,
    /// Whether the handler has yet to run for the present sign-out.
    is_due: bool,
    is_running: bool,
    spacing: Spacing,
    /// When the last task that waits for its time tries to start the handler.
    retried_at: Option<Instant>,
}

/// The part of a [`Session`] that is read without its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    status: AuthStatus,
    generation: Generation,
    is_startable: bool,
}

/// The effects of one piece of evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// The status before and after, if it changed.
    pub(super) change: Option<(AuthStatus, AuthStatus)>,
    /// Whether the handler starts now.
    pub(super) starts: bool,
    /// When a task is to try again, as the handler has run too lately to start now. It is told once.
    pub(super) retry_at: Option<Instant>,
}

// === impl Evidence ===

impl Evidence {
    /// What a failure says.
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
            // A gateway responds so before it looks at the credentials, and an API after it has accepted them.
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
    /// Takes in what the response to a request says that was sent in the generation `sent`. The handler starts only if
    /// `may_start`.
    pub(super) fn observe(
        &mut self,
        evidence: Evidence,
        sent: Generation,
        may_start: bool,
        now: Instant,
    ) -> Step {
        use AuthStatus::{Active, Degraded, Unauthenticated, Unknown};

        let before = self.status;
        let mut step = Step::default();
        match (evidence, before) {
            (Evidence::Accepted, Unauthenticated) if sent < self.signed_out => {}
            (Evidence::Accepted, Unauthenticated) => {
                self.status = Active;
                self.is_due = false;
                self.renewed = self.next_generation();
            }
            (Evidence::Accepted, Unknown | Active | Degraded) => self.status = Active,
            (Evidence::Trouble, Unknown | Active) => self.status = Degraded,
            (Evidence::SignedOut, _) if sent < self.renewed => {}
            (Evidence::SignedOut, _) => {
                if before != Unauthenticated {
                    self.status = Unauthenticated;
                    self.is_due = true;
                    self.signed_out = self.next_generation();
                }
                if may_start {
                    step = self.start(now);
                }
            }
            (Evidence::Trouble, Degraded | Unauthenticated) | (Evidence::Nothing, _) => {}
        }
        step.change = (self.status != before).then_some((before, self.status));
        step
    }

    /// Starts the handler, if it is due and its time has come.
    pub(super) fn start(&mut self, now: Instant) -> Step {
        let mut step = Step::default();
        // A success makes it not due.
        if self.is_startable() {
            match self.spacing.try_take(now) {
                Ok(()) => {
                    self.is_due = false;
                    self.is_running = true;
                    step.starts = true;
                }
                Err(end) if self.retried_at != Some(end) => {
                    self.retried_at = Some(end);
                    step.retry_at = Some(end);
                }
                Err(_) => {}
            }
        }
        step
    }

    /// The handler has returned, panicked, or was dropped.
    pub(super) fn run_ended(&mut self) {
        self.is_running = false;
        self.renewed = self.next_generation();
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            status: self.status,
            generation: self.generation,
            is_startable: self.is_startable(),
        }
    }

    fn is_startable(&self) -> bool {
        self.is_due && !self.is_running
    }

    fn next_generation(&mut self) -> Generation {
        self.generation = Generation(self.generation.0.saturating_add(1));
        self.generation
    }
}

// === impl Spacing ===

impl Spacing {
    /// Takes a run if the last one was long enough ago, or else tells when it will be.
    fn try_take(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(end) = self.last.map(|last| last + self.wait).filter(|end| now < *end) {
            return Err(end);
        }
        let since = self.last.map(|last| now.saturating_duration_since(last));
        // The last one was in vain if another is needed so soon.
        let is_vain = since.is_some_and(|since| since < self.wait.saturating_mul(2));
        self.wait = if is_vain { self.wait.saturating_mul(2).min(MAX_SPACING) } else { SPACING };
        self.last = Some(now);
        Ok(())
    }
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) const fn status(self) -> AuthStatus {
        self.status
    }

    pub(super) const fn generation(self) -> Generation {
        self.generation
    }

    /// Whether `evidence` changes nothing, whenever its request was sent.
    pub(super) fn is_settled(self, evidence: Evidence, may_start: bool) -> bool {
        match evidence {
            Evidence::Accepted => self.status == AuthStatus::Active,
            Evidence::Trouble => {
                matches!(self.status, AuthStatus::Degraded | AuthStatus::Unauthenticated)
            }
            Evidence::SignedOut => {
                self.status == AuthStatus::Unauthenticated && !(may_start && self.is_startable)
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
        self.generation.0 << 3 | (self.is_startable as u64) << 2 | status
    }

    pub(super) const fn unpack(word: u64) -> Self {
        let status = match word & 3 {
            0 => AuthStatus::Unknown,
            1 => AuthStatus::Active,
            2 => AuthStatus::Degraded,
            _ => AuthStatus::Unauthenticated,
        };
        Self { status, generation: Generation(word >> 3), is_startable: word & 4 != 0 }
    }
}

#[cfg(test)]
mod tests;
