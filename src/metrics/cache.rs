#[cfg(feature = "metrics")]
use metrics::{Key, Label, SharedString, with_recorder};

#[cfg(feature = "metrics")]
use super::METADATA;
#[cfg(feature = "metrics")]
use crate::metrics::CACHE_REQUESTS;

/// What is counted of the requests to one endpoint whose responses are kept.
#[derive(Debug)]
pub(crate) struct CacheMeter {
    /// Made once, since a hit is to cost nothing more.
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
    pub(crate) fn new(pattern: &str) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            keys: ["hit", "miss", "shared", "stale"].map(|outcome| {
                let endpoint = SharedString::from_owned(pattern.to_owned());
                let labels = vec![
                    Label::new("endpoint", endpoint),
                    Label::from_static_parts("outcome", outcome),
                ];
                Key::from_parts(CACHE_REQUESTS, labels)
            }),
        }
    }

    /// A fresh response was at hand.
    pub(crate) fn hit(&self) {
        self.count(Lookup::Hit);
    }

    /// The request was sent.
    pub(crate) fn miss(&self) {
        self.count(Lookup::Miss);
    }

    /// It waits for one that is on its way.
    pub(crate) fn shared(&self) {
        self.count(Lookup::Shared);
    }

    /// It was served a stale response.
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
