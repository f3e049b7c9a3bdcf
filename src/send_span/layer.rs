use std::sync::Arc;

use tower_layer::Layer;

use super::{Config, SendSpan};
use crate::{error::InvalidConfig, policy::Endpoints};

/// Makes a span for each send, by OpenTelemetry's conventions for HTTP clients.
///
/// The [module page](super) says what is in it and from when to when it lasts.
#[derive(Clone, Debug)]
#[must_use]
pub struct SendSpanLayer {
    endpoints: Arc<Endpoints<Config>>,
}

// === impl SendSpanLayer ===

impl SendSpanLayer {
    /// Spans that show all that the conventions ask for, and no endpoints.
    pub fn new() -> Self {
        Self { endpoints: Arc::new(Endpoints::new(Config::new())) }
    }

    /// Leaves out `url.full`, and with it the path, of the requests to no endpoint and of endpoints that are declared later.
    pub fn without_url(mut self) -> Self {
        let base = Arc::make_mut(&mut self.endpoints).base_mut();
        *base = base.without_url();
        self
    }

    /// Names the requests that match `pattern` by it: their spans have its path in their name and as `url.template`; see
    /// [`Endpoints`] for the syntax.
    ///
    /// ```
    /// use tower_heed::SendSpanLayer;
    ///
    /// SendSpanLayer::new()
    ///     .endpoint("GET /users/{id}", |config| config)?
    ///     .endpoint("POST /invitations/{code}", |config| config.without_url())?;
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A pattern that is malformed or there already.
    pub fn endpoint<F>(mut self, pattern: &str, configure: F) -> Result<Self, InvalidConfig>
    where
        F: FnOnce(Config) -> Config,
    {
        let config = configure(*self.endpoints.base());
        Arc::make_mut(&mut self.endpoints).insert(pattern, config)?;
        Ok(self)
    }
}

impl Default for SendSpanLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for SendSpanLayer {
    type Service = SendSpan<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SendSpan::new(inner, Arc::clone(&self.endpoints))
    }
}
