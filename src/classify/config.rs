use std::{fmt, sync::Arc, time::Duration};

use super::{Classifier, Preset};

/// Settings of [`ErrorClassifyLayer`](super::ErrorClassifyLayer) for one endpoint. They start from the settings so far.
#[derive(Clone)]
pub struct ClassifyConfig {
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) error_for_status: bool,
    pub(super) error_body_bytes: usize,
    pub(super) error_body_wait: Duration,
    pub(super) public: bool,
}

// === impl ClassifyConfig ===

impl ClassifyConfig {
    /// Sets the classifier of responses. Default: [`Preset::Standard`].
    #[must_use]
    pub fn classifier(mut self, classifier: impl Classifier) -> Self {
        self.classifier = Arc::new(classifier);
        self
    }

    /// Turns failing responses into an `Err` of the kind [`ErrorKind::Response`](crate::ErrorKind::Response).
    #[must_use]
    pub const fn error_for_status(mut self) -> Self {
        self.error_for_status = true;
        self
    }

    /// Leaves failing responses as they are, with a [`Classification`](super::Classification) in the extensions. This is the
    /// default.
    #[must_use]
    pub const fn annotate_only(mut self) -> Self {
        self.error_for_status = false;
        self
    }

    /// Sets how many bytes of a failing response's body become part of the error, at most; the rest is not read. Default:
    /// 8 KiB.
    #[must_use]
    pub const fn error_body_bytes(mut self, max: usize) -> Self {
        self.error_body_bytes = max;
        self
    }

    /// Sets how long that body is read, at most, counted from the head of the response. The
    /// [`Deadline`](crate::extensions::Deadline) may end it earlier. What has arrived by then becomes part of the error.
    /// Default: 2 s.
    #[must_use]
    pub const fn error_body_wait(mut self, max: Duration) -> Self {
        self.error_body_wait = max;
        self
    }

    /// Leaves the [`AuthStatus`](super::AuthStatus) alone, because the endpoint takes no credentials: a health check that
    /// succeeds does not sign in.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// Undoes [`public`](Self::public): an exception from a wider pattern.
    #[must_use]
    pub const fn not_public(mut self) -> Self {
        self.public = false;
        self
    }
}

impl Default for ClassifyConfig {
    fn default() -> Self {
        Self {
            classifier: Arc::new(Preset::Standard),
            error_for_status: false,
            // A provider's message with its codes takes a tenth of that, and the first lines identify a page of HTML.
            error_body_bytes: 8 * 1024,
            // The body of an error follows its head within a round trip, unless the server hangs.
            error_body_wait: Duration::from_secs(2),
            public: false,
        }
    }
}

impl fmt::Debug for ClassifyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyConfig")
            .field("error_for_status", &self.error_for_status)
            .field("error_body_bytes", &self.error_body_bytes)
            .field("error_body_wait", &self.error_body_wait)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}
