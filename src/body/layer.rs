use tower_layer::Layer;

use super::ReplayBodyService;

/// Makes every request body one that can be sent again, up to a cap.
///
/// Goes around the layers that send again; see [the module's page](super).
#[derive(Clone, Copy, Debug)]
pub struct ReplayBodyLayer {
    max_bytes: usize,
}

// === impl ReplayBodyLayer ===

impl ReplayBodyLayer {
    /// 64 KiB: well above any request to sign in or to change a profile, and a thousand of them at once still fit in 64 MiB.
    pub const DEFAULT_MAX_BYTES: usize = 64 * 1024;

    /// Keeps at most `max_bytes` bytes of each body. Longer bodies are sent all the same, once.
    #[must_use]
    pub const fn new(max_bytes: usize) -> Self {
        Self { max_bytes }
    }
}

/// Keeps at most [`ReplayBodyLayer::DEFAULT_MAX_BYTES`].
impl Default for ReplayBodyLayer {
    fn default() -> Self {
        Self::new(Self::DEFAULT_MAX_BYTES)
    }
}

impl<S> Layer<S> for ReplayBodyLayer {
    type Service = ReplayBodyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReplayBodyService::new(inner, self.max_bytes)
    }
}
