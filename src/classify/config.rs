use std::{fmt, sync::Arc, time::Duration};

use crate::classify::{Classifier, Preset};

/// A provider's message and its codes fit many times over, and a page of HTML from a proxy is told by its first lines.
pub(super) const ERROR_BODY_BYTES: usize = 8 * 1024;

/// An error's body follows its head within a round trip. Whoever waits longer waits for a server that hangs.
pub(super) const ERROR_BODY_WAIT: Duration = Duration::from_secs(2);

/// What the answers of an endpoint mean and become. It starts as the layer's own.
#[derive(Clone)]
pub struct Config {
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) error_for_status: bool,
    pub(super) error_body_bytes: usize,
    pub(super) error_body_wait: Duration,
    pub(super) public: bool,
}

// === impl Config ===

impl Config {
    /// Says what an answer means. Default: [`Preset::Standard`].
    #[must_use]
    pub fn classifier(mut self, classifier: impl Classifier) -> Self {
        self.classifier = Arc::new(classifier);
        self
    }

    /// Failing answers become `Err(`[`ClassifiedError`](super::ClassifiedError)`)`.
    #[must_use]
    pub const fn error_for_status(mut self) -> Self {
        self.error_for_status = true;
        self
    }

    /// Failing answers stay answers, with their [`Classification`](crate::classify::Classification) in the extensions.
    /// This is the default.
    #[must_use]
    pub const fn annotate_only(mut self) -> Self {
        self.error_for_status = false;
        self
    }

    /// The most of a failing answer's body that becomes part of the error, in bytes; the rest is not read. Default:
    /// 8 KiB.
    #[must_use]
    pub const fn error_body_bytes(mut self, max: usize) -> Self {
        self.error_body_bytes = max;
        self
    }

    /// The most time for reading that, counted from the head of the answer; the
    /// [`Deadline`](crate::extensions::Deadline) may end it earlier. What has come by then becomes part of the error. Default:
    /// 2 s.
    #[must_use]
    pub const fn error_body_wait(mut self, max: Duration) -> Self {
        self.error_body_wait = max;
        self
    }

    /// The endpoint asks for no credentials, so its answers say nothing about the
    /// [`AuthStatus`](super::AuthStatus): a health check that succeeds signs nobody in.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.public = true;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            classifier: Arc::new(Preset::Standard),
            error_for_status: false,
            error_body_bytes: ERROR_BODY_BYTES,
            error_body_wait: ERROR_BODY_WAIT,
            public: false,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("error_for_status", &self.error_for_status)
            .field("error_body_bytes", &self.error_body_bytes)
            .field("error_body_wait", &self.error_body_wait)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}
