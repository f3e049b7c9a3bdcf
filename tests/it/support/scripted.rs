//! An API whose answers are a function of the request, and short ways to write requests and answers.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::Service;

use super::probe::Body;

type Script = dyn Fn(&Request<Body>) -> Response<Body> + Send + Sync;

/// A service that answers each request at once with what `answer` says.
#[derive(Clone)]
pub struct Scripted {
    answer: Arc<Script>,
    sends: Arc<AtomicUsize>,
}

/// A `GET` of this path.
pub fn get(path: &str) -> Request<Body> {
    Request::get(format!("https://id.example{path}")).body(Body::default()).unwrap()
}

/// An answer with this status, these header fields and no body.
pub fn answer(status: u16, headers: &[(&str, &str)]) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::default()).unwrap()
}

// === impl Scripted ===

impl Scripted {
    pub fn new(answer: impl Fn(&Request<Body>) -> Response<Body> + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), sends: Arc::default() }
    }

    /// Answers the requests for `/NNN` with the status `NNN`.
    pub fn as_asked() -> Self {
        Self::new(|request| answer(request.uri().path()[1..].parse().unwrap(), &[]))
    }

    /// What it answers, without sending.
    pub fn answer_to(&self, request: &Request<Body>) -> Response<Body> {
        (self.answer)(request)
    }

    pub fn sends(&self) -> usize {
        self.sends.load(Ordering::SeqCst)
    }
}

impl Service<Request<Body>> for Scripted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.sends.fetch_add(1, Ordering::SeqCst);
        ready(Ok(self.answer_to(&request)))
    }
}
