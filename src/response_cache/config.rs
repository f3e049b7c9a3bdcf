use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use http::HeaderName;

use crate::{error::InvalidConfig, metrics::CacheMeter, response_cache::KeepRules};

/// How the responses of one endpoint are kept; what [`ResponseCacheLayer::endpoint`](super::ResponseCacheLayer::endpoint)
/// hands to its closure. It starts as the layer's own, without a time to live.
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    ttl: Option<Duration>,
    stale_for: Duration,
    stale_wait: Duration,
    max_body_bytes: usize,
    headers: Vec<HeaderName>,
    override_no_store: bool,
    strip_set_cookie: bool,
}

/// An endpoint whose responses are kept.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) keep: KeepRules,
    pub(super) stale_wait: Duration,
    pub(super) max_body_bytes: usize,
    pub(super) headers: Box<[HeaderName]>,
    pub(super) meter: CacheMeter,
    /// Whether it was said that the server does not have its responses kept.
    pub(super) refusal_was_said: AtomicBool,
    /// Whether the last that was heard of the server is a failure for which stale responses are served.
    pub(super) is_out: AtomicBool,
}

// === impl Config ===

impl Config {
    /// How long a response answers before the server is asked again, from just before its request was sent. There is no
    /// default: how old a profile may be, nobody else can say. The server can shorten it, not lengthen it.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// For how long after its time to live a response is served while the server refuses or is out. Zero serves none.
    pub const fn stale_for(mut self, stale_for: Duration) -> Self {
        self.stale_for = stale_for;
        self
    }

    /// How long a caller that has a stale response waits for a new one, at most half of what is left until its deadline.
    /// Zero serves the stale one at once and refreshes it behind.
    pub const fn stale_wait(mut self, stale_wait: Duration) -> Self {
        self.stale_wait = stale_wait;
        self
    }

    /// The longest body that is kept. A longer one is passed on as it comes.
    pub const fn max_body_bytes(mut self, max_body_bytes: usize) -> Self {
        self.max_body_bytes = max_body_bytes;
        self
    }

    /// Requests that differ in this header field get different responses: `accept-language`, `x-tenant`.
    ///
    /// It is needed for a field that selects a tenant or a user and that nothing else tells: neither does its name say that
    /// it is a credential, nor does the server name it in `Vary`.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.headers.push(name);
        self
    }

    /// Keeps responses that the server wants nobody to keep: what they say in `Cache-Control` and `Expires` does not count,
    /// neither `no-store` and `no-cache` nor the `max-age=0` and `must-revalidate` that usually stand beside them.
    ///
    /// Auth0's Management API sends such to every `GET`. Whether a copy in this process's memory may be made all the same, is
    /// for whoever runs it to say.
    pub const fn override_no_store(mut self) -> Self {
        self.override_no_store = true;
        self
    }

    /// Keeps responses that set cookies, without their `Set-Cookie`: for an API that is behind a proxy that sets its own in
    /// every answer, as Cloudflare's `__cf_bm`. Without this they are not kept, since a cookie is for one.
    pub const fn strip_set_cookie(mut self) -> Self {
        self.strip_set_cookie = true;
        self
    }

    pub(super) fn named(&self, pattern: &str) -> Result<Arc<Named>, InvalidConfig> {
        let ttl = match self.ttl {
            None => return Err(InvalidConfig::new("time to live", "none was given")),
            Some(Duration::ZERO) => {
                return Err(InvalidConfig::new("time to live", "zero would keep nothing"));
            }
            Some(ttl) => ttl,
        };
        let mut keep = KeepRules::new(ttl).stale_for(self.stale_for);
        if self.override_no_store {
            keep = keep.override_no_store();
        }
        if self.strip_set_cookie {
            keep = keep.strip_set_cookie();
        }
        Ok(Arc::new(Named {
            keep,
            stale_wait: self.stale_wait,
            max_body_bytes: self.max_body_bytes,
            headers: self.headers.clone().into(),
            meter: CacheMeter::new(pattern),
            refusal_was_said: AtomicBool::new(false),
            is_out: AtomicBool::new(false),
        }))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ttl: None,
            stale_for: super::ResponseCacheLayer::DEFAULT_STALE_FOR,
            stale_wait: super::ResponseCacheLayer::DEFAULT_STALE_WAIT,
            max_body_bytes: super::ResponseCacheLayer::DEFAULT_MAX_BODY_BYTES,
            headers: Vec::new(),
            override_no_store: false,
            strip_set_cookie: false,
        }
    }
}
