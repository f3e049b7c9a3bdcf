use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

use super::{
    ScriptedError, ScriptedHandle, ScriptedResponse,
    future::ResponseFuture,
    handle::{Gate, InFlight, Permit, Shared, lock},
    rate_limit::RateLimit,
};
use crate::clock::Clock;

/// A service instead of a client: returns [scripted](ScriptedHandle::push) responses in order, records the requests, and panics if it
/// is called without having been made ready.
///
/// Without a scripted response it returns that of [`otherwise`](Self::otherwise), by default an empty 200. Clones share the script.
/// `B` is the type of the request bodies, which are recorded unread.
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Full;
/// use tower::ServiceExt;
/// use tower_heed::test_util::ScriptedService;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_heed::BoxError> {
/// let api = ScriptedService::new();
/// let script = api.handle();
/// script.respond(503, &[]);
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
    /// A service that responds 200 until a test scripts something else.
    #[must_use]
    pub fn new() -> Self {
        Self::of(ScriptedHandle {
            shared: Arc::new(Mutex::new(Shared {
                responses: VecDeque::new(),
                otherwise: Box::new(|_| ScriptedResponse::default()),
                rate_limit: None,
                requests: Vec::new(),
            })),
            gate: Arc::new(Mutex::new(Gate {
                permits: usize::MAX,
                waiters: Vec::new(),
                broken: None,
                in_flight: 0,
                unready_calls: 0,
                counts_unready_calls: false,
                poll_ready_calls: 0,
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

    /// Sets the closure that responds when nothing is scripted. It must not use the handle.
    ///
    /// ```
    /// use tower_heed::test_util::{ScriptedResponse, ScriptedService};
    ///
    /// let api: ScriptedService = ScriptedService::new().otherwise(|request| {
    ///     match request.headers().contains_key("authorization") {
    ///         true => ScriptedResponse::status(200),
    ///         false => ScriptedResponse::status(401).header("www-authenticate", "Bearer"),
    ///     }
    /// });
    /// # drop(api);
    /// ```
    #[must_use]
    pub fn otherwise<F>(self, respond: F) -> Self
    where
        F: FnMut(&Request<B>) -> ScriptedResponse + Send + 'static,
    {
        lock(&self.handle.shared).otherwise = Box::new(respond);
        self
    }

    /// Allows `requests` in each `window`. Others get a 429 with `Retry-After`, and use no scripted response. All responses have the
    /// headers `x-ratelimit-limit`, `-remaining` and `-reset` (in seconds from now). A window starts with the first request after
    /// the last one ended, on tokio's clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use bytes::Bytes;
    /// use http::Request;
    /// use http_body_util::Full;
    /// use tower::ServiceExt;
    /// use tower_heed::{Stack, test_util::ScriptedService};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), tower_heed::BoxError> {
    /// let api = ScriptedService::new().rate_limit(10, Duration::from_secs(1));
    /// let script = api.handle();
    /// let client = Stack::new().service(api);
    /// for _ in 0..30 {
    ///     let get = Request::get("https://id.example/users").body(Full::<Bytes>::default())?;
    ///     assert_eq!(client.clone().oneshot(get).await?.status(), 200);
    /// }
    /// assert!(script.attempts() < 33); // few were rate limited
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn rate_limit(self, requests: u32, window: Duration) -> Self {
        lock(&self.handle.shared).rate_limit = Some(RateLimit::new(requests, window));
        self
    }

    /// Limits the number of calls that are ready or in flight, as a concurrency limit does. By default there is no limit.
    #[must_use]
    pub fn permits(self, permits: usize) -> Self {
        lock(&self.handle.gate).permits = permits;
        self
    }

    /// Counts calls of instances that were not made ready instead of panicking.
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
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ScriptedError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ScriptedError>> {
        let mut gate = lock(&self.handle.gate);
        gate.poll_ready_calls += 1;
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
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let permit = self.permit.take();
        if permit.is_none() {
            let mut gate = lock(&self.handle.gate);
            assert!(gate.counts_unready_calls, "called an instance that was not made ready");
            gate.unready_calls += 1;
        }
        let in_flight = InFlight::new(&self.handle.gate);
        let mut shared = lock(&self.handle.shared);
        let Shared { responses, otherwise, rate_limit, requests } = &mut *shared;
        let mut respond = || responses.pop_front().unwrap_or_else(|| otherwise(&request));
        let response = match rate_limit {
            Some(limit) => limit.count(Clock::default().now(), respond),
            None => respond(),
        };
        requests.push(request);
        Box::pin(ResponseFuture::new(response, permit, in_flight))
    }
}
