//! Endpoint patterns, and settings by endpoint.

use std::{cmp::Ordering, fmt, sync::Arc};

use http::{Method, Request};
use smallvec::SmallVec;

mod pattern;
mod segment;
mod spelling;

pub use pattern::EndpointPattern;
use pattern::Match;
use spelling::Spelling;

use crate::headers::overrides_method;

/// Settings for all requests, and others for chosen endpoints.
#[derive(Clone)]
pub struct Endpoints<T> {
    /// The name of the stack that the layer belongs to.
    stack: Option<Arc<str>>,
    base: T,
    /// The most specific first, so that the first match is the one that wins. `None`: only a name, for requests whose settings
    /// come from elsewhere.
    entries: Vec<(EndpointPattern, Option<T>)>,
}

/// Where the name and the settings for a request are: kept where the [`Endpoint`] itself would borrow them for too long.
/// The default is the base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointIndex {
    named: Option<u32>,
    configured: Option<u32>,
}

/// All settings that a request may be for, by the reading of its path: for decisions that no other spelling may evade.
#[derive(Debug)]
pub(crate) struct Candidates<'a, T> {
    pattern: Option<&'a Arc<str>>,
    /// The most specific first.
    configured: SmallVec<[&'a T; 2]>,
    base: Option<&'a T>,
}

/// The settings for a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint<'a, T> {
    stack: Option<&'a Arc<str>>,
    pattern: Option<&'a Arc<str>>,
    config: &'a T,
}

// === impl Endpoints ===

impl<T> Endpoints<T> {
    /// No endpoints: every request gets `base`.
    pub const fn new(base: T) -> Self {
        Self { stack: None, base, entries: Vec::new() }
    }

    /// Gives the requests that match `pattern` these settings, in place of those of an earlier pattern of the same shape.
    pub fn insert(&mut self, pattern: EndpointPattern, config: T) {
        self.put(pattern, Some(config));
    }

    /// Changes the settings of the requests that match `pattern`: the one rule of all layers and of the stack.
    ///
    /// The change starts from the [settings so far](Self::so_far). Without one the requests keep their settings, whichever those
    /// are, and only their endpoint's name is new.
    pub fn configure(&mut self, pattern: EndpointPattern, change: Option<impl FnOnce(T) -> T>)
    where
        T: Clone,
    {
        let config = match change {
            Some(change) => Some(change(self.so_far(&pattern).clone())),
            None => self.same(&pattern).and_then(|(_, config)| config.clone()),
        };
        self.put(pattern, config);
    }

    /// The settings that apply so far to the requests of `pattern`: those of an entry with the same shape, else those of the most
    /// specific entry that covers it, else the base.
    pub fn so_far(&self, pattern: &EndpointPattern) -> &T {
        let covers = |(earlier, _): &&(EndpointPattern, _)| earlier.covers(pattern);
        self.entries
            .iter()
            .filter(covers)
            .find_map(|(_, config)| config.as_ref())
            .unwrap_or(&self.base)
    }

    fn same(&self, pattern: &EndpointPattern) -> Option<&(EndpointPattern, Option<T>)> {
        self.entries.iter().find(|(earlier, _)| earlier.is_equivalent(pattern))
    }

    /// An equivalent entry is replaced in its place: among overlapping patterns of equal rank the first one wins.
    fn put(&mut self, pattern: EndpointPattern, config: Option<T>) {
        let same = self.entries.iter_mut().find(|(earlier, _)| earlier.is_equivalent(&pattern));
        if let Some(entry) = same {
            *entry = (pattern, config);
            return;
        }
        self.entries.push((pattern, config));
        self.entries.sort_by(|(one, _), (other, _)| other.compare(one));
    }

    /// Names the stack that the layer belongs to.
    pub fn set_stack(&mut self, name: Arc<str>) {
        self.stack = Some(name);
    }

    /// The name of the stack that the layer belongs to.
    #[inline]
    pub const fn stack(&self) -> Option<&Arc<str>> {
        self.stack.as_ref()
    }

    /// The settings for a request with this method and path.
    #[cfg(any(feature = "response-cache", feature = "__internals"))]
    pub fn get(&self, method: &Method, path: &str) -> Endpoint<'_, T> {
        self.at(self.find(method, path))
    }

    /// Calls `each` with the name and the value of every parameter in every pattern that such a request matches.
    #[cfg(any(feature = "response-cache", feature = "__internals"))]
    pub fn each_parameter(&self, method: &Method, path: &str, mut each: impl FnMut(&str, &str)) {
        for (pattern, _) in &self.entries {
            if pattern.matches(method, path) {
                pattern.each_parameter(path, &mut each);
            }
        }
    }

    /// The settings for `request`.
    #[inline]
    pub fn of<B>(&self, request: &Request<B>) -> Endpoint<'_, T> {
        self.at(self.index_of(request))
    }

    /// Where the settings for `request` are. The index is valid until the next change.
    #[inline]
    pub fn index_of<B>(&self, request: &Request<B>) -> EndpointIndex {
        // Most layers have no endpoints: then nothing of the request is looked at.
        if self.entries.is_empty() {
            return EndpointIndex::default();
        }
        self.find(request.method(), request.uri().path())
    }

    /// The settings that an index stands for.
    #[inline]
    pub fn at(&self, index: EndpointIndex) -> Endpoint<'_, T> {
        let pattern = self.entry(index.named).map(|(pattern, _)| pattern.shared_text());
        let config = self.entry(index.configured).and_then(|(_, config)| config.as_ref());
        Endpoint { stack: self.stack(), pattern, config: config.unwrap_or(&self.base) }
    }

    #[inline]
    fn entry(&self, index: Option<u32>) -> Option<&(EndpointPattern, Option<T>)> {
        self.entries.get(usize::try_from(index?).ok()?)
    }

    fn find(&self, method: &Method, path: &str) -> EndpointIndex {
        let mut index = EndpointIndex::default();
        for (at, (pattern, config)) in (0..).zip(&self.entries) {
            if pattern.matches(method, path) {
                index.named.get_or_insert(at);
                if config.is_some() {
                    index.configured = Some(at);
                    break;
                }
            }
        }
        index
    }

    /// All settings that `request` may be for.
    ///
    /// Those are the settings of each pattern that could match, however a server reads the path, down to the first one that matches
    /// in any case; without one also the base's. In an axum app the path that the app's caller sent counts beside the request's own,
    /// from which a `Router::nest` has taken its prefix.
    pub(crate) fn candidates<B>(&self, request: &Request<B>) -> Candidates<'_, T> {
        let mut found = Candidates { pattern: None, configured: SmallVec::new(), base: None };
        if self.entries.is_empty() {
            found.base = Some(&self.base);
            return found;
        }
        // A server may carry out another method.
        let method = Some(request.method()).filter(|_| !overrides_method(request.headers()));
        let is_sure = self.find_all(method, request.uri().path(), &mut found);
        #[cfg(feature = "axum")]
        let is_sure = match request.extensions().get::<axum::extract::OriginalUri>() {
            Some(original) => self.find_all(method, original.path(), &mut found) || is_sure,
            None => is_sure,
        };
        if !is_sure {
            found.base = Some(&self.base);
        }
        found
    }

    /// Adds what a request with this method, or any, could match, and returns whether it is certain to match one of them.
    fn find_all<'a>(
        &'a self,
        method: Option<&Method>,
        path: &str,
        found: &mut Candidates<'a, T>,
    ) -> bool {
        let spelling = Spelling::of(path);
        let mut sure: Option<&EndpointPattern> = None;
        for (pattern, config) in &self.entries {
            // Patterns of equal rank may differ in their spelling alone.
            if sure.is_some_and(|sure| sure.compare(pattern) != Ordering::Equal) {
                break;
            }
            let matched = pattern.could_match(method, path, &spelling);
            if matched == Match::No {
                continue;
            }
            found.pattern.get_or_insert(pattern.shared_text());
            if let Some(config) = config {
                found.configured.push(config);
                if matched == Match::Sure {
                    sure.get_or_insert(pattern);
                }
            }
        }
        sure.is_some()
    }

    /// The same endpoints, with what `map` makes of their settings.
    pub fn map<U>(&self, mut map: impl FnMut(&T) -> U) -> Endpoints<U> {
        let base = map(&self.base);
        let entries = self.entries.iter();
        let entries =
            entries.map(|(pattern, config)| (pattern.clone(), config.as_ref().map(&mut map)));
        Endpoints { stack: self.stack.clone(), base, entries: entries.collect() }
    }

    /// The settings of requests that match no pattern.
    pub const fn base(&self) -> &T {
        &self.base
    }

    /// The same, to change them. Endpoints that were configured before keep theirs.
    pub const fn base_mut(&mut self) -> &mut T {
        &mut self.base
    }
}

impl<T: fmt::Debug> fmt::Debug for Endpoints<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("stack", &self.stack)
            .field("base", &self.base)
            .field("endpoints", &self.entries)
            .finish()
    }
}

// === impl Candidates ===

impl<'a, T> Candidates<'a, T> {
    /// The pattern of the most specific of them; none if only the base is.
    pub(crate) fn shared_pattern(&self) -> Option<Arc<str>> {
        self.pattern.cloned()
    }

    /// The settings of patterns, the most specific first.
    pub(crate) fn configured(&self) -> &[&'a T] {
        &self.configured
    }

    /// The settings of requests that match no pattern, if this may be one.
    pub(crate) const fn base(&self) -> Option<&'a T> {
        self.base
    }
}

// === impl Endpoint ===

impl<'a, T> Endpoint<'a, T> {
    /// The name of the stack that the layer belongs to.
    #[must_use]
    pub fn stack(&self) -> Option<&'a str> {
        self.stack.map(|name| &**name)
    }

    /// The same, to be kept for longer than the endpoints are borrowed.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn shared_stack(&self) -> Option<Arc<str>> {
        self.stack.cloned()
    }

    /// The pattern that matched; none for the base.
    #[must_use]
    pub fn pattern(&self) -> Option<&'a str> {
        self.pattern.map(|pattern| &**pattern)
    }

    /// The pattern, to be kept for longer than the endpoints are borrowed.
    #[must_use]
    pub fn shared_pattern(&self) -> Option<Arc<str>> {
        self.pattern.cloned()
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &'a T {
        self.config
    }
}
