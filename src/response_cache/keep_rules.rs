use std::time::Duration;

/// What the user has decided about the responses of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct KeepRules {
    pub(super) ttl: Duration,
    pub(super) stale_for: Duration,
    pub(super) overrides_no_store: bool,
    pub(super) strips_set_cookie: bool,
}

// === impl KeepRules ===

impl KeepRules {
    /// Keeps responses for `ttl` and none that is stale.
    pub const fn new(ttl: Duration) -> Self {
        Self { ttl, stale_for: Duration::ZERO, overrides_no_store: false, strips_set_cookie: false }
    }

    /// For how long after its `ttl` a response may be served while the server refuses or is out.
    pub const fn stale_for(mut self, stale_for: Duration) -> Self {
        self.stale_for = stale_for;
        self
    }

    /// What the response says about caching does not count: `Cache-Control` and `Expires` are not read.
    pub const fn override_no_store(mut self) -> Self {
        self.overrides_no_store = true;
        self
    }

    /// A response that sets cookies is kept, without its cookies.
    pub const fn strip_set_cookie(mut self) -> Self {
        self.strips_set_cookie = true;
        self
    }

    /// How long a response is answered from before the server is asked again.
    #[must_use]
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }
}
