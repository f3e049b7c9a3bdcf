//! What a request demands of a stored response.

use std::time::Duration;

use http::{
    HeaderMap,
    header::{
        CACHE_CONTROL, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
        PRAGMA, RANGE, UPGRADE,
    },
};

use super::CacheControl;

/// Fields that ask for a part of the resource, or for word that it has not changed. Such a response is for its caller alone.
const PARTIAL: [http::HeaderName; 7] =
    [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, UPGRADE];

/// The directives of a request that the cache heeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::response_cache) struct RequestDirectives {
    pub(in crate::response_cache) accepts: Accepts,
    /// The request must not be sent.
    pub(in crate::response_cache) only_if_cached: bool,
}

/// Which stored responses, and which fetches in flight, a request accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::response_cache) enum Accepts {
    Anything,
    /// A fresh response of at most this age that stays fresh for this long.
    Fresh {
        max_age: Option<Duration>,
        min_fresh: Duration,
    },
    Nothing,
}

// === impl RequestDirectives ===

impl RequestDirectives {
    /// Reads a request's header. `None` if the request bypasses the cache.
    pub(in crate::response_cache) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let directives = CacheControl::from_headers(headers);
        let only_if_cached = directives.only_if_cached;
        let bypasses = directives.no_store || PARTIAL.iter().any(|name| headers.contains_key(name));
        if bypasses && !only_if_cached {
            return None;
        }
        // `Pragma: no-cache` is from before there was a `Cache-Control`.
        let no_cache = directives.no_cache
            || (!headers.contains_key(CACHE_CONTROL)
                && headers.get(PRAGMA).is_some_and(|pragma| pragma == "no-cache"));
        let accepts = match (directives.max_age, directives.min_fresh) {
            _ if bypasses || no_cache => Accepts::Nothing,
            (Some(Duration::ZERO), _) => Accepts::Nothing,
            (None, None) => Accepts::Anything,
            (max_age, min_fresh) => {
                Accepts::Fresh { max_age, min_fresh: min_fresh.unwrap_or_default() }
            }
        };
        Some(Self { accepts, only_if_cached })
    }
}

// === impl Accepts ===

impl Accepts {
    /// Whether a response of this age is accepted.
    pub(in crate::response_cache) fn age(self, age: Duration) -> bool {
        match self {
            Self::Anything => true,
            Self::Fresh { max_age, .. } => max_age.is_none_or(|max_age| age <= max_age),
            Self::Nothing => false,
        }
    }
}
