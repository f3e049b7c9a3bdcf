//! From a failure to what the caller gets.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{
    FallbackBody, FallbackLayer,
    answer::{Answer, Later},
    call::Call,
    config::Then,
    events,
    judge::Failed,
};
use crate::{
    BoxError,
    body::{Drain, drain},
    extensions::Degraded,
};

/// A failure that is not passed on.
pub(super) struct Settlement {
    call: Call,
    failed: Failed,
    /// The error that it was; none for an answer.
    source: Option<BoxError>,
}

/// How far an answer in the upstream's place has come.
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Settled<B> {
    Done(Result<Response<FallbackBody<B>>, BoxError>),
    Later(Later, Settlement),
}

pin_project! {
    /// What takes time: reading the upstream's own answer away, and an answer that is waited for.
    pub(super) struct Settle<B> {
        #[pin]
        drain: Option<Drain<B>>,
        // Whether what is not there at once is waited for.
        may_wait: bool,
        #[pin]
        give_up: Option<Sleep>,
        later: Option<Later>,
        settlement: Option<Settlement>,
    }
}

// === impl Settlement ===

impl Settlement {
    pub(super) const fn new(call: Call, failed: Failed, source: Option<BoxError>) -> Self {
        Self { call, failed, source }
    }

    pub(super) fn settle<B>(mut self) -> Settled<B> {
        let answer = match self.failed.then {
            Then::Open => self.call.config.answer.clone(),
            Then::Closed | Then::PassThrough => None,
        };
        let answer = answer
            .and_then(|answer| Some((answer, self.call.failure(&self.failed.classification)?)));
        match answer {
            Some((Answer::Now(answer), failure)) => {
                let response = answer(&failure);
                Settled::Done(self.end(response))
            }
            Some((Answer::Later(answer), failure)) => Settled::Later(answer(failure), self),
            None => Settled::Done(self.end(None)),
        }
    }

    /// The answer in the upstream's place, or the error.
    fn end<B>(
        self,
        response: Option<Response<Bytes>>,
    ) -> Result<Response<FallbackBody<B>>, BoxError> {
        let Self { call, failed: Failed { classification, .. }, source } = self;
        let Some(mut response) = response else {
            events::failing_closed(call.endpoint(), &classification);
            call.meter().fell_back(classification.class().as_str(), "closed");
            return Err(call.unavailable(classification, source).into());
        };
        events::failing_open(call.endpoint(), &classification);
        call.meter().fell_back(classification.class().as_str(), "open");
        let mark = Degraded::new(classification.class(), classification.retry_after());
        response.extensions_mut().insert(mark);
        Ok(response.map(FallbackBody::in_its_place))
    }
}

// === impl Settle ===

impl<B: Body> Settle<B> {
    /// Lets the upstream's answer go first, so that neither it nor its connection is held any longer.
    pub(super) fn of_answer(body: B, settlement: Settlement) -> Self {
        let drain = Some(drain(body, FallbackLayer::DRAIN_MAX_BYTES));
        let may_wait = settlement.call.has_time_for(FallbackLayer::DRAIN_TIMEOUT);
        Self { drain, may_wait, give_up: None, later: None, settlement: Some(settlement) }
    }

    pub(super) const fn later(later: Later, settlement: Settlement) -> Self {
        Self {
            drain: None,
            may_wait: false,
            give_up: None,
            later: Some(later),
            settlement: Some(settlement),
        }
    }
}

impl<B: Body> Future for Settle<B> {
    type Output = Result<Response<FallbackBody<B>>, BoxError>;

    #[allow(clippy::expect_used, reason = "a future that was ready is not polled again")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const TAKEN: &str = "`Settle` polled after it was ready";
        let mut this = self.project();
        if let Some(drain) = this.drain.as_mut().as_pin_mut() {
            if drain.poll(cx).is_pending() && *this.may_wait {
                // What is there at once, as most is, needs no timer.
                if this.give_up.is_none() {
                    this.give_up.set(Some(sleep(FallbackLayer::DRAIN_TIMEOUT)));
                }
                if let Some(give_up) = this.give_up.as_mut().as_pin_mut() {
                    ready!(give_up.poll(cx));
                }
            }
            this.drain.set(None);
            this.give_up.set(None);
        }
        loop {
            if let Some(later) = this.later {
                let response = ready!(later.as_mut().poll(cx));
                return Poll::Ready(this.settlement.take().expect(TAKEN).end(response));
            }
            match this.settlement.take().expect(TAKEN).settle() {
                Settled::Done(result) => return Poll::Ready(result),
                Settled::Later(later, settlement) => {
                    *this.later = Some(later);
                    *this.settlement = Some(settlement);
                }
            }
        }
    }
}
