use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::Timeout;
use crate::endpoint::{EndpointPattern, Endpoints};

/// Limits the time of a call, from its start to the end of the response body.
///
/// The [module page](super) says what the limit covers and what the layers inside learn of it.
#[derive(Clone, Debug)]
#[must_use]
pub struct TimeoutLayer {
    endpoints: Arc<Endpoints<TimeoutConfig>>,
}

/// The time limits of one endpoint. The closure of [`TimeoutLayer::endpoint`] gets the one so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutConfig {
    limit: Option<Duration>,
    idle: Option<Duration>,
    sends_grpc_timeout: bool,
}

// === impl TimeoutLayer ===

impl TimeoutLayer {
    /// Limits every call to `limit`: from [`Service::call`](tower_service::Service::call) to the end of the response body.
    ///
    /// With a limit of zero every call fails that is not ready at its first poll. A limit beyond the range of the clock is never
    /// exceeded.
    pub fn new(limit: Duration) -> Self {
        let base = TimeoutConfig { limit: Some(limit), idle: None, sends_grpc_timeout: false };
        Self { endpoints: Arc::new(Endpoints::new(base)) }
    }

    /// Limits the time in which nothing arrives, beside the limit of the whole call: see [`TimeoutConfig::idle`].
    pub fn idle(mut self, limit: Duration) -> Self {
        let base = Arc::make_mut(&mut self.endpoints).base_mut();
        *base = base.idle(limit);
        self
    }

    /// Sets the limits of the requests that match `pattern`.
    ///
    /// The closure starts from the settings that apply to them [so far](EndpointPattern#settings-so-far).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_heed::TimeoutLayer;
    ///
    /// TimeoutLayer::new(Duration::from_secs(10))
    ///     .endpoint("POST /login".parse()?, |config| config.limit(Duration::from_secs(2)))
    ///     .endpoint("GET /events".parse()?, |config| config.unlimited().idle(Duration::from_secs(60)));
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn endpoint<F>(self, pattern: EndpointPattern, configure: F) -> Self
    where
        F: FnOnce(TimeoutConfig) -> TimeoutConfig,
    {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change, only its name is new.
    pub(crate) fn set_endpoint<F>(mut self, pattern: EndpointPattern, change: Option<F>) -> Self
    where
        F: FnOnce(TimeoutConfig) -> TimeoutConfig,
    {
        Arc::make_mut(&mut self.endpoints).configure(pattern, change);
        self
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, Arc::clone(&self.endpoints))
    }
}

// === impl TimeoutConfig ===

impl TimeoutConfig {
    /// Limits a call to this endpoint to `limit`.
    #[must_use]
    pub const fn limit(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Removes the limit of the whole call, but not [`idle`](Self::idle). A call still ends at the [`Deadline`](crate::extensions::Deadline) that its request has.
    #[must_use]
    pub const fn unlimited(self) -> Self {
        Self { limit: None, ..self }
    }

    /// Limits the time in which nothing arrives: from the request to the head of the response, and from one piece of its body to the
    /// next, as far as the caller waits for them. Default: no limit.
    ///
    /// For event streams and long downloads, [`unlimited`](Self::unlimited) otherwise: a stream that lives may take any time, and one
    /// that is dead ends. Time for which a layer inside holds the request back does not count. While an upload is read by a
    /// [`ReplayBody`](crate::body::ReplayBody) each piece counts as well, and what stops is noticed after twice the time at the latest.
    /// The error is the same as that of the whole call, with this limit.
    #[must_use]
    pub const fn idle(self, limit: Duration) -> Self {
        Self { idle: Some(limit), ..self }
    }

    /// Removes the limit of [`idle`](Self::idle): an exception from a wider pattern.
    #[must_use]
    pub const fn without_idle(self) -> Self {
        Self { idle: None, ..self }
    }

    /// Tells a gRPC server how much time is left, in the request field `grpc-timeout`, so that it does not go on for nobody: the time to
    /// the earliest deadline that is in force, unless the request has the field with less. For the limit of each attempt, since it is less
    /// at each. Default: not told.
    #[must_use]
    pub const fn send_grpc_timeout(self) -> Self {
        Self { sends_grpc_timeout: true, ..self }
    }

    /// Undoes [`send_grpc_timeout`](Self::send_grpc_timeout): an exception from a wider pattern.
    #[must_use]
    pub const fn without_grpc_timeout(self) -> Self {
        Self { sends_grpc_timeout: false, ..self }
    }

    pub(super) const fn sends_grpc_timeout(self) -> bool {
        self.sends_grpc_timeout
    }

    pub(super) const fn get_idle(self) -> Option<Duration> {
        self.idle
    }

    pub(super) const fn get(self) -> Option<Duration> {
        self.limit
    }
}
