use std::{sync::Arc, time::Duration};

use super::limiter::Quota;
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
    limit: Option<(u32, Duration)>,
    headroom: f64,
    min_wait: Duration,
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

    /// A limit that is known: at most `limit` requests are sent in any `period`, each counted from its permit on, in each process. What the server shows can
    /// only make it stricter. Without a slow start, the first `limit` requests go at once. Default: none, the limit is
    /// found from the responses.
    ///
    /// At an endpoint, that is an [`own_quota`](Self::own_quota), unless it is [`shared`](Self::shared): of several endpoints that share
    /// one, the first that is used sets its limit. [`common_quota`](Self::common_quota) returns to the layer's.
    ///
    /// A limit of 0 counts as 1, and a period of more than a day as a day. A period of [`Duration::ZERO`] is no limit.
    pub fn limit(mut self, limit: u32, period: Duration) -> Self {
        self.limit = Some((limit, period));
        self.set_apart()
    }

    /// The share of each announced limit to use, such as `0.8`: the rest is left to others. Of a token bucket, the last tokens are
    /// left, and all that flows in is used. A limit that no header announces is not affected. Default: 1.
    ///
    /// At an endpoint, that is an [`own_quota`](Self::own_quota), unless it is [`shared`](Self::shared), as for [`limit`](Self::limit).
    ///
    /// A share of less than one request of a limit counts as one request, a share above 1 or NaN as 1.
    pub fn headroom(mut self, share: f64) -> Self {
        self.headroom = share;
        self.set_apart()
    }

    /// The least wait after a rate-limited response of this endpoint, where the server names none or a shorter one. Until then nothing is sent that the
    /// [limit holds](super#whose-limit-it-is). Default: [`Duration::ZERO`], none.
    ///
    /// Any duration is valid. One beyond [`max_block`](super::ThrottleLayer::max_block) counts as that.
    pub const fn min_wait(mut self, min_wait: Duration) -> Self {
        self.min_wait = min_wait;
        self
    }

    /// A setting of the quota is one of an own quota.
    fn set_apart(mut self) -> Self {
        if matches!(self.sharing, Sharing::Whole | Sharing::Endpoint(_)) {
            self.sharing = Sharing::Own;
        }
        self
    }

    /// The same setting of the layer, whose quota is the common one.
    pub(super) fn limit_in_common(mut self, limit: u32, period: Duration) -> Self {
        self.limit = Some((limit, period));
        self
    }

    /// The same setting of the layer.
    pub(super) fn headroom_in_common(mut self, share: f64) -> Self {
        self.headroom = share;
        self
    }

    pub(super) fn new_quota(&self, max_block: Duration) -> Quota {
        let quota = Quota::new().max_block(max_block).headroom(self.headroom);
        match self.limit {
            Some((limit, period)) => quota.limit(limit, period),
            None => quota,
        }
    }

    pub(super) const fn shortest_wait(&self) -> Duration {
        self.min_wait
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
            limit: None,
            headroom: 1.0,
            min_wait: Duration::ZERO,
        }
    }
}
