use std::{sync::Arc, time::Duration};

use crate::extensions::Priority;

/// How the requests to one endpoint wait for their turns; what
/// [`ThrottleLayer::endpoint`](super::ThrottleLayer::endpoint) hands to its closure. It starts as the layer's own.
#[derive(Clone, Debug)]
pub struct Config {
    sharing: Sharing,
    max_wait: Duration,
    priority: Priority,
    is_exempt: bool,
}

/// With whom an endpoint shares its quota.
#[derive(Clone, Debug)]
pub(super) enum Sharing {
    Whole,
    Own,
    Named(Arc<str>),
}

// === impl Config ===

impl Config {
    /// Ninety seconds: what a quota counted by the minute can ask for, with room for those who are before in the line.
    pub(super) const MAX_WAIT: Duration = Duration::from_secs(90);

    /// The server counts these requests by themselves, at each origin.
    #[must_use]
    pub fn own_quota(mut self) -> Self {
        self.sharing = Sharing::Own;
        self
    }

    /// The server counts these requests together with those of all endpoints that share this name, at each origin.
    #[must_use]
    pub fn shared(mut self, name: &str) -> Self {
        self.sharing = Sharing::Named(name.into());
        self
    }

    /// The longest wait for a turn, from the first poll of the call's future to the send. A request whose turn comes later
    /// fails with [`Throttled`](super::Throttled), at once where that is known.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Who goes first where several wait. The mark [`Priority`] says the same of one request, and goes before this.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// These requests are sent as they come and their answers are not looked at: the server does not count them, or they
    /// stay open for long.
    #[must_use]
    pub const fn exempt(mut self) -> Self {
        self.is_exempt = true;
        self
    }

    pub(super) const fn sharing(&self) -> &Sharing {
        &self.sharing
    }

    pub(super) const fn longest(&self) -> Duration {
        self.max_wait
    }

    pub(super) const fn usual_priority(&self) -> Priority {
        self.priority
    }

    pub(super) const fn is_exempt(&self) -> bool {
        self.is_exempt
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sharing: Sharing::Whole,
            max_wait: Self::MAX_WAIT,
            priority: Priority::default(),
            is_exempt: false,
        }
    }
}
