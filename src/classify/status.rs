use std::fmt;

/// How it stands between the client and the API, as told by the answers so far.
///
/// The [module page](super) has the table of its changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthStatus {
    /// Nothing has been learned yet.
    #[default]
    Unknown,
    /// The API serves this client.
    Active,
    /// The API limits this client, or fails, or cannot be reached. That says nothing about the credentials.
    Degraded,
    /// The API rejected the credentials, and has accepted none since.
    Unauthenticated,
}

// === impl AuthStatus ===

impl AuthStatus {
    /// The status in snake case, as it stands in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

impl fmt::Display for AuthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
