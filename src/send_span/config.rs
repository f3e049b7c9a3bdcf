/// What the spans of one endpoint show; what [`SendSpanLayer::endpoint`](super::SendSpanLayer::endpoint) hands to its closure.
///
/// # Defaults
///
/// For an endpoint: what the layer had been given when the endpoint was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    url: bool,
}

// === impl Config ===

impl Config {
    pub(super) const fn new() -> Self {
        Self { url: true }
    }

    /// Leaves out `url.full`, and with it the path: there are secrets in it, or what tells a person.
    #[must_use]
    pub const fn without_url(self) -> Self {
        Self { url: false }
    }

    pub(super) const fn shows_url(self) -> bool {
        self.url
    }
}
