//! An inner service that notices how it is treated.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::Service;

pub type Body = Full<Bytes>;

/// A service with as many permits as it is given: `poll_ready` takes one, `call` hands it to the future, a clone starts
/// with none. It records each call of an instance that was not made ready.
#[derive(Debug)]
pub struct Probe {
    shared: Arc<Mutex<Shared>>,
    permit: Option<Permit>,
}

/// The test's side of a [`Probe`].
#[derive(Clone, Debug)]
pub struct Watch {
    shared: Arc<Mutex<Shared>>,
}

/// What one send is answered with.
#[derive(Debug)]
pub enum Answer {
    Response(Response<Body>),
    Error(ProbeError),
    Never,
}

/// The probe's own error, which layers have to pass on unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeError(pub &'static str);

#[derive(Debug)]
struct Shared {
    permits: usize,
    waiters: Vec<Waker>,
    broken: Option<ProbeError>,
    answers: VecDeque<Answer>,
    requests: Vec<Request<Body>>,
    in_flight: usize,
    unready_calls: usize,
    readiness_asked: usize,
}

#[derive(Debug)]
struct Permit {
    shared: Arc<Mutex<Shared>>,
}

/// The future of one send.
#[derive(Debug)]
pub struct ProbeFuture {
    answer: Option<Answer>,
    shared: Arc<Mutex<Shared>>,
    _permit: Option<Permit>,
}

/// A probe with `permits`, and what watches it. It answers 200 with an empty body until told otherwise.
pub fn probe(permits: usize) -> (Probe, Watch) {
    let shared = Arc::new(Mutex::new(Shared {
        permits,
        waiters: Vec::new(),
        broken: None,
        answers: VecDeque::new(),
        requests: Vec::new(),
        in_flight: 0,
        unready_calls: 0,
        readiness_asked: 0,
    }));
    (Probe { shared: Arc::clone(&shared), permit: None }, Watch { shared })
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Probe ===

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), permit: None }
    }
}

impl Service<Request<Body>> for Probe {
    type Response = Response<Body>;
    type Error = ProbeError;
    type Future = ProbeFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProbeError>> {
        let mut shared = lock(&self.shared);
        shared.readiness_asked += 1;
        if let Some(error) = shared.broken {
            return Poll::Ready(Err(error));
        }
        if self.permit.is_none() {
            if shared.permits == 0 {
                shared.waiters.push(cx.waker().clone());
                return Poll::Pending;
            }
            shared.permits -= 1;
            self.permit = Some(Permit { shared: Arc::clone(&self.shared) });
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ProbeFuture {
        let permit = self.permit.take();
        let mut shared = lock(&self.shared);
        shared.unready_calls += usize::from(permit.is_none());
        shared.in_flight += 1;
        shared.requests.push(request);
        let answer = shared.answers.pop_front();
        let answer = answer.unwrap_or_else(|| Answer::Response(Response::default()));
        ProbeFuture { answer: Some(answer), shared: Arc::clone(&self.shared), _permit: permit }
    }
}

// === impl Watch ===

impl Watch {
    /// Answers the next send that has no answer yet.
    pub fn answer(&self, answer: Answer) {
        lock(&self.shared).answers.push_back(answer);
    }

    /// Answers the next send with `status` and these header fields.
    pub fn respond(&self, status: u16, headers: &[(&str, &str)]) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        self.answer(Answer::Response(response.body(Body::default()).unwrap()));
    }

    /// Gives the probe more permits, and wakes those who wait for one.
    pub fn add_permits(&self, permits: usize) {
        let waiters = {
            let mut shared = lock(&self.shared);
            shared.permits += permits;
            std::mem::take(&mut shared.waiters)
        };
        waiters.into_iter().for_each(Waker::wake);
    }

    /// From now on `poll_ready` fails.
    pub fn break_readiness(&self, error: ProbeError) {
        lock(&self.shared).broken = Some(error);
    }

    /// One more instance, not ready.
    pub fn probe(&self) -> Probe {
        Probe { shared: Arc::clone(&self.shared), permit: None }
    }

    pub fn permits(&self) -> usize {
        lock(&self.shared).permits
    }

    pub fn sends(&self) -> usize {
        lock(&self.shared).requests.len()
    }

    pub fn take_requests(&self) -> Vec<Request<Body>> {
        std::mem::take(&mut lock(&self.shared).requests)
    }

    /// Futures of sends that are neither done nor dropped.
    pub fn in_flight(&self) -> usize {
        lock(&self.shared).in_flight
    }

    pub fn unready_calls(&self) -> usize {
        lock(&self.shared).unready_calls
    }

    pub fn readiness_asked(&self) -> usize {
        lock(&self.shared).readiness_asked
    }
}

// === impl Permit ===

impl Drop for Permit {
    fn drop(&mut self) {
        Watch { shared: Arc::clone(&self.shared) }.add_permits(1);
    }
}

// === impl ProbeFuture ===

impl Future for ProbeFuture {
    type Output = Result<Response<Body>, ProbeError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.answer.take() {
            Some(Answer::Response(response)) => Poll::Ready(Ok(response)),
            Some(Answer::Error(error)) => Poll::Ready(Err(error)),
            Some(Answer::Never) | None => Poll::Pending,
        }
    }
}

impl Drop for ProbeFuture {
    fn drop(&mut self) {
        lock(&self.shared).in_flight -= 1;
    }
}

// === impl ProbeError ===

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for ProbeError {}
