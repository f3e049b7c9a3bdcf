use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::time::Instant;

use super::{
    Cost, Progress, Retry, RetryConfig, RetryOutcome, Stopped, decide, events, layer::Settings,
    saved::Eligibility,
};
use crate::{
    BoxError,
    classify::{Classification, ErrorClass},
    endpoint::{Endpoint, EndpointIndex},
    error::{Error, Phase, failing_response},
    extensions::{
        Attempt, Deadline, TokenReplaced,
        ambient::{self, Paced},
    },
    jitter,
    metrics::Meter,
    ready::NotReady,
};

/// The most attempts within one backoff step that count as one retry, where a throttle inside paces them: those that wait for a
/// permit, and probes of a server that rejects everything, as many as its growing gaps leave in the first second.
const MOST_SLOWED: u32 = 2;
const MOST_PROBES: u32 = 8;

/// How far a call has come.
#[derive(Clone, Debug)]
pub(super) struct Call {
    settings: Arc<Settings>,
    endpoint: EndpointIndex,
    deadline: Option<Deadline>,
    attempts: u32,
    rate_limits: u32,
    failures: u32,
    /// The times that it was sent again without a wait, because the last connection was of no use.
    resends: u32,
    /// The end of the last backoff step. Until then, attempts that a throttle paces count as the same retry.
    step_until: Option<Instant>,
    /// The attempts within it.
    in_step: u32,
    waited: Duration,
    /// Whether the one attempt that a replaced token allows has been made.
    used_replaced_token: bool,
}

/// The time between a failing response and the next attempt. It is empty for a replaced token, and where a throttle inside waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) begin: Instant,
    pub(super) end: Instant,
    counts: Counts,
}

/// What an attempt counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    ReplacedToken,
    Retry(Cost),
    Resend,
    /// Part of the last retry.
    Nothing,
}

// === impl Call ===

impl Call {
    /// A call whose first attempt is in flight.
    pub(super) const fn new(
        settings: Arc<Settings>,
        endpoint: EndpointIndex,
        deadline: Option<Deadline>,
    ) -> Self {
        Self {
            settings,
            endpoint,
            deadline,
            attempts: 1,
            rate_limits: 0,
            failures: 0,
            resends: 0,
            step_until: None,
            in_step: 0,
            waited: Duration::ZERO,
            used_replaced_token: false,
        }
    }

    /// Classifies a response, unless another layer has done so.
    #[inline]
    pub(super) fn classify<RB>(&self, response: &Response<RB>) -> Option<Classification> {
        match response.extensions().get::<Classification>() {
            Some(found) => Some(found.clone()),
            None => Classification::of_response_when(
                &*self.settings.classifier,
                response.status(),
                response.headers(),
                &|| self.settings.clock.system_time(),
            ),
        }
    }

    /// Ends the call with a success.
    #[inline]
    pub(super) fn succeed<RB>(&self, response: &mut Response<RB>) {
        self.settings.budget.deposit();
        if self.attempts > 1 {
            self.insert_outcome(response, Stopped::Succeeded, None);
        }
    }

    /// Decides about a retry: the pause before it, and what `rewind` returned for it. `None` ends the call with this result.
    pub(super) fn decide<RB, T>(
        &mut self,
        failure: &Classification,
        eligibility: Eligibility,
        result: &mut Result<Response<RB>, BoxError>,
        rewind: impl FnOnce() -> Option<T>,
    ) -> Option<(Pause, T)> {
        let now = self.settings.clock.now();
        let paced = ambient::take_paced().filter(|_| failure.asks_to_slow_down());
        let may_be_sent_at_once = failure.class() != ErrorClass::RateLimited;
        let pause =
            if !self.used_replaced_token && may_be_sent_at_once && token_was_replaced(result) {
                self.resend_at_once(eligibility, now)
            } else {
                self.retry(failure, eligibility, paced, now)
            };
        let retry =
            pause.and_then(|pause| Ok((pause, rewind().ok_or(Stopped::BodyNotReplayable)?)));
        let endpoint = self.endpoint();
        match retry {
            Ok((pause, next)) => {
                events::waiting(&endpoint, failure, pause, self.retries());
                Meter::of(&endpoint).retried(failure.class().as_str());
                self.count(pause);
                Some((pause, next))
            }
            Err(stopped) => {
                events::stopped(&endpoint, failure, stopped, self.retries());
                Meter::of(&endpoint).retry_stopped(failure.class().as_str(), stopped.as_str());
                if let Ok(response) = result {
                    self.insert_outcome(response, stopped, failure.retry_after());
                }
                None
            }
        }
    }

    /// Counts a further attempt, and marks its request.
    pub(super) fn begin_attempt<B>(&mut self, request: &mut Request<B>) {
        Attempt::add(request.extensions_mut(), self.attempts);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// One attempt with the token that replaced the rejected one. It takes no time and counts as no retry, since the request
    /// itself was fine.
    fn resend_at_once(&self, eligibility: Eligibility, now: Instant) -> Result<Pause, Stopped> {
        if let Some(bar) = eligibility.bar {
            return Err(bar);
        }
        if self.deadline.is_some_and(|deadline| deadline.remaining(now).is_zero()) {
            return Err(Stopped::Deadline);
        }
        Ok(Pause { begin: now, end: now, counts: Counts::ReplacedToken })
    }

    /// A retry. Where a throttle inside has seen that the attempt was rate limited, the next one waits there and not here.
    fn retry(
        &mut self,
        failure: &Classification,
        eligibility: Eligibility,
        paced: Option<Paced>,
        now: Instant,
    ) -> Result<Pause, Stopped> {
        let most = if paced == Some(Paced::Closed) { MOST_PROBES } else { MOST_SLOWED };
        let is_in_step =
            failure.pause().is_none() && self.step_until.is_some_and(|until| now < until);
        let is_same = paced.is_some() && is_in_step && self.in_step < most;
        // After too many attempts in a step, the next one waits here.
        let paced = paced.is_some() && (is_same || !is_in_step);
        let rate_limits = self.rate_limits - u32::from(is_same);
        let endpoint = self.endpoint();
        let config = endpoint.config();
        let step = config.rate_limits.backoff.step(rate_limits);
        let progress = Progress {
            repeatable: config.idempotent || eligibility.repeatable,
            idempotent: config.idempotent || eligibility.idempotent,
            paced,
            rate_limits,
            failures: self.failures,
            resends: self.resends,
            remaining: self.deadline.map(|deadline| deadline.remaining(now)),
            jitter: jitter::draw(),
        };
        let Retry { wait, cost, at_once } = decide(failure, config, &progress)?;
        if let Some(bar) = eligibility.bar {
            return Err(bar);
        }
        let end = now.checked_add(wait).ok_or(Stopped::MaxWait)?;
        // The budget comes last, so that nothing is withdrawn for a retry that something else forbids.
        if cost == Cost::One && !self.settings.budget.withdraw() {
            return Err(Stopped::Budget);
        }
        if at_once {
            return Ok(Pause { begin: now, end, counts: Counts::Resend });
        }
        if !paced {
            return Ok(Pause { begin: now, end, counts: Counts::Retry(cost) });
        }
        if is_same {
            return Ok(Pause { begin: now, end: now, counts: Counts::Nothing });
        }
        self.in_step = 0;
        self.step_until = now.checked_add(step).map(|until| until.max(end));
        Ok(Pause { begin: now, end: now, counts: Counts::Retry(cost) })
    }

    fn count(&mut self, pause: Pause) {
        match pause.counts {
            Counts::ReplacedToken => self.used_replaced_token = true,
            Counts::Retry(Cost::Free) => self.rate_limits += 1,
            Counts::Retry(Cost::One) => self.failures += 1,
            Counts::Resend => self.resends += 1,
            Counts::Nothing => {}
        }
        self.in_step = self.in_step.saturating_add(1);
        self.waited = self.waited.saturating_add(pause.length());
    }

    const fn retries(&self) -> u32 {
        self.rate_limits + self.failures + self.resends
    }

    pub(super) const fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// The error of a service that was not ready in time for the next attempt. An attempt was made before, so the class is
    /// `Timeout`.
    pub(super) fn not_ready(&self, NotReady(limit): NotReady) -> Error {
        Error::timeout(limit, Phase::Waiting, self.endpoint().shared_pattern())
    }

    fn endpoint(&self) -> Endpoint<'_, RetryConfig> {
        self.settings.endpoints.at(self.endpoint)
    }

    fn insert_outcome<RB>(
        &self,
        response: &mut Response<RB>,
        stopped: Stopped,
        retry_after: Option<Duration>,
    ) {
        let (attempts, waited) = (self.attempts, self.waited);
        response.extensions_mut().insert(RetryOutcome { attempts, waited, stopped, retry_after });
    }
}

// === impl Pause ===

impl Pause {
    pub(super) fn length(&self) -> Duration {
        self.end.saturating_duration_since(self.begin)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length().is_zero()
    }
}

/// Whether this is a response that rejected a token which has been replaced, or the error made from it.
fn token_was_replaced<RB>(result: &Result<Response<RB>, BoxError>) -> bool {
    let extensions = match result {
        Ok(response) => Some(response.extensions()),
        Err(error) => failing_response(&**error).map(|(_, response)| response.extensions()),
    };
    extensions.is_some_and(|extensions| extensions.get::<TokenReplaced>().is_some())
}
