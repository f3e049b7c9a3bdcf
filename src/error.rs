//! Finding the crate's own errors behind a [`BoxError`], and the error of a wrong setting.
//!
//! Every service of this crate has `Error = BoxError`, so that layers stack without conversions. The errors it makes
//! itself are concrete public types, found with [`find`] however deep other layers have wrapped them.

use std::{borrow::Cow, convert::Infallible, error::Error, fmt, io};

/// A boxed error, the same type as tower's.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// The first error of type `T` in the chain of `error` and its [sources](Error::source).
///
/// ```
/// use tower_heed::{BoxError, error::{InvalidConfig, find}};
///
/// let wrapped: BoxError = std::io::Error::other(InvalidConfig::new("limit", "zero")).into();
/// assert!(find::<InvalidConfig>(wrapped.as_ref()).is_some());
/// assert!(find::<std::fmt::Error>(wrapped.as_ref()).is_none());
/// ```
#[must_use]
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|link| link.downcast_ref())
}

/// An error and everything below it, outermost first.
///
/// `io::Error::source` skips the error it was made from, so that one is visited here as well.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn below<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => link.source(),
        }
    }
    std::iter::successors(Some(error), |link| below(*link))
}

/// A setting that cannot be used. The message names the setting and says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig {
    what: Cow<'static, str>,
    why: Cow<'static, str>,
}

// === impl InvalidConfig ===

impl InvalidConfig {
    /// The setting `what` cannot be used because of `why`. Neither may hold a secret.
    pub fn new(what: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), why: why.into() }
    }

    /// The setting that was refused.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What is wrong with it.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}: {}", self.what, self.why)
    }
}

impl Error for InvalidConfig {}

/// For setters that take what can be made into their argument, whether or not that can fail.
impl From<Infallible> for InvalidConfig {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
