use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::time::{Sleep, sleep};

use super::{
    handle::{InFlight, Permit},
    response::{Outcome, ScriptedError, ScriptedResponse},
};

/// One attempt, until it has its response or is dropped.
#[derive(Debug)]
pub(super) struct ResponseFuture {
    sleep: Option<Pin<Box<Sleep>>>,
    outcome: Outcome,
    _permit: Option<Permit>,
    _in_flight: InFlight,
}

// === impl ResponseFuture ===

impl ResponseFuture {
    pub(super) fn new(
        response: ScriptedResponse,
        permit: Option<Permit>,
        in_flight: InFlight,
    ) -> Self {
        let ScriptedResponse { outcome, after } = response;
        let sleep = (!after.is_zero()).then(|| Box::pin(sleep(after)));
        Self { sleep, outcome, _permit: permit, _in_flight: in_flight }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Full<Bytes>>, ScriptedError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        match std::mem::replace(&mut self.outcome, Outcome::Never) {
            Outcome::Response(response) => Poll::Ready(Ok(response)),
            Outcome::Error(error) => Poll::Ready(Err(error)),
            Outcome::Never => Poll::Pending,
        }
    }
}
