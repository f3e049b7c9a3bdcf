use std::{sync::Arc, time::Duration};

use crate::{EndpointPattern, extensions::Priority};

/// How the requests to one endpoint are queued and counted. [`ThrottleLayer::endpoint`](super::ThrottleLayer::endpoint) hands it to its
/// closure, with the settings so far.
#[derive(Clone, Debug)]
#[must_use]
pub struct ThrottleConfig {
    sharing: Sharing,
    max_wait: Duration,
    priority: Priority,
    is_exempt: bool,
}

/// Which requests share a quota with those of an endpoint.
#[derive(Clone, Debug)]
pub(super) enum Sharing {
    Whole,
    /// Those of the endpoint that is being configured.
    Own,
    /// Those of this pattern.
    Endpoint(Arc<str>),
    Named(Arc<str>),
}

// === impl ThrottleConfig ===

impl ThrottleConfig {
    pub(super) const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(90);

    /// The server counts the requests to this endpoint separately, at each origin. Default: with all others of the key.
    pub fn own_quota(mut self) -> Self {
        self.sharing = Sharing::Own;
        self
    }

    /// The server counts the requests to this endpoint together with those to all endpoints that share this name, at each origin.
    /// Default: with all others of the key.
    ///
    /// The name appears in errors, events and snapshots.
    pub fn shared(mut self, name: &str) -> Self {
        self.sharing = Sharing::Named(name.into());
        self
    }

    /// Undoes [`own_quota`](Self::own_quota) and [`shared`](Self::shared): the server counts these requests together with all others
    /// of the key. An exception from a wider pattern.
    pub fn common_quota(mut self) -> Self {
        self.sharing = Sharing::Whole;
        self
    }

    /// The longest time that a request is queued, from the first poll of the call's future to the attempt. Default:
    /// [90 seconds](super::ThrottleLayer::DEFAULT_MAX_WAIT).
    ///
    /// Any duration is valid. With [`Duration::ZERO`] a request is sent at once or fails with
    /// [`Throttled`](crate::ErrorKind::Throttled). A [`Deadline`](crate::extensions::Deadline) that ends sooner takes precedence.
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// The priority of requests in the queue. Default: [`Priority::Normal`]. The extension [`Priority`] of a request takes precedence.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Requests to this endpoint are sent at once, and their responses are ignored: for endpoints that the server does not count, or
    /// whose responses stay open for long. Default: off.
    pub const fn exempt(mut self) -> Self {
        self.is_exempt = true;
        self
    }

    /// Undoes [`exempt`](Self::exempt): an exception from a wider pattern.
    pub const fn not_exempt(mut self) -> Self {
        self.is_exempt = false;
        self
    }

    /// These settings as those of `pattern`, whose quota a narrower pattern then inherits.
    pub(super) fn at(mut self, pattern: &EndpointPattern) -> Self {
        if matches!(self.sharing, Sharing::Own) {
            self.sharing = Sharing::Endpoint(pattern.as_str().into());
        }
        self
    }

    pub(super) const fn sharing(&self) -> &Sharing {
        &self.sharing
    }

    pub(super) const fn longest_wait(&self) -> Duration {
        self.max_wait
    }

    pub(super) const fn default_priority(&self) -> Priority {
        self.priority
    }

    pub(super) const fn is_exempt(&self) -> bool {
        self.is_exempt
    }
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            sharing: Sharing::Whole,
            max_wait: Self::DEFAULT_MAX_WAIT,
            priority: Priority::default(),
            is_exempt: false,
        }
    }
}
