//! One who waits for a flight.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{Request, Response};
use http_body::Body;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tower::util::ServiceExt;
use tower_service::Service;

use super::{
    CacheBody, FetchFailed, ResponseCache, request::Asked, events, stored::Kept, landing::Landing,
    outcome::Outcome, shared::Rules,
};
use crate::{
    BoxError,
    classify::ErrorClass,
    error::{Elapsed, Phase},
    extensions::Deadline,
    response_cache::AfterFailure,
};

/// What a call gets.
pub(super) type Answered<B> = Result<Response<CacheBody<B>>, BoxError>;

/// A call that waits.
pub(super) type Waiting<B> = Pin<Box<dyn Future<Output = Answered<B>> + Send>>;

/// One who waits for a flight.
pub(super) struct Caller {
    pub(super) rules: Arc<Rules>,
    pub(super) asked: Asked,
    pub(super) landing: Landing,
    /// What it can be served instead.
    pub(super) stale: Option<Arc<Kept>>,
    /// The end of its call, whoever sees to it.
    pub(super) deadline: Option<Deadline>,
    /// The end of its call, if the request brings it: then nobody else may see to it.
    pub(super) limit: Option<Deadline>,
}

/// What the waiting came to.
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
enum Waited<B> {
    /// The flight has ended.
    Landed(Outcome),
    /// A stale response is served in the place of the flight's, or the caller's time has run out.
    Instead(Answered<B>),
}

/// On a request whose flight was cut short: the next is its last.
#[derive(Clone, Copy, Debug)]
struct OnceMore;

// === impl Caller ===

impl Caller {
    /// Waits for the flight that this call has begun.
    pub(super) async fn lead<B>(
        self,
        passed: oneshot::Receiver<Response<CacheBody<B>>>,
    ) -> Answered<B> {
        match self.wait().await {
            Waited::Instead(answered) => answered,
            Waited::Landed(Outcome::Answered(answer)) => Ok(answer.respond(true)),
            Waited::Landed(Outcome::Passed(_)) => {
                passed.await.map_err(|_| FetchFailed::abandoned().into())
            }
            Waited::Landed(Outcome::Failed(error, _)) => Err(error.into()),
            Waited::Landed(Outcome::Abandoned) => Err(FetchFailed::abandoned().into()),
        }
    }

    /// Waits for a flight that another call has begun, and sends the request where nothing comes of it for this one.
    pub(super) async fn follow<S, RequestBody, B>(
        self,
        mut service: S,
        mut request: Request<RequestBody>,
    ) -> Answered<B>
    where
        S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        RequestBody: Send + 'static,
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let rules = Arc::clone(&self.rules);
        let (limit, deadline) = (self.landing.limit, self.deadline);
        let outcome = match self.wait().await {
            Waited::Instead(answered) => return answered,
            Waited::Landed(outcome) => outcome,
        };
        let failure = outcome.failure();
        let is_cut_short = match &outcome {
            Outcome::Abandoned => true,
            _ => failure.is_some_and(says_nothing) && limit.cuts_short(deadline),
        };
        if is_cut_short && request.extensions().get::<OnceMore>().is_none() {
            request.extensions_mut().insert(OnceMore);
            return ResponseCache::new(service, rules).ready().await?.call(request).await;
        }
        // A function said that they are of one user. Their tokens may differ, and so may what the server says of them.
        let is_of_token = rules.owner.is_some()
            && matches!(failure, Some(ErrorClass::Unauthenticated | ErrorClass::Forbidden));
        match outcome {
            Outcome::Answered(answer)
                if !is_of_token && answer.is_for(&rules.store.secret, request.headers()) =>
            {
                Ok(answer.respond(false))
            }
            Outcome::Failed(error, _) if !is_of_token => Err(error.into()),
            Outcome::Answered(_)
            | Outcome::Failed(..)
            | Outcome::Passed(_)
            | Outcome::Abandoned => {
                let sending = service.ready().await.map_err(Into::into)?.call(request);
                sending.await.map(|response| response.map(CacheBody::passed)).map_err(Into::into)
            }
        }
    }

    /// Waits for the flight, with an end.
    async fn wait<B>(mut self) -> Waited<B> {
        if self.stale.is_some() {
            match timeout_at(self.patience_end(), self.landing.outcome()).await {
                Ok(outcome) => return self.unless_stale(outcome),
                Err(_) => {
                    if let Some(response) = self.serve_stale(ErrorClass::Timeout) {
                        return Waited::Instead(Ok(response));
                    }
                }
            }
        }
        let Some(limit) = self.limit else {
            let outcome = self.landing.outcome().await;
            return self.unless_stale(outcome);
        };
        let span = limit.remaining(self.rules.clock.now());
        match timeout_at(limit.instant(), self.landing.outcome()).await {
            Ok(outcome) => self.unless_stale(outcome),
            Err(_) => {
                let pattern = Some(self.asked.pattern);
                Waited::Instead(Err(Elapsed::new(span, Phase::Headers, pattern).into()))
            }
        }
    }

    /// The outcome, unless it is a failure that what is stale can stand in for.
    fn unless_stale<B>(&self, outcome: Outcome) -> Waited<B> {
        let failure = outcome.failure().filter(|class| says_nothing(*class));
        match failure.and_then(|class| self.serve_stale(class)) {
            Some(response) => Waited::Instead(Ok(response)),
            None => Waited::Landed(outcome),
        }
    }

    /// What is stale, unless it was invalidated or its time has run out meanwhile.
    fn serve_stale<B>(&self, class: ErrorClass) -> Option<Response<CacheBody<B>>> {
        let now = self.rules.clock.now();
        let stale = self.stale.as_ref().filter(|stale| self.rules.store.is_usable(stale, now))?;
        self.rules.store.counts.stale.add();
        self.asked.named.meter.stale();
        events::serves_stale(&self.asked.pattern, &self.asked.named, class);
        Some(stale.respond(now, Some(class)))
    }

    /// Until when a new response is waited for, from the beginning of its flight: who comes to one that takes long does not
    /// wait at all. Half of the caller's time is left for what it does next.
    fn patience_end(&self) -> Instant {
        let now = self.rules.clock.now();
        // A wait beyond what the clock can hold has no end but the flight's.
        let end = self.landing.asked.checked_add(self.asked.named.stale_wait);
        let end = end.unwrap_or(self.landing.limit.at);
        let left = self.deadline.map(|deadline| now + deadline.remaining(now) / 2);
        left.map_or(end, |left| left.min(end))
    }
}

/// Whether a failure of this class says nothing about the resource.
fn says_nothing(class: ErrorClass) -> bool {
    AfterFailure::of(class) == AfterFailure::ServeStale
}
