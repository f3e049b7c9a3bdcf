use std::sync::Arc;

#[cfg(feature = "metrics")]
use metrics::{Key, Label, SharedString, with_recorder};

#[cfg(feature = "metrics")]
use super::{METADATA, RESPONSE_CACHE_REQUESTS, with_stack};

/// Counts for the requests to one cached endpoint.
#[derive(Debug)]
pub(crate) struct CacheMeter {
    /// Made once, so that a hit allocates nothing.
    #[cfg(feature = "metrics")]
    keys: [Key; 4],
}

#[derive(Clone, Copy, Debug)]
enum Lookup {
    Hit,
    Miss,
    Shared,
    Stale,
}

// === impl CacheMeter ===

impl CacheMeter {
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "nothing is counted"))]
    pub(crate) fn new(pattern: &str, stack: Option<&Arc<str>>) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            keys: ["hit", "miss", "shared", "stale"].map(|outcome| {
                let endpoint = SharedString::from_owned(pattern.to_owned());
                let labels = [
                    Label::new("endpoint", endpoint),
                    Label::from_static_parts("outcome", outcome),
                ];
                Key::from_parts(RESPONSE_CACHE_REQUESTS, with_stack(labels, stack))
            }),
        }
    }

    /// A fresh response was stored.
    pub(crate) fn hit(&self) {
        self.count(Lookup::Hit);
    }

    /// The request was sent.
    pub(crate) fn miss(&self) {
        self.count(Lookup::Miss);
    }

    /// The request waits for another one's response.
    pub(crate) fn shared(&self) {
        self.count(Lookup::Shared);
    }

    /// The request got a stale response.
    pub(crate) fn stale(&self) {
        self.count(Lookup::Stale);
    }

    #[cfg(feature = "metrics")]
    fn count(&self, lookup: Lookup) {
        let key = &self.keys[lookup as usize];
        with_recorder(|recorder| recorder.register_counter(key, &METADATA)).increment(1);
    }

    #[cfg(not(feature = "metrics"))]
    const fn count(&self, _: Lookup) {}
}
