use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Config, Timeout};
use crate::{clock::Clock, endpoint::Endpoints, error::InvalidConfig};

/// Bounds the time of a call, from its start to the end of the response body.
///
/// The [module page](super) says what it counts and what it sets for the layers inside.
#[derive(Clone, Debug)]
pub struct TimeoutLayer {
    endpoints: Arc<Endpoints<Config>>,
    clock: Clock,
}

// === impl TimeoutLayer ===

impl TimeoutLayer {
    /// Every call may take `limit`: from [`Service::call`](tower_service::Service::call) to the end of the response
    /// body. A limit beyond what the clock can hold never runs out.
    ///
    /// # Errors
    ///
    /// A limit of zero: no call could pass it. To leave an endpoint without a limit, say so by
    /// [`Config::unlimited`].
    pub fn new(limit: Duration) -> Result<Self, InvalidConfig> {
        Config::default().limit(limit).checked()?;
        Ok(Self::of(limit))
    }

    /// As [`new`](Self::new), for a limit that is known not to be zero.
    pub(crate) fn of(limit: Duration) -> Self {
        let base = Config::default().limit(limit);
        Self { endpoints: Arc::new(Endpoints::new(base)), clock: Clock::default() }
    }

    /// Gives the requests that match `pattern` a limit of their own; see [`EndpointPattern`](crate::EndpointPattern) for the syntax.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_heed::TimeoutLayer;
    ///
    /// TimeoutLayer::new(Duration::from_secs(10))?
    ///     .endpoint("POST /oauth/token", |config| config.limit(Duration::from_secs(2)))?
    ///     .endpoint("GET /events", |config| config.unlimited())?;
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A pattern that is malformed or there already, or a limit of zero.
    pub fn endpoint<F>(mut self, pattern: &str, configure: F) -> Result<Self, InvalidConfig>
    where
        F: FnOnce(Config) -> Config,
    {
        let config = configure(*self.endpoints.base()).checked()?;
        Arc::make_mut(&mut self.endpoints).insert(pattern.parse()?, config);
        Ok(self)
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, Arc::clone(&self.endpoints), self.clock.clone())
    }
}
