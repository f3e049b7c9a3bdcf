use std::sync::Arc;

use http::{Method, Request};
use tower_layer::Layer;

use super::{
    AttemptSpan,
    attributes::{Methods, server, template},
    future::Attempt,
    span,
};
use crate::{
    endpoint::{EndpointPattern, Endpoints},
    metrics::{self, Duration, Labels, Measured},
};

/// Makes a span for each attempt, by OpenTelemetry's conventions for HTTP clients.
///
/// The [module page](super) lists the attributes and says when a span starts and ends.
#[derive(Clone, Debug)]
#[must_use]
pub struct AttemptSpanLayer {
    settings: Arc<Settings>,
}

/// What the spans of one endpoint show. The closure of [`AttemptSpanLayer::endpoint`] gets the settings so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanConfig {
    shows_url: bool,
}

/// Settings that a layer and its services share.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) endpoints: Endpoints<SpanConfig>,
    pub(super) methods: Methods,
    /// Whether attempts have spans. In a stack without this layer they are only measured.
    has_spans: bool,
    /// The labels of durations.
    labels: Arc<Labels>,
}

// === impl AttemptSpanLayer ===

impl AttemptSpanLayer {
    /// Spans with all attributes, and no endpoints.
    pub fn new() -> Self {
        let endpoints = Endpoints::new(SpanConfig { shows_url: true });
        let (methods, labels) = (Methods::default(), Arc::default());
        Self { settings: Arc::new(Settings { endpoints, methods, has_spans: true, labels }) }
    }

    /// Measures attempts, and makes no spans.
    #[cfg(feature = "metrics")]
    pub(crate) fn without_spans() -> Self {
        let mut layer = Self::new();
        Arc::make_mut(&mut layer.settings).has_spans = false;
        layer
    }

    /// Leaves out `url.full`, and with it the path, for requests that match no endpoint and for endpoints declared later, unless a
    /// wider endpoint was declared before. Call it first.
    pub fn without_url(mut self) -> Self {
        let base = Arc::make_mut(&mut self.settings).endpoints.base_mut();
        *base = base.without_url();
        self
    }

    /// Names the stack that this layer belongs to: the attribute `tower_heed.stack` of its spans. By default there is none.
    /// [`Stack::name`](crate::Stack::name) names all layers of a stack.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.settings).endpoints.set_stack(name.into());
        self
    }

    /// Sets the methods that spans name. Any other method is shown as `_OTHER`, in a span named `HTTP`.
    ///
    /// By default these are the methods of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-9), `PATCH` and `QUERY`.
    /// The given list replaces them.
    pub fn known_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        Arc::make_mut(&mut self.settings).methods = Methods::from_iter(methods);
        self
    }

    /// Names the requests that match `pattern` after it: its path is in the span's name and in `url.template`. The closure starts
    /// from the settings that apply to them [so far](EndpointPattern#settings-so-far).
    ///
    /// ```
    /// use tower_heed::AttemptSpanLayer;
    ///
    /// AttemptSpanLayer::new()
    ///     .endpoint("GET /users/{id}".parse()?, |config| config)
    ///     .endpoint("POST /invitations/{code}".parse()?, |config| config.without_url());
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn endpoint<F>(self, pattern: EndpointPattern, configure: F) -> Self
    where
        F: FnOnce(SpanConfig) -> SpanConfig,
    {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change, only its name is new.
    pub(crate) fn set_endpoint<F>(mut self, pattern: EndpointPattern, change: Option<F>) -> Self
    where
        F: FnOnce(SpanConfig) -> SpanConfig,
    {
        Arc::make_mut(&mut self.settings).endpoints.configure(pattern, change);
        self
    }
}

impl Default for AttemptSpanLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for AttemptSpanLayer {
    type Service = AttemptSpan<S>;

    fn layer(&self, inner: S) -> Self::Service {
        metrics::layered();
        AttemptSpan::new(inner, Arc::clone(&self.settings))
    }
}

// === impl Settings ===

impl Settings {
    /// Whether the subscriber wants spans.
    #[inline]
    pub(super) fn traces(&self) -> bool {
        self.has_spans && span::is_enabled()
    }

    pub(super) fn begin<B>(&self, request: &Request<B>, traces: bool) -> Attempt {
        let endpoint = self.endpoints.of(request);
        let duration = Duration::begin(
            &self.labels,
            || {
                let (server, port) = server(request.uri(), request.headers());
                let method = self.methods.name(request.method()).unwrap_or(span::OTHER);
                Measured { method, server, port, template: template(endpoint.pattern()) }
            },
            &endpoint,
        );
        let span = traces.then(|| span::begin(request, &endpoint, &self.methods));
        Attempt { span, duration }
    }
}

// === impl SpanConfig ===

impl SpanConfig {
    /// Leaves out `url.full`, and with it the path: for an endpoint with secrets or personal data in its path.
    #[must_use]
    pub const fn without_url(self) -> Self {
        Self { shows_url: false }
    }

    /// Undoes [`without_url`](Self::without_url): an exception from a wider pattern.
    #[must_use]
    pub const fn with_url(self) -> Self {
        Self { shows_url: true }
    }

    pub(super) const fn shows_url(self) -> bool {
        self.shows_url
    }
}
