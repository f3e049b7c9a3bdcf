use std::time::Duration;

use crate::error::InvalidConfig;

/// The time limit of an endpoint. It starts as the layer's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    limit: Option<Duration>,
}

// === impl Config ===

impl Config {
    /// A call to this endpoint may take `limit`.
    #[must_use]
    pub const fn limit(self, limit: Duration) -> Self {
        Self { limit: Some(limit) }
    }

    /// A call to this endpoint may take as long as the [`Deadline`](crate::extensions::Deadline) that it brings allows.
    #[must_use]
    pub const fn unlimited(self) -> Self {
        Self { limit: None }
    }

    pub(super) const fn get(self) -> Option<Duration> {
        self.limit
    }

    pub(super) fn checked(self) -> Result<Self, InvalidConfig> {
        match self.limit {
            Some(Duration::ZERO) => {
                Err(InvalidConfig::new("time limit", "zero would fail every call"))
            }
            Some(_) | None => Ok(self),
        }
    }
}
