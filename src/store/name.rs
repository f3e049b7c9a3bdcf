//! The names under which values are stored.

use std::{fmt, sync::Arc};

/// The name of one value in a store: `heed:1:t:{m5Qk0yV3rw…}`, of the prefix, the version of the layout, the kind of value, and
/// a keyed hash of what it is for. The hash says nothing about clients, audiences or users.
///
/// The braces are Redis Cluster's hash tag: the parts of one value are on one node.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreName(Arc<str>);

// === impl StoreName ===

impl StoreName {
    pub(super) fn new(prefix: &str, kind: &str, tag: &str) -> Self {
        Self(format!("{prefix}:1:{kind}:{{{tag}}}").into())
    }

    /// The name as a key of the store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a part of the value, on the same node.
    #[must_use]
    pub fn part(&self, part: &str) -> String {
        format!("{self}:{part}")
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
