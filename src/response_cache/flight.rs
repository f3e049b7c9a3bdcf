//! One request for a response that is to be kept, whoever waits for it.

use std::{future::Future, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, header::SET_COOKIE, response::Parts};
use http_body::Body;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout_at},
};

use super::{
    CacheBody, FetchFailed,
    config::Named,
    events,
    generations::Marks,
    kept::{Kept, Variant},
    key::Key,
    layer::Rules,
    read::{Read, read},
};
use crate::{
    BoxError,
    policy::{
        AfterFailure, Classification, Deadline, ErrorClass, NotKept, ShelfLife,
        errors::{Elapsed, Phase},
    },
};

/// How long after its time limit a flight that has not landed is given up: its runtime may only be slow.
const GRACE: Duration = Duration::from_secs(1);

/// A flight. Whatever becomes of it, those who wait are told: dropping it is an outcome as well.
#[derive(Debug)]
pub(super) struct Flight {
    rules: Arc<Rules>,
    pub(super) named: Arc<Named>,
    pub(super) pattern: Arc<str>,
    key: Key,
    /// Those of the request, for what the response varies by.
    headers: HeaderMap,
    asked: Instant,
    limit: Limit,
    marks: Marks,
    passengers: watch::Sender<Option<Outcome>>,
    has_landed: bool,
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// A response that all who waited can have.
    Answered(Arc<Answer>),
    /// A response that is for one alone. Its class, if it is a failure.
    Passed(Option<ErrorClass>),
    /// No response, and the class of the error.
    Failed(FetchFailed, Option<ErrorClass>),
    /// It was dropped before its end, with the runtime that carried it.
    Abandoned,
}

/// A response as it came.
#[derive(Debug)]
pub(super) struct Answer {
    head: Parts,
    body: Bytes,
    trailers: Option<HeaderMap>,
    variant: Option<Variant>,
    failure: Option<ErrorClass>,
}

/// When a flight is given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    at: Instant,
    /// It is the end of the call that began the flight: another may have more time.
    is_of_leader: bool,
}

/// Where the outcome of a flight is waited for.
#[derive(Clone, Debug)]
pub(super) struct Landing {
    outcome: watch::Receiver<Option<Outcome>>,
    marks: Marks,
    asked: Instant,
    limit: Limit,
}

/// What came of the request.
type Fetched<B> = Result<(Parts, Read<B>), BoxError>;

// === impl Flight ===

impl Flight {
    pub(super) fn new(
        rules: Arc<Rules>,
        named: Arc<Named>,
        pattern: Arc<str>,
        key: Key,
        marks: Marks,
        headers: HeaderMap,
        deadline: Option<Deadline>,
    ) -> (Self, Landing) {
        let (passengers, outcome) = watch::channel(None);
        let asked = rules.clock.now();
        let limit = Limit::new(asked, rules.fetch_timeout, deadline);
        let landing = Landing { outcome, marks: marks.clone(), asked, limit };
        let has_landed = false;
        let flight = Self {
            rules,
            named,
            pattern,
            key,
            headers,
            asked,
            limit,
            marks,
            passengers,
            has_landed,
        };
        (flight, landing)
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
        let max_body_bytes = self.named.max_body_bytes;
        let fetched = match timeout_at(self.limit.at, fetch(response, max_body_bytes)).await {
            Ok(fetched) => fetched,
            Err(_) => {
                let limit = self.limit.at.saturating_duration_since(self.asked);
                let pattern = Some(Arc::clone(&self.pattern));
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

    /// Keeps what is to be kept, before anybody hears of it.
    fn land<B>(&self, fetched: Fetched<B>) -> (Outcome, Option<Response<CacheBody<B>>>) {
        let (head, body) = match fetched {
            Err(error) => {
                let failure = Classification::of_error(error.as_ref());
                self.fail(failure.as_ref());
                let class = failure.map(|failure| failure.class());
                return (Outcome::Failed(FetchFailed::new(error), class), None);
            }
            Ok(fetched) => fetched,
        };
        let failure = self.failure(&head);
        self.fail(failure.as_ref());
        let class = failure.map(|failure| failure.class());
        let (body, trailers) = match body {
            Read::Whole(body, trailers) => (body, trailers),
            Read::Part(start, rest, why) => {
                if class.is_none() {
                    self.keep_nothing(why);
                }
                let body = CacheBody::part(start, rest);
                return (Outcome::Passed(class), Some(Response::from_parts(head, body)));
            }
        };
        let variant = Variant::of(&self.rules.store.secret, &head.headers, &self.headers);
        if class.is_none() {
            let now = self.rules.clock.system_time();
            match ShelfLife::of_response(&self.named.keep, head.status, &head.headers, now) {
                Ok(life) => self.keep(&head, &body, trailers.as_ref(), life, variant.clone()),
                Err(why) => {
                    self.keep_nothing(why);
                    let body = CacheBody::kept(body, trailers);
                    return (Outcome::Passed(None), Some(Response::from_parts(head, body)));
                }
            }
        }
        let answer = Answer { head, body, trailers, variant, failure: class };
        (Outcome::Answered(Arc::new(answer)), None)
    }

    fn keep(
        &self,
        head: &Parts,
        body: &Bytes,
        trailers: Option<&HeaderMap>,
        life: ShelfLife,
        variant: Option<Variant>,
    ) {
        let kept = Kept::new(head, body, trailers, life, self.asked, self.marks.clone(), variant);
        events::kept(&self.pattern, kept.weight(), kept.fresh_for());
        events::answers_again(&self.pattern, &self.named);
        self.rules.store.flights().keep(self.key, Arc::new(kept));
    }

    fn keep_nothing(&self, why: NotKept) {
        events::not_kept(&self.pattern, &self.named, why);
        events::answers_again(&self.pattern, &self.named);
        let ttl = self.named.keep.ttl();
        let flights = self.rules.store.flights();
        flights.keep_nothing(self.key, self.asked, ttl, self.marks.clone());
    }

    fn fail(&self, failure: Option<&Classification>) {
        if let Some(failure) = failure {
            let now = self.rules.clock.now();
            self.rules.store.flights().fail(self.key, self.asked, failure, now);
            if AfterFailure::of(failure.class()) == AfterFailure::Forget {
                events::answers_again(&self.pattern, &self.named);
            }
        }
    }

    fn failure(&self, head: &Parts) -> Option<Classification> {
        if let Some(found) = head.extensions.get::<Classification>() {
            return Some(found.clone());
        }
        let now = || self.rules.clock.system_time();
        let classifier = &*self.rules.classifier;
        Classification::of_answer_when(classifier, head.status, &head.headers, &now)
    }

    fn tell(&mut self, outcome: Outcome) {
        self.has_landed = true;
        let mut flights = self.rules.store.flights();
        flights
            .end(&self.key, |landing| landing.outcome.same_channel(&self.passengers.subscribe()));
        drop(flights);
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
            self.rules.store.flights().fail(self.key, self.asked, &failure, self.asked);
            self.tell(Outcome::Failed(FetchFailed::new("the request panicked"), Some(class)));
        } else {
            self.tell(Outcome::Abandoned);
        }
    }
}

async fn fetch<F, B, E>(response: F, max_body_bytes: usize) -> Fetched<B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let (head, body) = response.await.map_err(Into::into)?.into_parts();
    let body = read(body, max_body_bytes).await.map_err(Into::into)?;
    Ok((head, body))
}

// === impl Answer ===

impl Answer {
    /// Its class, if it is a failure.
    pub(super) const fn failure(&self) -> Option<ErrorClass> {
        self.failure
    }

    pub(super) const fn variant(&self) -> Option<&Variant> {
        self.variant.as_ref()
    }

    /// It as the response of one that waited for it. A cookie is for the one who asked.
    pub(super) fn respond<B>(&self, is_leader: bool) -> Response<CacheBody<B>> {
        let mut head = self.head.clone();
        if !is_leader {
            head.headers.remove(SET_COOKIE);
        }
        Response::from_parts(head, CacheBody::kept(self.body.clone(), self.trailers.clone()))
    }
}

// === impl Limit ===

impl Limit {
    fn new(asked: Instant, fetch_timeout: Duration, deadline: Option<Deadline>) -> Self {
        // A span beyond what the clock can hold is one of a year.
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        let at = asked.checked_add(fetch_timeout).unwrap_or_else(|| asked + year);
        match deadline.map(Deadline::instant) {
            Some(end) if end < at => Self { at: end, is_of_leader: true },
            Some(_) | None => Self { at, is_of_leader: false },
        }
    }
}

// === impl Landing ===

impl Landing {
    /// What its response could be invalidated by.
    pub(super) const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Whether the flight has not landed yet. One that ended without a word, by a panic in here, never will; nor may one that
    /// is long overdue, which only a runtime that nobody drives can make.
    pub(super) fn is_expected(&self, now: Instant) -> bool {
        let overdue = self.limit.at.checked_add(GRACE);
        self.outcome.has_changed().is_ok() && overdue.is_none_or(|overdue| now < overdue)
    }

    /// The moment before the request was sent.
    pub(super) const fn asked(&self) -> Instant {
        self.asked
    }

    /// When it is given up.
    pub(super) const fn end(&self) -> Instant {
        self.limit.at
    }

    /// Whether the flight has to end before the time of a call with this deadline has run out.
    pub(super) fn is_cut_short_for(&self, deadline: Option<Deadline>) -> bool {
        let is_later = |deadline: Deadline| deadline.instant() > self.limit.at;
        self.limit.is_of_leader && deadline.is_none_or(is_later)
    }

    pub(super) async fn outcome(&mut self) -> Outcome {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Abandoned),
            Err(_) => Outcome::Abandoned,
        }
    }
}
