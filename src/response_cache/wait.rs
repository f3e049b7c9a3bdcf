//! Waiting for a flight, with an end.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{HeaderMap, Request, Response};
use http_body::Body;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tower::util::ServiceExt;
use tower_service::Service;

use super::{
    CacheBody, FetchFailed, ResponseCache,
    config::Named,
    events,
    flight::{Landing, Outcome},
    kept::Kept,
    layer::Rules,
    store::Counts,
};
use crate::{
    BoxError,
    policy::{
        AfterFailure, Deadline, ErrorClass,
        errors::{Elapsed, Phase},
    },
};

/// What a call gets.
pub(super) type Answered<B> = Result<Response<CacheBody<B>>, BoxError>;

/// A call that waits.
pub(super) type Waiting<B> = Pin<Box<dyn Future<Output = Answered<B>> + Send>>;

/// One who waits for a flight.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) rules: Arc<Rules>,
    pub(super) named: Arc<Named>,
    pub(super) pattern: Arc<str>,
    pub(super) landing: Landing,
    /// What it can be served instead.
    pub(super) stale: Option<Arc<Kept>>,
    /// The end of its call, whoever sees to it.
    pub(super) deadline: Option<Deadline>,
    /// The end of its call, if the request brings it: then nobody else may see to it.
    pub(super) limit: Option<Deadline>,
}

/// Why a flight has no response for one who waited for it.
enum Unanswered {
    Failed(BoxError),
    /// Nothing: its response is for another.
    Passed,
    /// A failure, perhaps because the one who began it had less time.
    CutShort,
}

/// On a request whose flight was cut short: the next is its last.
#[derive(Clone, Copy, Debug)]
struct OnceMore;

/// Waits for the flight that this call has begun.
pub(super) async fn lead<B>(
    caller: Caller,
    passed: oneshot::Receiver<Response<CacheBody<B>>>,
) -> Answered<B> {
    match caller.land(None).await {
        Ok(response) => Ok(response),
        Err(Unanswered::Failed(error)) => Err(error),
        Err(Unanswered::Passed | Unanswered::CutShort) => {
            passed.await.map_err(|_| FetchFailed::abandoned().into())
        }
    }
}

/// Waits for a flight that another call has begun, and sends the request where nothing comes of it for this one.
pub(super) async fn follow<S, RequestBody, B>(
    caller: Caller,
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
    let rules = Arc::clone(&caller.rules);
    let is_last = request.extensions().get::<OnceMore>().is_some();
    match caller.land(Some((request.headers(), is_last))).await {
        Ok(response) => Ok(response),
        Err(Unanswered::Failed(error)) => Err(error),
        Err(Unanswered::CutShort) => {
            request.extensions_mut().insert(OnceMore);
            ResponseCache::new(service, rules).ready().await?.call(request).await
        }
        Err(Unanswered::Passed) => {
            let sending = match service.ready().await {
                Ok(service) => service.call(request),
                Err(error) => return Err(error.into()),
            };
            match sending.await {
                Ok(response) => Ok(response.map(CacheBody::passed)),
                Err(error) => Err(error.into()),
            }
        }
    }
}

// === impl Caller ===

impl Caller {
    /// What the flight is for this caller. If it was begun for another, `follows` are the headers of this one's request, and
    /// whether it is its last.
    async fn land<B>(
        mut self,
        follows: Option<(&HeaderMap, bool)>,
    ) -> Result<Response<CacheBody<B>>, Unanswered> {
        if let Some(stale) = self.stale.clone() {
            let until = self.patience_end();
            match timeout_at(until, self.landing.outcome()).await {
                Ok(outcome) => return self.settle(outcome, follows),
                Err(_) => {
                    if let Some(response) = self.serve(&stale, ErrorClass::Timeout) {
                        return Ok(response);
                    }
                }
            }
        }
        let outcome = match self.limit {
            None => self.landing.outcome().await,
            Some(limit) => {
                let begun = self.rules.clock.now();
                match timeout_at(limit.instant(), self.landing.outcome()).await {
                    Ok(outcome) => outcome,
                    Err(_) => return Err(Unanswered::Failed(self.elapsed(limit.remaining(begun)))),
                }
            }
        };
        self.settle(outcome, follows)
    }

    fn settle<B>(
        &self,
        outcome: Outcome,
        follows: Option<(&HeaderMap, bool)>,
    ) -> Result<Response<CacheBody<B>>, Unanswered> {
        let failure = match &outcome {
            Outcome::Answered(answer) => answer.failure(),
            Outcome::Passed(failure) | Outcome::Failed(_, failure) => *failure,
            Outcome::Abandoned => Some(ErrorClass::Interrupted),
        };
        let passes = failure.filter(|class| AfterFailure::of(*class) == AfterFailure::ServeStale);
        if let Some((stale, class)) = self.stale.as_ref().zip(passes) {
            if let Some(response) = self.serve(stale, class) {
                return Ok(response);
            }
        }
        let may_go_on = follows.is_some_and(|(_, is_last)| !is_last) && passes.is_some();
        if may_go_on && self.landing.is_cut_short_for(self.deadline) {
            return Err(Unanswered::CutShort);
        }
        // A function said that they are of one user. Their tokens may differ, and so may what the server says of them.
        let is_of_credential =
            matches!(failure, Some(ErrorClass::Unauthenticated | ErrorClass::Forbidden));
        if follows.is_some() && is_of_credential && self.rules.owner.is_some() {
            return Err(Unanswered::Passed);
        }
        match outcome {
            Outcome::Answered(answer) => {
                let secret = &self.rules.store.secret;
                let is_for = |(headers, _)| {
                    answer.variant().is_none_or(|variant| variant.is_of(secret, headers))
                };
                if follows.is_none_or(is_for) {
                    Ok(answer.respond(follows.is_none()))
                } else {
                    Err(Unanswered::Passed)
                }
            }
            Outcome::Failed(error, _) => Err(Unanswered::Failed(error.into())),
            Outcome::Passed(_) | Outcome::Abandoned => Err(Unanswered::Passed),
        }
    }

    /// What is stale, unless it was invalidated or its time has run out meanwhile.
    fn serve<B>(&self, stale: &Kept, class: ErrorClass) -> Option<Response<CacheBody<B>>> {
        let now = self.rules.clock.now();
        self.rules.store.is_usable(stale, now).then(|| {
            Counts::add(&self.rules.store.counts.stale);
            self.named.meter.stale();
            events::serves_stale(&self.pattern, &self.named, class);
            stale.respond(now, Some(class))
        })
    }

    /// Until when a new response is waited for, from the beginning of its flight: who comes to one that takes long does not
    /// wait at all. Half of the caller's time is left for what it does next.
    fn patience_end(&self) -> Instant {
        let now = self.rules.clock.now();
        let begun = self.landing.asked();
        // A wait beyond what the clock can hold has no end but the flight's.
        let end = begun.checked_add(self.named.stale_wait).unwrap_or_else(|| self.landing.end());
        let left = self.deadline.map(|deadline| now + deadline.remaining(now) / 2);
        left.map_or(end, |left| left.min(end))
    }

    fn elapsed(&self, span: std::time::Duration) -> BoxError {
        Elapsed::new(span, Phase::Headers, Some(Arc::clone(&self.pattern))).into()
    }
}
