//! Where the outcome of a flight is waited for.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{generations::Marks, outcome::Outcome};
use crate::extensions::Deadline;

/// How long after its limit a flight that has not landed is given up: its runtime may only be slow.
const GRACE: Duration = Duration::from_secs(1);

/// The longest limit, so that no time that is added to it is beyond what a clock can hold.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Where those who wait for a flight are told of its outcome.
#[derive(Clone)]
pub(super) struct Landing {
    outcome: watch::Receiver<Option<Outcome>>,
    /// What the response could be invalidated by.
    pub(super) marks: Marks,
    /// The moment before the request was sent.
    pub(super) asked: Instant,
    pub(super) limit: Limit,
}

/// When a flight is given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) at: Instant,
    /// It is the end of the call that began the flight: another may have more time.
    is_of_leader: bool,
}

// === impl Landing ===

impl Landing {
    pub(super) fn new(
        marks: Marks,
        asked: Instant,
        limit: Limit,
    ) -> (Self, watch::Sender<Option<Outcome>>) {
        let (passengers, outcome) = watch::channel(None);
        (Self { outcome, marks, asked, limit }, passengers)
    }

    /// Whether the flight has not landed yet. One that ended without a word, by a panic in here, never will; nor will one that
    /// is long overdue.
    pub(super) fn is_expected(&self, now: Instant) -> bool {
        self.outcome.has_changed().is_ok() && now < self.limit.at + GRACE
    }

    /// Whether this is where the outcome that goes to `passengers` is waited for.
    pub(super) fn is_of(&self, passengers: &watch::Sender<Option<Outcome>>) -> bool {
        self.outcome.same_channel(&passengers.subscribe())
    }

    /// The outcome of the flight, also if it never lands: long after its limit it counts as abandoned. Only a runtime that
    /// nobody drives any more lets it come to that.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let landed = self.outcome.wait_for(Option::is_some);
        match timeout_at(self.limit.at + GRACE, landed).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Outcome::Abandoned),
            Ok(Err(_)) | Err(_) => Outcome::Abandoned,
        }
    }
}

// === impl Limit ===

impl Limit {
    pub(super) fn new(asked: Instant, fetch_timeout: Duration, deadline: Option<Deadline>) -> Self {
        let at = asked + fetch_timeout.min(YEAR);
        match deadline.map(Deadline::instant) {
            Some(end) if end < at => Self { at: end, is_of_leader: true },
            Some(_) | None => Self { at, is_of_leader: false },
        }
    }

    /// Whether a flight has to end before the time of a call with this deadline has run out.
    pub(super) fn cuts_short(&self, deadline: Option<Deadline>) -> bool {
        self.is_of_leader && deadline.is_none_or(|deadline| deadline.instant() > self.at)
    }
}
