//! Which configuration a request gets, by its method and path.

use std::{fmt, sync::Arc};

use http::{Method, Request};
use matchit::{Match, Router};

use crate::error::InvalidConfig;

/// A base configuration, and others for chosen endpoints.
///
/// An endpoint is a path pattern in axum's syntax, with a method before it or for every method:
/// `GET /api/v2/users/{id}`, `/files/{*path}`. It is matched against the path as it is sent, without the query. Where
/// several match, the most specific path wins (compared segment by segment: literal before `{name}` before `{*name}`),
/// and between equal paths the one that names the method. The pattern is also the endpoint's name in events and metrics.
///
/// ```
/// use http::Method;
/// use tower_heed::endpoint::Endpoints;
///
/// let mut limits = Endpoints::new(10);
/// limits.insert("POST /oauth/token", 1)?;
/// limits.insert("/api/v2/users/{id}", 5)?;
/// assert_eq!(*limits.get(&Method::POST, "/oauth/token").config(), 1);
/// assert_eq!(*limits.get(&Method::GET, "/oauth/token").config(), 10);
/// assert_eq!(limits.get(&Method::GET, "/api/v2/users/u1").pattern(), Some("/api/v2/users/{id}"));
///
/// let refused = limits.insert("GET users", 1).unwrap_err();
/// assert_eq!(refused.what(), "endpoint pattern `GET users`");
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct Endpoints<T> {
    base: T,
    /// The patterns of each method, and those for every method under `None`.
    routers: Vec<(Option<Method>, Patterns<T>)>,
}

type Patterns<T> = Router<Arc<Named<T>>>;

type Found<'a, 'p, T> = Match<'a, 'p, &'a Arc<Named<T>>>;

/// What [`Endpoints::get`] found.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint<'a, T> {
    pattern: Option<&'a Arc<str>>,
    config: &'a T,
}

struct Named<T> {
    pattern: Arc<str>,
    specificity: Vec<u8>,
    config: T,
}

// === impl Endpoints ===

impl<T> Endpoints<T> {
    /// No endpoints: every request gets `base`.
    pub fn new(base: T) -> Self {
        Self { base, routers: Vec::new() }
    }

    /// Gives the requests that match `pattern` a configuration of their own.
    ///
    /// # Errors
    ///
    /// A pattern that is no `[METHOD ]/path`, that is there already, or that `matchit` refuses: of one method,
    /// `{name}` and `{*name}` cannot stand in the same place. The error names it.
    pub fn insert(&mut self, pattern: &str, config: T) -> Result<(), InvalidConfig> {
        let refuse = |why: String| InvalidConfig::new(format!("endpoint pattern `{pattern}`"), why);
        let (method, path) = match pattern.split_once(' ') {
            Some((method, path)) => (Some(method), path),
            None => (None, pattern),
        };
        if !path.starts_with('/') || path.contains([' ', '?', '#']) {
            return Err(refuse("expected `/path` or `METHOD /path`, without a query".to_owned()));
        }
        let method = match method {
            None => None,
            Some(name) if name.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                return Err(refuse(format!(
                    "methods are case-sensitive, and `{name}` is in lower case"
                )));
            }
            Some(name) => Some(
                Method::from_bytes(name.as_bytes()).map_err(|error| refuse(error.to_string()))?,
            ),
        };
        let named = Named { pattern: pattern.into(), specificity: specificity(path), config };
        self.router_of(method)
            .insert(path, Arc::new(named))
            .map_err(|error| refuse(error.to_string()))
    }

    /// The configuration for a request with this method and path.
    pub fn get(&self, method: &Method, path: &str) -> Endpoint<'_, T> {
        match self.find(method, path) {
            Some(Match { value, .. }) => {
                Endpoint { pattern: Some(&value.pattern), config: &value.config }
            }
            None => self.otherwise(),
        }
    }

    /// Calls `each` with the name and the value of every parameter in the pattern that such a request matches.
    #[cfg(feature = "response-cache")]
    pub(crate) fn each_parameter(
        &self,
        method: &Method,
        path: &str,
        mut each: impl FnMut(&str, &str),
    ) {
        if let Some(found) = self.find(method, path) {
            found.params.iter().for_each(|(name, value)| each(name, value));
        }
    }

    /// The configuration for `request`.
    #[inline]
    pub fn of<B>(&self, request: &Request<B>) -> Endpoint<'_, T> {
        // Most layers have no endpoints: then nothing of the request is looked at.
        if self.routers.is_empty() {
            return self.otherwise();
        }
        self.get(request.method(), request.uri().path())
    }

    /// The base configuration.
    pub const fn base(&self) -> &T {
        &self.base
    }

    /// The base configuration, to change it. Endpoints that were inserted before keep theirs.
    pub const fn base_mut(&mut self) -> &mut T {
        &mut self.base
    }

    fn find<'a, 'p>(&'a self, method: &Method, path: &'p str) -> Option<Found<'a, 'p, T>> {
        let at = |of: Option<&Method>| {
            let (_, router) = self.routers.iter().find(|(method, _)| method.as_ref() == of)?;
            router.at(path).ok()
        };
        match (at(Some(method)), at(None)) {
            (Some(exact), Some(any)) if any.value.specificity > exact.value.specificity => {
                Some(any)
            }
            (found @ Some(_), _) | (None, found) => found,
        }
    }

    const fn otherwise(&self) -> Endpoint<'_, T> {
        Endpoint { pattern: None, config: &self.base }
    }

    fn router_of(&mut self, method: Option<Method>) -> &mut Patterns<T> {
        let index = self.routers.iter().position(|(of, _)| *of == method).unwrap_or_else(|| {
            self.routers.push((method, Router::new()));
            self.routers.len() - 1
        });
        &mut self.routers[index].1
    }
}

impl<T: fmt::Debug> fmt::Debug for Endpoints<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").field("base", &self.base).finish_non_exhaustive()
    }
}

/// How specific a path is: one number for each segment, compared from the left.
fn specificity(path: &str) -> Vec<u8> {
    path.split('/')
        .map(|segment| match segment.find('{') {
            None => 3,
            Some(0) if segment.starts_with("{*") => 0,
            Some(0) => 1,
            Some(_) => 2,
        })
        .collect()
}

// === impl Endpoint ===

impl<'a, T> Endpoint<'a, T> {
    /// The pattern that matched; none for the base.
    #[must_use]
    pub fn pattern(&self) -> Option<&'a str> {
        self.pattern.map(|pattern| &**pattern)
    }

    /// The pattern, to be kept for longer than the endpoints are borrowed.
    pub(crate) fn shared_pattern(&self) -> Option<Arc<str>> {
        self.pattern.cloned()
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &'a T {
        self.config
    }
}
