use std::error::Error;
use std::fmt;

/// Why a [`ReplayBody`](super::ReplayBody) stopped before its end.
///
/// The body gives it instead of a shorter body, and clients pass it on as the source of their own error. An error of the wrapped
/// body arrives as it is, and only at the send that met it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError {
    kind: ReplayErrorKind,
}

/// The kinds of [`ReplayError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayErrorKind {
    /// The body grew over its cap, so what came before is no longer kept. An earlier send carries it on.
    #[non_exhaustive]
    TooLarge {
        /// The cap, in bytes.
        max_bytes: usize,
    },
    /// A later send of the same body has begun, or the body was recalled for one. What this send gives no longer counts.
    Superseded,
    /// The wrapped body failed, or ended before the length that it had promised, in an earlier send.
    Broken,
}

// === impl ReplayError ===

impl ReplayError {
    pub(super) fn new(kind: ReplayErrorKind) -> Self {
        Self { kind }
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> ReplayErrorKind {
        self.kind
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ReplayErrorKind::TooLarge { max_bytes } => {
                write!(
                    f,
                    "body is longer than the {max_bytes} bytes that are kept for sending it again"
                )
            }
            ReplayErrorKind::Superseded => f.write_str("body was taken over by a later send"),
            ReplayErrorKind::Broken => f.write_str("body broke off in an earlier send"),
        }
    }
}

impl Error for ReplayError {}
