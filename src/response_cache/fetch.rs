//! One request for a response that is to be kept, whoever waits for it.

use std::{future::Future, sync::Arc, thread};

use bytes::Bytes;
use http::{HeaderMap, Response, header::CONTENT_LENGTH, response::Parts};
use http_body::Body;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout_at},
};

use super::{
    CacheBody, FetchFailed, ResponseCacheLayer,
    request::Asked,
    events,
    generations::Marks,
    stored::Kept,
    landing::{Landing, Limit},
    outcome::{Answer, Outcome},
    read::{Read, read},
    shared::Rules,
    variant::Variant,
};
use crate::{
    BoxError,
    classify::{Classification, ErrorClass},
    error::{Elapsed, Phase},
    extensions::Deadline,
    response_cache::{AfterFailure, NotKept, ShelfLife},
};

/// The longest body of a failing answer that all who wait share, if what is kept may not be longer. An answer that is not
/// shared is asked for by each of them, and of a server that is out that is too much.
const SHARED_FAILURE: usize = ResponseCacheLayer::DEFAULT_MAX_BODY_BYTES;

/// A flight. Whatever becomes of it, those who wait are told: dropping it is an outcome as well.
pub(super) struct Flight {
    rules: Arc<Rules>,
    asked: Asked,
    /// Those of the request, for what the response varies by.
    headers: HeaderMap,
    began: Instant,
    limit: Limit,
    marks: Marks,
    passengers: watch::Sender<Option<Outcome>>,
    has_landed: bool,
}

/// What came of the request.
type Fetched<B> = Result<(Parts, Read<B>), BoxError>;

// === impl Flight ===

impl Flight {
    pub(super) fn new(
        rules: Arc<Rules>,
        asked: Asked,
        headers: HeaderMap,
        marks: Marks,
        deadline: Option<Deadline>,
    ) -> (Self, Landing) {
        let began = rules.clock.now();
        let limit = Limit::new(began, rules.fetch_timeout, deadline);
        let (landing, passengers) = Landing::new(marks.clone(), began, limit);
        let has_landed = false;
        (Self { rules, asked, headers, began, limit, marks, passengers, has_landed }, landing)
    }

    /// When it is given up.
    pub(super) const fn deadline(&self) -> Deadline {
        Deadline::at(self.limit.at)
    }

    /// Waits for the response, and tells all who wait for it. What cannot be told to all goes to `leader`.
    pub(super) async fn run<F, B, E>(
        mut self,
        response: F,
        leader: oneshot::Sender<Response<CacheBody<B>>>,
    ) where
        F: Future<Output = Result<Response<B>, E>>,
        E: Into<BoxError>,
        B: Body,
        B::Error: Into<BoxError>,
    {
        let fetched = match timeout_at(self.limit.at, self.fetch(response)).await {
            Ok(fetched) => fetched,
            Err(_) => {
                let limit = self.limit.at.saturating_duration_since(self.began);
                let pattern = Some(Arc::clone(&self.asked.pattern));
                Err(Elapsed::new(limit, Phase::Headers, pattern).into())
            }
        };
        let (outcome, passed) = self.land(fetched);
        if let Some(passed) = passed {
            // If the leader has gone, so has the only one that it was for.
            drop(leader.send(passed));
        }
        self.tell(outcome);
        self.rules.store.settle();
    }

    async fn fetch<F, B, E>(&self, response: F) -> Fetched<B>
    where
        F: Future<Output = Result<Response<B>, E>>,
        E: Into<BoxError>,
        B: Body,
        B::Error: Into<BoxError>,
    {
        let (head, body) = response.await.map_err(Into::into)?.into_parts();
        let max_bytes = match head.status.is_success() {
            true => self.asked.named.max_body_bytes,
            false => self.asked.named.max_body_bytes.max(SHARED_FAILURE),
        };
        let body = read(body, max_bytes).await.map_err(Into::into)?;
        Ok((head, body))
    }

    /// Keeps what is to be kept, before anybody hears of it.
    fn land<B>(&self, fetched: Fetched<B>) -> (Outcome, Option<Response<CacheBody<B>>>) {
        let (head, body) = match fetched {
            Err(error) => {
                let class = self.fail(Classification::of_error(error.as_ref()));
                return (Outcome::Failed(FetchFailed::new(error), class), None);
            }
            Ok(fetched) => fetched,
        };
        let failure = self.fail(self.rules.failure(head.status, &head.headers, &head.extensions));
        let pass = |head, body, why| {
            if failure.is_none() {
                self.keep_nothing(why);
            }
            (Outcome::Passed(failure), Some(Response::from_parts(head, body)))
        };
        let (body, trailers) = match body {
            Read::Whole(body, trailers) => (body, trailers),
            Read::Part(start, rest, why) => return pass(head, CacheBody::part(start, rest), why),
        };
        let variant = Variant::of(&self.rules.store.secret, &head.headers, &self.headers);
        if failure.is_none() {
            if let Err(why) = self.keep(&head, &body, trailers.as_ref(), variant.as_ref().ok()) {
                return pass(head, CacheBody::kept(body, trailers), why);
            }
        }
        let variant = variant.unwrap_or_default();
        let answer = Answer { head, body, trailers, variant, failure };
        (Outcome::Answered(Arc::new(answer)), None)
    }

    fn keep(
        &self,
        head: &Parts,
        body: &Bytes,
        trailers: Option<&HeaderMap>,
        variant: Option<&Variant>,
    ) -> Result<(), NotKept> {
        let now = self.rules.clock.system_time();
        let named = &self.asked.named;
        let life = ShelfLife::of_response(&named.keep, head.status, &head.headers, now)?;
        let variant = variant.ok_or(NotKept::VaryAny)?.clone();
        if !has_length(&head.headers, body.len()) {
            return Err(NotKept::Incomplete);
        }
        let kept = Kept::new(head, body, trailers, life, self.began, self.marks.clone(), variant);
        events::kept(&self.asked.pattern, kept.weight(), kept.fresh_for());
        events::answers_again(&self.asked.pattern, named);
        self.rules.store.flights().keep(self.asked.key, Arc::new(kept));
        Ok(())
    }

    fn keep_nothing(&self, why: NotKept) {
        events::not_kept(&self.asked.pattern, &self.asked.named, why);
        events::answers_again(&self.asked.pattern, &self.asked.named);
        let ttl = self.asked.named.keep.ttl();
        let flights = self.rules.store.flights();
        flights.keep_nothing(self.asked.key, self.began, ttl, self.marks.clone());
    }

    /// Takes note of a failure, if it is one, and gives its class.
    fn fail(&self, failure: Option<Classification>) -> Option<ErrorClass> {
        let failure = failure?;
        let now = self.rules.clock.now();
        self.rules.store.flights().fail(self.asked.key, self.began, &failure, now);
        if AfterFailure::of(failure.class()) == AfterFailure::Forget {
            events::answers_again(&self.asked.pattern, &self.asked.named);
        }
        Some(failure.class())
    }

    fn tell(&mut self, outcome: Outcome) {
        self.has_landed = true;
        self.rules.store.flights().end(&self.asked.key, &self.passengers);
        self.passengers.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.has_landed {
            return;
        }
        if thread::panicking() {
            // As any other failure of the server: what is stale is served. The clock may be what panics, so it is not read.
            let class = ErrorClass::Interrupted;
            let failure = Classification::of_class(class);
            self.rules.store.flights().fail(self.asked.key, self.began, &failure, self.began);
            self.tell(Outcome::Failed(FetchFailed::new("the request panicked"), Some(class)));
        } else {
            self.tell(Outcome::Abandoned);
        }
    }
}

/// Whether a body is as long as the fields say, if they do.
fn has_length(headers: &HeaderMap, length: usize) -> bool {
    let length = length.to_string();
    headers.get_all(CONTENT_LENGTH).iter().all(|said| said.as_bytes() == length.as_bytes())
}
