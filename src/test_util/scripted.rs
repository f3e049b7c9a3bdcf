//! A service in the place of a client, which answers as it was told.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

use super::{
    Answer, ResponseFuture, ScriptedError, ScriptedHandle,
    limit::Limit,
    script::{Gate, Permit, Shared, Underway, lock},
};
use crate::clock::Clock;

/// A service in the place of a client: answers in the order that a test has [scripted](ScriptedHandle::answer), records what was
/// asked, and panics if it is called without having been made ready.
///
/// Where no answer is scripted it gives [`otherwise`](Self::otherwise)'s, by default an empty 200. Clones share the script.
/// `B` is the type of the requests' bodies, which are recorded unread.
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Full;
/// use tower::ServiceExt;
/// use tower_heed::test_util::{Answer, ScriptedService};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_heed::BoxError> {
/// let api = ScriptedService::new();
/// let script = api.handle();
/// script.answer(Answer::status(503));
///
/// let post = Request::post("https://id.example/jobs").body(Full::<Bytes>::from("{}"))?;
/// assert_eq!(api.oneshot(post).await?.status(), 503);
/// assert_eq!(script.take_requests()[0].uri().path(), "/jobs");
/// # Ok(())
/// # }
/// ```
pub struct ScriptedService<B = Full<Bytes>> {
    handle: ScriptedHandle<B>,
    permit: Option<Permit>,
}

// === impl ScriptedService ===

impl<B> ScriptedService<B> {
    /// Answers with 200 until it is told otherwise.
    #[must_use]
    pub fn new() -> Self {
        Self::of(ScriptedHandle {
            shared: Arc::new(Mutex::new(Shared {
                answers: VecDeque::new(),
                otherwise: Box::new(|_| Answer::default()),
                limit: None,
                requests: Vec::new(),
            })),
            gate: Arc::new(Mutex::new(Gate {
                permits: usize::MAX,
                waiters: Vec::new(),
                broken: None,
                in_flight: 0,
                unready_calls: 0,
                counts_unready_calls: false,
                readiness_asked: 0,
            })),
        })
    }

    pub(super) fn of(handle: ScriptedHandle<B>) -> Self {
        Self { handle, permit: None }
    }

    /// The test's side.
    #[must_use]
    pub fn handle(&self) -> ScriptedHandle<B> {
        self.handle.clone()
    }

    /// Says what is answered where nothing is scripted: a function of the request, which may count as well. It must not use the
    /// handle.
    ///
    /// ```
    /// use tower_heed::test_util::{Answer, ScriptedService};
    ///
    /// let api: ScriptedService = ScriptedService::new().otherwise(|request| {
    ///     match request.headers().contains_key("authorization") {
    ///         true => Answer::status(200),
    ///         false => Answer::status(401).header("www-authenticate", "Bearer"),
    ///     }
    /// });
    /// # drop(api);
    /// ```
    #[must_use]
    pub fn otherwise<F>(self, answer: F) -> Self
    where
        F: FnMut(&Request<B>) -> Answer + Send + 'static,
    {
        lock(&self.handle.shared).otherwise = Box::new(answer);
        self
    }

    /// Lets `requests` through in each `window` and refuses the others with 429, a `Retry-After` and the fields
    /// `x-ratelimit-limit`, `-remaining` and `-reset` (in seconds from now), which the answers of the others carry too. A window
    /// begins with the first request after the last one has ended, on tokio's clock. A refusal takes none of the scripted
    /// answers.
    ///
    /// ```
    /// use std::time::Duration;
    /// use bytes::Bytes;
    /// use http::Request;
    /// use http_body_util::Full;
    /// use tower::{Layer, ServiceExt};
    /// use tower_heed::{Stack, test_util::ScriptedService};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), tower_heed::BoxError> {
    /// let api = ScriptedService::new().limited(10, Duration::from_secs(1));
    /// let script = api.handle();
    /// let client = Stack::new().layer(api);
    /// for _ in 0..30 {
    ///     let get = Request::get("https://id.example/users").body(Full::<Bytes>::default())?;
    ///     assert_eq!(client.clone().oneshot(get).await?.status(), 200);
    /// }
    /// assert!(script.sends() < 33); // hardly one was refused
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn limited(self, requests: u32, window: Duration) -> Self {
        lock(&self.handle.shared).limit = Some(Limit::new(requests, window));
        self
    }

    /// Lets that many calls be ready or under way at a time, as a concurrency limit does; by default as many as there are.
    #[must_use]
    pub fn permits(self, permits: usize) -> Self {
        lock(&self.handle.gate).permits = permits;
        self
    }

    /// Counts calls of instances that were not made ready, and answers them, in place of a panic.
    #[must_use]
    pub fn counts_unready_calls(self) -> Self {
        lock(&self.handle.gate).counts_unready_calls = true;
        self
    }
}

impl<B> Default for ScriptedService<B> {
    fn default() -> Self {
        Self::new()
    }
}

/// A clone is not ready.
impl<B> Clone for ScriptedService<B> {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl<B> fmt::Debug for ScriptedService<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedService")
            .field("ready", &self.permit.is_some())
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for ScriptedService<B> {
    type Response = Response<Full<Bytes>>;
    type Error = ScriptedError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ScriptedError>> {
        let mut gate = lock(&self.handle.gate);
        gate.readiness_asked += 1;
        if let Some(broken) = &gate.broken {
            return Poll::Ready(Err(ScriptedError::new(broken.0())));
        }
        if self.permit.is_none() {
            if gate.permits == 0 {
                gate.waiters.push(cx.waker().clone());
                return Poll::Pending;
            }
            gate.permits -= 1;
            self.permit = Some(Permit(Arc::clone(&self.handle.gate)));
        }
        Poll::Ready(Ok(()))
    }

    /// # Panics
    ///
    /// If this instance was not made ready since its last call, unless such calls are
    /// [counted](ScriptedService::counts_unready_calls).
    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let permit = self.permit.take();
        if permit.is_none() {
            let mut gate = lock(&self.handle.gate);
            assert!(gate.counts_unready_calls, "called an instance that was not made ready");
            gate.unready_calls += 1;
        }
        let underway = Underway::new(&self.handle.gate);
        let mut shared = lock(&self.handle.shared);
        let Shared { answers, otherwise, limit, requests } = &mut *shared;
        let mut answer = || answers.pop_front().unwrap_or_else(|| otherwise(&request));
        let answer = match limit {
            Some(limit) => limit.count(Clock::default().now(), answer),
            None => answer(),
        };
        requests.push(request);
        ResponseFuture::new(answer, permit, underway)
    }
}
