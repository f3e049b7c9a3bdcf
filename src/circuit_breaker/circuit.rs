//! One circuit: when it opens, for how long, and who may probe.

use std::time::Duration;

use tokio::time::Instant;

use super::CircuitBreakerConfig;
use crate::{body::Upload, classify::ErrorClass, jitter::share};

/// How long a failure counts, from the moment it was seen. A client with one call an hour knows nothing of the server now.
pub(super) const MEMORY: Duration = Duration::from_secs(2 * 60);

/// The longest `Retry-After` that is obeyed. After it one request probes.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The time that a probe has before it counts as failed and another one may follow: the time limit of an attempt in a stack.
pub(super) const PROBE_TIME: Duration = Duration::from_secs(10);

/// The time that a probe has for its upload before the next request probes as well: its caller may never end it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A run of failures opens a circuit if a server that has failed as often as before would show it once in this many times.
const UNLIKELY: f32 = 10_000.0;

/// The outcomes before a run that tell how often a server fails.
const HISTORY: f32 = 256.0;

/// The successes that a server is credited with: a few outcomes do not tell how often it fails.
const CREDIT: f32 = 24.0;

/// A failure that says that the upstream cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Its class.
    pub(super) class: ErrorClass,
    /// How long the server asked not to be called.
    pub(super) retry_after: Option<Duration>,
}

/// What a request that was let through turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The upstream responded, and be it with a rejection.
    Success,
    /// The upstream failed.
    Failure(Failure),
    /// None of these: it was not sent, its caller left or is slow, or the error is unknown.
    Unknown,
}

/// A request that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// When.
    pub(super) at: Instant,
    /// Whether it probes.
    pub(super) is_probe: bool,
}

/// A change that operators see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It opened, or a probe failed.
    Opened {
        /// For how long.
        wait: Duration,
        /// The failures in a row.
        failures: u32,
        /// The class of the last one.
        class: ErrorClass,
    },
    /// A probe succeeded.
    Closed,
}

/// The state of one key that has failed lately.
#[derive(Clone, Debug)]
pub(super) struct Circuit {
    state: State,
    /// The failures since the last success.
    run: u32,
    last: Instant,
    class: ErrorClass,
    /// When the server may be called again, as it said.
    not_before: Option<Instant>,
    /// The probes that failed since it opened.
    probes: u32,
    /// The upload of the request that probes.
    upload: Option<Upload>,
    /// Failures and outcomes before the run, older ones with less weight.
    failed: f32,
    seen: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Requests sent before `since` do not count.
    Closed {
        since: Option<Instant>,
    },
    Open {
        until: Instant,
    },
    HalfOpen {
        probing_since: Instant,
    },
}

// === impl Circuit ===

impl Circuit {
    /// A closed circuit without failures.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Closed { since: None },
            run: 0,
            last: now,
            class: ErrorClass::Unavailable,
            not_before: None,
            probes: 0,
            upload: None,
            failed: 0.0,
            seen: 0.0,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// The failures in a row.
    pub(super) const fn run(&self) -> u32 {
        self.run
    }

    /// The class of the last failure.
    pub(super) const fn class(&self) -> ErrorClass {
        self.class
    }

    /// Whether requests are rejected, or one of them probes.
    pub(super) const fn protects(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// Whether nothing that it holds counts any more.
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        let end = match self.state {
            State::Closed { .. } if self.run == 0 && self.failed < 0.5 => return true,
            State::Closed { .. } => self.last,
            State::Open { until } => until,
            State::HalfOpen { probing_since } => probing_since + PROBE_TIME,
        };
        now >= end + MEMORY
    }

    /// Lets a request through, or returns how long to wait before the next one.
    ///
    /// # Errors
    ///
    /// The circuit is open, or another request probes.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        config: &CircuitBreakerConfig,
        upload: Option<&Upload>,
    ) -> Result<Admitted, Duration> {
        if let State::HalfOpen { probing_since } = self.state {
            // One that waits for its caller says nothing.
            let is_uploading = self.upload.as_ref().is_some_and(Upload::is_in_progress);
            let end = probing_since + if is_uploading { PATIENCE } else { PROBE_TIME };
            if now < end {
                return Err(end - now);
            }
            let mut until = end;
            if !is_uploading {
                // It hangs, as the requests before it did.
                self.probes = self.probes.saturating_add(1);
                until += config.open(self.probes);
            }
            self.state = State::Open { until };
        }
        let is_probe = match self.state {
            State::Open { until } if now < until => return Err(until - now),
            State::Open { .. } => {
                self.state = State::HalfOpen { probing_since: now };
                self.upload = upload.cloned();
                true
            }
            State::Closed { .. } | State::HalfOpen { .. } => false,
        };
        Ok(Admitted { at: now, is_probe })
    }

    /// Learns how a request ended. `jitter` is drawn evenly from 0.0..1.0.
    pub(super) fn ended(
        &mut self,
        admitted: Admitted,
        outcome: Outcome,
        now: Instant,
        config: &CircuitBreakerConfig,
        jitter: f64,
    ) -> Option<Change> {
        if admitted.is_probe {
            return self.probe_ended(admitted, outcome, now, config, jitter);
        }
        let State::Closed { since } = self.state else { return None };
        if since.is_some_and(|since| admitted.at < since) {
            return None;
        }
        match outcome {
            Outcome::Unknown => None,
            Outcome::Success => {
                self.forget_run();
                None
            }
            Outcome::Failure(failure) => {
                self.count(failure, now);
                (self.run >= self.needed(config.threshold()))
                    .then(|| self.open(now, config, jitter))
            }
        }
    }

    fn probe_ended(
        &mut self,
        admitted: Admitted,
        outcome: Outcome,
        now: Instant,
        config: &CircuitBreakerConfig,
        jitter: f64,
    ) -> Option<Change> {
        if !self.protects() {
            return None;
        }
        let is_current = self.state == State::HalfOpen { probing_since: admitted.at };
        match outcome {
            // However late: the server responds.
            Outcome::Success => {
                self.forget_run();
                (self.state, self.probes, self.not_before) =
                    (State::Closed { since: Some(now) }, 0, None);
                return Some(Change::Closed);
            }
            _ if !is_current => {}
            Outcome::Failure(failure) => {
                self.count(failure, now);
                self.probes = self.probes.saturating_add(1);
                return Some(self.open(now, config, jitter));
            }
            // The next request probes.
            Outcome::Unknown => self.state = State::Open { until: now },
        }
        None
    }

    fn count(&mut self, failure: Failure, now: Instant) {
        if now >= self.last + MEMORY && !self.protects() {
            self.run = 0;
        }
        self.run = self.run.saturating_add(1);
        (self.last, self.class) = (now, failure.class);
        if let Some(wait) = failure.retry_after {
            let end = now + wait.min(MAX_RETRY_AFTER);
            self.not_before = self.not_before.max(Some(end));
        }
    }

    fn open(&mut self, now: Instant, config: &CircuitBreakerConfig, jitter: f64) -> Change {
        let open = config.open(self.probes);
        let asked = self.not_before.map(|end| end.saturating_duration_since(now));
        // Processes that see one outage do not all probe at the same moment.
        let wait = open.max(asked.unwrap_or_default()) + share(open / 10, jitter);
        self.state = State::Open { until: now + wait };
        Change::Opened { wait, failures: self.run, class: self.class }
    }

    /// Adds the run, and the success that has ended it, to the history.
    fn forget_run(&mut self) {
        let keep = 1.0 - 1.0 / HISTORY;
        for failed in (0..self.run.min(1_000)).map(|_| 1.0).chain([0.0]) {
            self.failed = self.failed * keep + failed;
            self.seen = self.seen * keep + 1.0;
        }
        (self.run, self.not_before) = (0, None);
    }

    /// The failures in a row that open it: `failures`, and more where the server often fails and responds by turns.
    fn needed(&self, failures: u32) -> u32 {
        let share = self.failed / (self.seen + CREDIT);
        // `share.powf(run)` is as unlikely as that. A share of zero makes it zero.
        let unlikely = (UNLIKELY.ln() / -share.ln()).ceil();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        (unlikely as u32).clamp(failures, failures.saturating_mul(4))
    }
}
