use std::{sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::{Config, RetryOutcome, events, layer::Rules, saved::Sent};
use crate::{
    BoxError, chance,
    classify::Classification,
    error::failing_response,
    extensions::{Attempt, Deadline, TokenReplaced},
    metrics::Meter,
    retry::{Cost, Decision, Progress, Repeatable, Stopped, Taken},
};

/// How far one call has come, and what is decided about it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    rules: Arc<Rules>,
    deadline: Option<Deadline>,
    sends: u32,
    retries: u32,
    waited: Duration,
    replacement: Replacement,
}

/// The time between a failed answer and the next send. Only that with a replaced token comes at once: the steps of a
/// backoff are never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) begin: Instant,
    pub(super) end: Instant,
}

/// Whether the one send that a replaced token allows has been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replacement {
    Unused,
    Used,
}

// === impl Call ===

impl Call {
    /// A call whose first send is on its way.
    pub(super) const fn new(rules: Arc<Rules>, deadline: Option<Deadline>) -> Self {
        Self {
            rules,
            deadline,
            sends: 1,
            retries: 0,
            waited: Duration::ZERO,
            replacement: Replacement::Unused,
        }
    }

    /// What went wrong; none for a success, and for an error of unknown meaning.
    pub(super) fn failure<RB>(
        &self,
        result: &Result<Response<RB>, BoxError>,
    ) -> Option<Classification> {
        match result {
            Ok(response) => self.failure_of(response),
            Err(error) => Classification::of_error(error.as_ref()),
        }
    }

    /// What went wrong according to an answer; none for a success.
    #[inline]
    pub(super) fn failure_of<RB>(&self, response: &Response<RB>) -> Option<Classification> {
        match response.extensions().get::<Classification>() {
            Some(found) => Some(found.clone()),
            None => Classification::of_response_when(
                &*self.rules.classifier,
                response.status(),
                response.headers(),
                &|| self.rules.clock.system_time(),
            ),
        }
    }

    /// Ends the call with an answer that is no failure.
    #[inline]
    pub(super) fn end<RB>(&self, response: &mut Response<RB>) {
        self.rules.budget.pay_in();
        if self.sends > 1 {
            self.leave_outcome(response, Stopped::Succeeded, None);
        }
    }

    /// How long to pause before the next send, and what `rewind` gave for it. None ends the call with this result.
    pub(super) fn decide<RB, T>(
        &mut self,
        failure: &Classification,
        sent: &Sent<'_>,
        result: &mut Result<Response<RB>, BoxError>,
        rewind: impl FnOnce() -> Option<T>,
    ) -> Option<(Pause, T)> {
        let rules = Arc::clone(&self.rules);
        let endpoint = rules.endpoints.get(sent.method, sent.path);
        let now = rules.clock.now();
        let pause = if self.replacement == Replacement::Unused && token_was_replaced(result) {
            self.replace(sent, now)
        } else {
            self.retry(failure, sent, endpoint.config(), now)
        };
        let paused =
            pause.and_then(|pause| Ok((pause, rewind().ok_or(Stopped::BodyNotReplayable)?)));
        match paused {
            Ok((pause, next)) => {
                events::waiting(endpoint.pattern(), failure, pause, self.retries);
                self.count(pause);
                Meter::of(&endpoint).retried(failure.class().as_str());
                Some((pause, next))
            }
            Err(stopped) => {
                events::stopped(endpoint.pattern(), failure, stopped, self.retries);
                if let Ok(response) = result {
                    self.leave_outcome(response, stopped, failure.retry_after());
                }
                None
            }
        }
    }

    /// Counts a further send and tells the layers inside about it.
    pub(super) fn begin_send<B>(&mut self, request: &mut Request<B>) {
        request.extensions_mut().insert(Attempt::new(self.sends));
        self.sends = self.sends.saturating_add(1);
    }

    pub(super) const fn begin(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }

    pub(super) const fn sends(&self) -> u32 {
        self.sends
    }

    pub(super) fn config_of<B>(&self, request: &Request<B>) -> &Config {
        self.rules.endpoints.of(request).config()
    }

    /// One send with the token that has replaced the rejected one. No time and no try is spent on it: the request
    /// itself was fine.
    fn replace(&self, sent: &Sent<'_>, now: Instant) -> Result<Pause, Stopped> {
        if let Some(bar) = sent.bar {
            return Err(bar);
        }
        if self.deadline.is_some_and(|deadline| deadline.remaining(now).is_zero()) {
            return Err(Stopped::Deadline);
        }
        Ok(Pause { begin: now, end: now })
    }

    fn retry(
        &self,
        failure: &Classification,
        sent: &Sent<'_>,
        config: &Config,
        now: Instant,
    ) -> Result<Pause, Stopped> {
        let repeatable = if config.is_idempotent() { Repeatable::Always } else { sent.repeatable };
        let progress = Progress {
            repeatable,
            retries: self.retries,
            remaining: self.deadline.map(|deadline| deadline.remaining(now)),
            chance: chance::draw(),
        };
        let (wait, cost) = match Decision::about(failure, config.limits(), &progress) {
            Decision::Retry { wait, cost } => (wait, cost),
            Decision::Return(stopped) => return Err(stopped),
        };
        if let Some(bar) = sent.bar {
            return Err(bar);
        }
        let end = now.checked_add(wait).ok_or(Stopped::MaxWait)?;
        // Asked last, so that nothing is taken out for a retry which something else forbids.
        if cost == Cost::OneRetry && self.rules.budget.take_out() == Taken::Nothing {
            return Err(Stopped::Budget);
        }
        Ok(Pause { begin: now, end })
    }

    fn count(&mut self, pause: Pause) {
        if pause.is_empty() {
            self.replacement = Replacement::Used;
        } else {
            self.retries += 1;
            self.waited = self.waited.saturating_add(pause.length());
        }
    }

    fn leave_outcome<RB>(
        &self,
        response: &mut Response<RB>,
        stopped: Stopped,
        retry_after: Option<Duration>,
    ) {
        let outcome = RetryOutcome::new(self.sends, self.waited, stopped, retry_after);
        response.extensions_mut().insert(outcome);
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

/// Whether this is a 401 to a token that another has replaced since, as an answer or as the error made from it.
fn token_was_replaced<RB>(result: &Result<Response<RB>, BoxError>) -> bool {
    let (status, extensions) = match result {
        Ok(response) => (response.status(), response.extensions()),
        Err(error) => match failing_response(&**error) {
            Some((_, response)) => (response.status(), response.extensions()),
            None => return false,
        },
    };
    status == StatusCode::UNAUTHORIZED && extensions.get::<TokenReplaced>().is_some()
}
