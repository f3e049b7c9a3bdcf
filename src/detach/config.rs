/// What happens to the requests of one endpoint; what [`DetachLayer::endpoint`](super::DetachLayer::endpoint) hands to its
/// closure. It starts as detached: that is what an endpoint is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    is_detached: bool,
}

// === impl Config ===

impl Config {
    pub(super) const DETACHED: Self = Self { is_detached: true };
    pub(super) const ATTACHED: Self = Self { is_detached: false };

    /// These requests pass through as those of endpoints without a name do: an exception to a wider pattern.
    #[must_use]
    pub const fn attached(self) -> Self {
        Self { is_detached: false }
    }

    pub(super) const fn is_detached(self) -> bool {
        self.is_detached
    }
}
