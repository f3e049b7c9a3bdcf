//! Finding errors in a chain, and the error of a wrong setting.

use std::{borrow::Cow, convert::Infallible, error::Error, fmt, io, sync::Arc};

use bytes::Bytes;
use http::Response;

use crate::classify::Classification;

/// A boxed error, the same type as tower's.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// Finds the first error of type `T` in the chain of `error` and its [sources](Error::source), also as a `Box<T>` or `Arc<T>`.
///
/// For a [`BoxError`] pass `&*error`, what is in the box: with `&error` the compiler says that "the size for values of type
/// `dyn Error` cannot be known".
///
/// ```
/// use tower_heed::{BoxError, error::{InvalidConfig, find}};
///
/// let wrapped: BoxError = std::io::Error::other(InvalidConfig::new("limit", "zero")).into();
/// assert!(find::<InvalidConfig>(&*wrapped).is_some());
/// assert!(find::<std::fmt::Error>(&*wrapped).is_none());
/// ```
#[must_use]
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(as_a)
}

/// The first failing response that was made an [`Error`](super::Error), in the chain of `error` and its sources.
pub(crate) fn failing_response<'a>(
    error: &'a (dyn Error + 'static),
) -> Option<(&'a Classification, &'a Response<Bytes>)> {
    let mut links = chain(error).filter_map(as_a::<super::Error>);
    links.find_map(|error| Some((error.classification()?, error.response()?)))
}

/// This error as a `T`: itself, or the `T` in a `Box<T>` or `Arc<T>`, whose source is that of the `T`.
pub(crate) fn as_a<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let boxed = || error.downcast_ref::<Box<T>>().map(|boxed| &**boxed);
    let shared = || error.downcast_ref::<Arc<T>>().map(|shared| &**shared);
    error.downcast_ref().or_else(boxed).or_else(shared)
}

/// An error and everything below it, outermost first.
///
/// `io::Error::source` skips the error that it was made of, and a shared error itself, so the chain includes those.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn below<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        if let Some(shared) = link.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            return Some(&**shared);
        }
        match as_a::<io::Error>(link).and_then(io::Error::get_ref) {
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

    /// The setting.
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

/// For constructors that take `impl TryInto`.
impl From<Infallible> for InvalidConfig {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
