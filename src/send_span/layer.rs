use std::sync::Arc;

use http::Method;
use tower_layer::Layer;

use super::{Config, SendSpan, methods::Methods};
use crate::{endpoint::Endpoints, error::InvalidConfig};

/// Makes a span for each send, by OpenTelemetry's conventions for HTTP clients.
///
/// The [module page](super) says what is in it and from when to when it lasts.
#[derive(Clone, Debug)]
#[must_use]
pub struct SendSpanLayer {
    rules: Arc<Rules>,
}

/// What a layer and its services share.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) endpoints: Endpoints<Config>,
    pub(super) methods: Methods,
}

// === impl SendSpanLayer ===

impl SendSpanLayer {
    /// Spans that show all that the conventions ask for, and no endpoints.
    pub fn new() -> Self {
        let endpoints = Endpoints::new(Config::new());
        Self { rules: Arc::new(Rules { endpoints, methods: Methods::default() }) }
    }

    /// Leaves out `url.full`, and with it the path, of the requests to no endpoint and of endpoints that are declared later.
    pub fn without_url(mut self) -> Self {
        let base = Arc::make_mut(&mut self.rules).endpoints.base_mut();
        *base = base.without_url();
        self
    }

    /// Tells these methods by their names, and no others: the rest is `_OTHER`, and the spans of it are named `HTTP`.
    ///
    /// Without it: those of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-9), `PATCH` and `QUERY`. What is
    /// given takes their place.
    pub fn known_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        Arc::make_mut(&mut self.rules).methods = Methods::these(methods);
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
        let config = configure(*self.rules.endpoints.base());
        Arc::make_mut(&mut self.rules).endpoints.insert(pattern, config)?;
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
        SendSpan::new(inner, Arc::clone(&self.rules))
    }
}
