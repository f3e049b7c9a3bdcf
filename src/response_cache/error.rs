use std::{error::Error, fmt, sync::Arc};

use crate::BoxError;

/// The request for a response that was to be kept has failed; all who waited for it share this.
///
/// What went wrong is the [`source`](Error::source), and the class of that is the class of this:
/// [`find`](crate::error::find) and the other layers look through it.
#[derive(Clone, Debug)]
pub struct FetchFailed(Arc<dyn Error + Send + Sync>);

// === impl FetchFailed ===

impl FetchFailed {
    pub(super) fn new(source: impl Into<BoxError>) -> Self {
        Self(Arc::from(source.into()))
    }

    pub(super) fn abandoned() -> Self {
        Self::new("the runtime that carried the request is gone, or nobody drives it")
    }
}

impl fmt::Display for FetchFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request that callers share has failed")
    }
}

impl Error for FetchFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
