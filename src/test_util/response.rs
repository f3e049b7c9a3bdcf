//! The future of one send.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::time::{Sleep, sleep};

use super::{
    answer::{Answer, Outcome, ScriptedError},
    script::{Permit, Underway},
};

/// The future of [`ScriptedService`](super::ScriptedService).
#[derive(Debug)]
pub struct ResponseFuture {
    sleep: Option<Pin<Box<Sleep>>>,
    outcome: Outcome,
    _permit: Option<Permit>,
    _underway: Underway,
}

// === impl ResponseFuture ===

impl ResponseFuture {
    pub(super) fn new(answer: Answer, permit: Option<Permit>, underway: Underway) -> Self {
        let sleep = (!answer.after.is_zero()).then(|| Box::pin(sleep(answer.after)));
        Self { sleep, outcome: answer.outcome, _permit: permit, _underway: underway }
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
