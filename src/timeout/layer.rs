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

/// The time limit of one endpoint. The closure of [`TimeoutLayer::endpoint`] gets the one so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutConfig {
    limit: Option<Duration>,
}

// === impl TimeoutLayer ===

impl TimeoutLayer {
    /// Limits every call to `limit`: from [`Service::call`](tower_service::Service::call) to the end of the response body.
    ///
    /// With a limit of zero every call fails that is not ready at its first poll. A limit beyond the range of the clock is never
    /// exceeded.
    pub fn new(limit: Duration) -> Self {
        let base = TimeoutConfig { limit: Some(limit) };
        Self { endpoints: Arc::new(Endpoints::new(base)) }
    }

    /// Sets the limit of the requests that match `pattern`.
    ///
    /// The closure starts from the settings that apply to them [so far](EndpointPattern#settings-so-far).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_heed::TimeoutLayer;
    ///
    /// TimeoutLayer::new(Duration::from_secs(10))
    ///     .endpoint("POST /login".parse()?, |config| config.limit(Duration::from_secs(2)))
    ///     .endpoint("GET /events".parse()?, |config| config.unlimited());
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
        Self { limit: Some(limit) }
    }

    /// Removes the limit. A call still ends at the [`Deadline`](crate::extensions::Deadline) that its request has.
    #[must_use]
    pub const fn unlimited(self) -> Self {
        Self { limit: None }
    }

    pub(super) const fn get(self) -> Option<Duration> {
        self.limit
    }
}
