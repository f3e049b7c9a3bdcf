//! A call that waits for a fetch.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{HeaderMap, Response};
use tokio::{sync::oneshot, time::Instant};

use super::{
    AfterFailure, CacheBody, events,
    in_flight::{Fetched, PendingFetch},
    request::CacheableRequest,
    shared::Shared,
    stored::StoredResponse,
    waiters::Waiting,
};
use crate::{
    BoxError,
    classify::ErrorClass,
    extensions::Deadline,
    single_flight::{Abandoned, Outcome},
};

/// The result of a call.
pub(super) type CallResult<B> = Result<Response<CacheBody<B>>, BoxError>;

/// The future of a call that waits.
pub(super) type WaitingFuture<B> = Pin<Box<dyn Future<Output = CallResult<B>> + Send>>;

/// A call that waits for a fetch.
pub(super) struct WaitingCall {
    pub(super) shared: Arc<Shared>,
    pub(super) request: CacheableRequest,
    pub(super) fetch: PendingFetch,
    /// Keeps the fetch going.
    pub(super) waiting: Waiting,
    /// What may be served instead.
    pub(super) stale: Option<Arc<StoredResponse>>,
    /// Whether the server allows to serve that while it is refreshed.
    pub(super) is_served_at_once: bool,
    /// The end of the call, whichever layer enforces it.
    pub(super) deadline: Option<Deadline>,
    /// The deadline that the request carries. No other layer need enforce it.
    pub(super) own_deadline: Option<Deadline>,
}

/// What comes of joining another call's fetch.
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Joined<B> {
    Done(CallResult<B>),
    /// The fetch was cut short: the call may begin another.
    FetchAgain,
    /// The outcome is not for this call, which sends its request itself.
    PassThrough,
}

#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
enum Waited<B> {
    Completed(Outcome<Fetched>),
    /// A stale response, or the error of a call whose deadline has passed.
    Instead(CallResult<B>),
}

// === impl WaitingCall ===

impl WaitingCall {
    /// Waits for the fetch that this call has begun. A response that cannot be shared comes by `not_shared`.
    pub(super) async fn lead<B>(
        mut self,
        not_shared: oneshot::Receiver<Response<CacheBody<B>>>,
    ) -> CallResult<B> {
        let endpoint = Arc::clone(&self.request.endpoint);
        let abandoned = || endpoint.fetch_abandoned().into();
        match self.wait().await {
            Waited::Instead(result) => result,
            Waited::Completed(Ok(Fetched::Response(response, _))) => Ok(response.respond(true)),
            Waited::Completed(Ok(Fetched::Failed(error, _))) => Err(error.into()),
            Waited::Completed(Ok(Fetched::NotShared(_))) => {
                not_shared.await.map_err(|_| abandoned())
            }
            Waited::Completed(Err(Abandoned)) => Err(abandoned()),
        }
    }

    /// Waits for a fetch that another call has begun, for a request with these header fields.
    pub(super) async fn join<B>(mut self, headers: &HeaderMap, may_fetch_again: bool) -> Joined<B> {
        let outcome = match self.wait().await {
            Waited::Instead(result) => return Joined::Done(result),
            Waited::Completed(outcome) => outcome,
        };
        let failure = failure(&outcome);
        let is_cut_short = match &outcome {
            Err(Abandoned) => true,
            Ok(_) => {
                failure.is_some_and(is_unrelated) && self.fetch.limit.cuts_short(self.deadline)
            }
        };
        if is_cut_short && may_fetch_again {
            return Joined::FetchAgain;
        }
        // With a `credential` function, calls with different tokens share a fetch. What the server says about one of the
        // tokens is not for a caller with another.
        let is_about_token = self.shared.credential.is_some()
            && matches!(failure, Some(ErrorClass::Unauthenticated | ErrorClass::Forbidden));
        match outcome {
            _ if is_about_token => Joined::PassThrough,
            Ok(Fetched::Response(response, _))
                if response.matches(&self.shared.store.hash_key, headers) =>
            {
                Joined::Done(Ok(response.respond(false)))
            }
            Ok(Fetched::Failed(error, _)) => Joined::Done(Err(error.into())),
            Ok(Fetched::Response(..) | Fetched::NotShared(_)) | Err(Abandoned) => {
                Joined::PassThrough
            }
        }
    }

    /// Waits for the outcome, or until there is something to serve in its place.
    async fn wait<B>(&mut self) -> Waited<B> {
        if self.stale.is_some() {
            if let Some(outcome) = self.fetch.outcome(Some(self.stale_wait_end())).await {
                return self.or_stale(outcome);
            }
            if let Some(response) = self.serve_stale(ErrorClass::Timeout) {
                return Waited::Instead(Ok(response));
            }
        }
        let deadline = self.own_deadline;
        let limit = deadline.map(|deadline| deadline.remaining(self.shared.clock.now()));
        match self.fetch.outcome(deadline.map(Deadline::instant)).await {
            Some(outcome) => self.or_stale(outcome),
            None => {
                let error = self.request.endpoint.timed_out(limit.unwrap_or_default());
                Waited::Instead(Err(error.into()))
            }
        }
    }

    /// The outcome, unless it is a failure and a stale response may be served.
    fn or_stale<B>(&self, outcome: Outcome<Fetched>) -> Waited<B> {
        let failure = failure(&outcome).filter(|class| is_unrelated(*class));
        match failure.and_then(|class| self.serve_stale(class)) {
            Some(response) => Waited::Instead(Ok(response)),
            None => Waited::Completed(outcome),
        }
    }

    /// The stale response, unless it was invalidated or has expired meanwhile.
    fn serve_stale<B>(&self, class: ErrorClass) -> Option<Response<CacheBody<B>>> {
        let (store, now) = (&self.shared.store, self.shared.clock.now());
        let stale = self.stale.as_ref().filter(|stale| store.is_usable(stale, now))?;
        store.counts.stale.add();
        self.request.endpoint.metrics.stale();
        if !(self.is_served_at_once && class == ErrorClass::Timeout) {
            events::serving_stale(&self.request.endpoint, class);
        }
        self.waiting.leave_in_background();
        Some(stale.respond(now, Some(class)))
    }

    /// The end of the wait for a fresh response. It counts from the start of the fetch, so that a call that joins a slow fetch
    /// does not wait at all. Half of the time until the call's deadline is left to it.
    fn stale_wait_end(&self) -> Instant {
        let now = self.shared.clock.now();
        if self.is_served_at_once {
            return now;
        }
        // A wait beyond the clock's range ends with the fetch.
        let sent_at = self.fetch.version.sent_at;
        let end = sent_at.checked_add(self.request.endpoint.config.stale_wait);
        let end = end.unwrap_or(self.fetch.limit.at);
        let half = self.deadline.map(|deadline| now + deadline.remaining(now) / 2);
        half.map_or(end, |half| half.min(end))
    }
}

fn failure(outcome: &Outcome<Fetched>) -> Option<ErrorClass> {
    match outcome {
        Ok(fetched) => fetched.failure(),
        Err(Abandoned) => Some(ErrorClass::Interrupted),
    }
}

/// Whether a failure of this class says nothing about the resource.
fn is_unrelated(class: ErrorClass) -> bool {
    AfterFailure::of(class) == AfterFailure::ServeStale
}
