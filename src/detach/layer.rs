use std::{fmt, num::NonZeroUsize, sync::Arc};

use tower_layer::Layer;

use super::{
    Config, Detach, DetachHandle, Failure, Success, queue::Queue, state::Limits, ticket::Listeners,
};
use crate::{
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::Endpoints,
    error::InvalidConfig,
    metrics as meter,
};

/// Answers 202 for named endpoints, and sends in the background. What waits is in memory only.
///
/// The [module page](super) is its manual, with the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct DetachLayer {
    rules: Arc<Rules>,
}

/// What a layer and its services share.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) endpoints: Endpoints<Config>,
    pub(super) limits: Limits,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) listeners: Listeners,
    pub(super) clock: Clock,
    pub(super) queue: Arc<Queue>,
}

// === impl DetachLayer ===

impl DetachLayer {
    /// A thousand: some seconds of a busy server's logins, and at a few kilobytes each some megabytes.
    pub const DEFAULT_MAX_QUEUED: usize = 1_000;

    /// Four: enough that one slow answer holds up nobody, few enough to leave the connections and the limit of an API to
    /// those who wait for their answers.
    pub const DEFAULT_MAX_CONCURRENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

    /// A layer that detaches nothing until an [`endpoint`](Self::endpoint) is named, with a queue of its own.
    pub fn new() -> Self {
        let limits = Limits {
            max_queued: Self::DEFAULT_MAX_QUEUED,
            max_concurrent: Self::DEFAULT_MAX_CONCURRENT.get(),
        };
        let rules = Rules {
            endpoints: Endpoints::new(Config::ATTACHED),
            limits,
            classifier: Arc::new(Preset::Standard),
            listeners: Listeners::default(),
            clock: Clock::default(),
            queue: Arc::default(),
        };
        Self { rules: Arc::new(rules) }
    }

    /// Detaches the requests that match `pattern`; see [`EndpointPattern`](crate::EndpointPattern) for the syntax.
    ///
    /// ```
    /// use tower_heed::DetachLayer;
    ///
    /// DetachLayer::new()
    ///     .endpoint("POST /logs/{*rest}", |config| config)?
    ///     // Its answer matters.
    ///     .endpoint("POST /logs/audit", |config| config.attached())?;
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A pattern that is no `[METHOD ]/path`, or that is there already. The error names it.
    pub fn endpoint(
        mut self,
        pattern: &str,
        configure: impl FnOnce(Config) -> Config,
    ) -> Result<Self, InvalidConfig> {
        let endpoints = &mut Arc::make_mut(&mut self.rules).endpoints;
        endpoints.insert(pattern.parse()?, configure(Config::DETACHED));
        Ok(self)
    }

    /// How many requests may wait, besides those that are under way. One more fails with
    /// [`NotQueued`](super::NotQueued) at once. With zero none waits: it is under way at once, or it fails.
    pub fn max_queued(self, max_queued: usize) -> Self {
        self.rules(|rules| rules.limits.max_queued = max_queued)
    }

    /// How many requests may be under way at a time, from the moment that one leaves the queue, its wait for readiness
    /// included, until its answer has been read away. The others wait.
    pub fn max_concurrent(self, max_concurrent: NonZeroUsize) -> Self {
        self.rules(|rules| rules.limits.max_concurrent = max_concurrent.get())
    }

    /// Says which answers are failures, where no other layer has said it.
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.rules(|rules| rules.classifier = Arc::new(classifier))
    }

    /// Runs `listener` for each request that was answered with 202 and came to nothing, once.
    ///
    /// It runs on the task that sent the request, or where the queue is shut down or dropped, in the span of the call. It may
    /// not block; hand on what it gets to a channel if there is much to do. One that panics is logged, and nothing else comes
    /// of it. There is one listener: another takes its place.
    ///
    /// ```
    /// use tower_heed::{DetachLayer, detach::Cause};
    ///
    /// DetachLayer::new().on_failure(|failure| match failure.cause() {
    ///     Cause::Discarded => eprintln!("{} was never sent", failure.request()),
    ///     _ => eprintln!("{failure}"),
    /// });
    /// ```
    pub fn on_failure<F>(self, listener: F) -> Self
    where
        F: Fn(Failure) + Send + Sync + 'static,
    {
        self.rules(|rules| rules.listeners.failure = Some(Arc::new(listener)))
    }

    /// Runs `listener` for each request that was sent in the background and succeeded, as
    /// [`on_failure`](Self::on_failure) does for the others.
    pub fn on_success<F>(self, listener: F) -> Self
    where
        F: Fn(Success) + Send + Sync + 'static,
    {
        self.rules(|rules| rules.listeners.success = Some(Arc::new(listener)))
    }

    /// Where the time comes from that dates in the headers of answers are read against.
    pub fn clock(self, clock: Clock) -> Self {
        self.rules(|rules| rules.clock = clock)
    }

    /// Shuts the queue down at the end of the program, and shows how much is in it.
    #[must_use]
    pub fn handle(&self) -> DetachHandle {
        DetachHandle::new(Arc::clone(&self.rules.queue))
    }

    fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

impl Default for DetachLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DetachLayer {
    type Service = Detach<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        Detach::new(inner, Arc::clone(&self.rules))
    }
}

// === impl Rules ===

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("endpoints", &self.endpoints)
            .field("limits", &self.limits)
            .field("clock", &self.clock)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
