use std::time::Duration;

use http::HeaderName;

use super::{ResponseCacheLayer, store_policy::StorePolicy};

/// How the responses of an endpoint are stored: the argument of the closure of
/// [`ResponseCacheLayer::endpoint`], which starts from the settings so far.
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponseCacheConfig {
    /// Its `ttl` is zero until one is given: nothing is stored.
    pub(super) policy: StorePolicy,
    pub(super) stale_wait: Duration,
    pub(super) max_body_bytes: usize,
    pub(super) fields: CountedFields,
}

/// Which header fields count, where that differs from the rule for all.
#[derive(Clone, Debug, Default)]
pub(super) struct CountedFields {
    pub(super) chosen: Vec<HeaderName>,
    pub(super) ignored: Vec<HeaderName>,
}

// === impl ResponseCacheConfig ===

impl ResponseCacheConfig {
    /// How long a response is fresh, counted from just before its request was sent. The server can shorten it, not lengthen it.
    ///
    /// There is no default: how old a profile may be depends on its use. Requests to an endpoint without a time to
    /// live, or with a time to live of zero, pass through.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.policy.ttl = ttl;
        self
    }

    /// How long after its time to live a response may be served while the server is down. Zero: never.
    pub const fn stale_for(mut self, stale_for: Duration) -> Self {
        self.policy.stale_for = stale_for;
        self
    }

    /// How long a call with a stale response waits for a fresh one, at most half of the time until its deadline. Zero serves
    /// the stale response at once and refreshes it in the background.
    pub const fn stale_wait(mut self, stale_wait: Duration) -> Self {
        self.stale_wait = stale_wait;
        self
    }

    /// The longest body that is stored. A longer one is passed through.
    pub const fn max_body_bytes(mut self, max_body_bytes: usize) -> Self {
        self.max_body_bytes = max_body_bytes;
        self
    }

    /// Requests that differ in this header field get different responses, although it is one of the
    /// [few](super#which-requests-share-a-response) that do not count, such as `user-agent`, or one that a
    /// [`credential`](ResponseCacheLayer::credential) function stands for, such as a cookie with the tenant. It also undoes
    /// [`without_header`](Self::without_header).
    pub fn header(mut self, name: HeaderName) -> Self {
        self.fields.ignored.retain(|ignored| *ignored != name);
        self.fields.chosen.push(name);
        self
    }

    /// Requests that differ in this header field alone share responses.
    ///
    /// For a field that differs from request to request and that the server does not look at, such as a client's own sequence
    /// number. **Never for one that tells users or tenants apart**: they would get each other's responses. What a response's
    /// `Vary` names counts all the same. It also undoes [`header`](Self::header).
    pub fn without_header(mut self, name: &HeaderName) -> Self {
        self.fields.chosen.retain(|chosen| chosen != name);
        self.fields.ignored.push(name.clone());
        self
    }

    /// Stores responses that the server forbids to store: `Cache-Control` and `Expires` of responses are ignored, `max-age=0`
    /// and `must-revalidate` included.
    ///
    /// Auth0's Management API forbids it for every `GET`. Whether this process may keep a copy in memory all the same is for
    /// its operator to decide.
    pub const fn override_no_store(mut self) -> Self {
        self.policy.override_no_store = true;
        self
    }

    /// Undoes [`override_no_store`](Self::override_no_store): an exception from a wider pattern.
    pub const fn respect_no_store(mut self) -> Self {
        self.policy.override_no_store = false;
        self
    }

    /// Stores responses that set cookies, without their `Set-Cookie`: for an API behind a proxy that sets its own cookie in
    /// every response, such as Cloudflare's `__cf_bm`. By default they are not stored, because a cookie is for one caller.
    pub const fn strip_set_cookie(mut self) -> Self {
        self.policy.strip_set_cookie = true;
        self
    }

    /// Undoes [`strip_set_cookie`](Self::strip_set_cookie): responses that set cookies are not stored. An exception from a wider
    /// pattern.
    pub const fn respect_set_cookie(mut self) -> Self {
        self.policy.strip_set_cookie = false;
        self
    }
}

impl ResponseCacheConfig {
    pub(super) const fn has_ttl(&self) -> bool {
        !self.policy.ttl.is_zero()
    }
}

// === impl CountedFields ===

impl CountedFields {
    /// Whether a field counts; `None` by the rule for all.
    pub(super) fn counts(&self, name: &HeaderName) -> Option<bool> {
        if self.chosen.contains(name) {
            return Some(true);
        }
        self.ignored.contains(name).then_some(false)
    }
}

impl Default for ResponseCacheConfig {
    fn default() -> Self {
        Self {
            policy: StorePolicy {
                ttl: Duration::ZERO,
                stale_for: ResponseCacheLayer::DEFAULT_STALE_FOR,
                override_no_store: false,
                strip_set_cookie: false,
            },
            stale_wait: ResponseCacheLayer::DEFAULT_STALE_WAIT,
            max_body_bytes: ResponseCacheLayer::DEFAULT_MAX_BODY_BYTES,
            fields: CountedFields::default(),
        }
    }
}
