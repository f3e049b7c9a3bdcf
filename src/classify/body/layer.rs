use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::ClassifyBody;
use crate::{EndpointPattern, classify::Classifier, clock::Clock, endpoint::Endpoints};

/// Reads the beginning of a response's body where only the body says what the response means.
///
/// It goes around the client, inside all other layers, and reads nothing until an endpoint asks for it. The
/// [module page](super) has an example.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClassifyBodyLayer {
    pub(super) settings: Arc<Settings>,
}

/// What a layer, its services and their calls share.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) endpoints: Endpoints<ClassifyBodyConfig>,
    pub(super) clock: Clock,
}

/// Settings of [`ClassifyBodyLayer`] for one endpoint. They start from the settings so far.
#[derive(Clone)]
pub struct ClassifyBodyConfig {
    pub(super) classifier: Option<Arc<dyn Classifier>>,
    pub(super) max_bytes: usize,
    pub(super) max_wait: Duration,
    pub(super) whole: bool,
}

// === impl ClassifyBodyLayer ===

impl ClassifyBodyLayer {
    /// A layer that reads no body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the requests that match `pattern` their own settings. The closure starts from the settings that apply to them
    /// [so far](EndpointPattern#settings-so-far).
    pub fn endpoint(
        mut self,
        pattern: EndpointPattern,
        configure: impl FnOnce(ClassifyBodyConfig) -> ClassifyBodyConfig,
    ) -> Self {
        Arc::make_mut(&mut self.settings).endpoints.configure(pattern, Some(configure));
        self
    }

    /// Sets the clock. Resets that are dates are compared with its wall time.
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.settings).clock = clock;
        self
    }
}

impl<S> Layer<S> for ClassifyBodyLayer {
    type Service = ClassifyBody<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClassifyBody::new(inner, Arc::clone(&self.settings))
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self { endpoints: Endpoints::new(ClassifyBodyConfig::default()), clock: Clock::default() }
    }
}

// === impl ClassifyBodyConfig ===

impl ClassifyBodyConfig {
    /// Asks this classifier which bodies to read ([`reads_body`](Classifier::reads_body)), and what they mean
    /// ([`classify_body`](Classifier::classify_body)). Default: none, and nothing is read.
    #[must_use]
    pub fn classifier(mut self, classifier: impl Classifier) -> Self {
        self.classifier = Some(Arc::new(classifier));
        self
    }

    /// Reads no body: an exception from a wider pattern.
    #[must_use]
    pub fn off(mut self) -> Self {
        self.classifier = None;
        self.whole = false;
        self
    }

    /// Reads the bodies of successful responses as well, before the caller gets the response. One that breaks off within
    /// [`max_bytes`](Self::max_bytes) and [`max_wait`](Self::max_wait) is an error of the call, with the class
    /// [`Interrupted`](crate::classify::ErrorClass::Interrupted), and [`RetryOnRateLimit`](crate::RetryOnRateLimit) sends a request that is
    /// repeatable again. For small documents. Default: off, and the error comes when the body is read, where nobody can try again.
    #[must_use]
    pub const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Sets how many bytes are read before the response is returned, at most. The rest stays in the body. Default: 8 KiB.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Sets how long the body is waited for, at most. Then what has arrived is looked at. Default: 2 s.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }
}

impl Default for ClassifyBodyConfig {
    fn default() -> Self {
        // As much and as long as `ErrorClassifyLayer` reads of an error's body.
        Self {
            classifier: None,
            max_bytes: 8 * 1024,
            max_wait: Duration::from_secs(2),
            whole: false,
        }
    }
}

impl fmt::Debug for ClassifyBodyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyBodyConfig")
            .field("reads", &self.classifier.is_some())
            .field("max_bytes", &self.max_bytes)
            .field("max_wait", &self.max_wait)
            .field("whole", &self.whole)
            .finish()
    }
}
