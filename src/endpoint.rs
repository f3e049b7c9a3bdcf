//! Endpoint patterns, and settings by endpoint.

use std::{fmt, hash, str::FromStr, sync::Arc};

use http::{Method, Request, uri::PathAndQuery};

use crate::error::InvalidConfig;

/// Which requests an endpoint's settings are for: a path pattern in axum's syntax, for one method or for every method.
///
/// `GET /api/v2/users/{id}`, `/files/{*path}`, `/v1/{file}.json`. `{name}` matches one segment or the rest of one,
/// `{*name}` one or more segments at the end, and `{{` and `}}` are literal braces. A pattern is compared with the path as
/// it is sent: percent-encoded, without the query. Its text is also the endpoint's name in events and metrics.
///
/// Where several patterns match a request, the most specific path wins, compared segment by segment (literal before
/// `{name}` before `{*name}`), and between equal paths the one that names the method.
///
/// ```
/// use tower_heed::{EndpointPattern, TimeoutLayer};
///
/// let token: EndpointPattern = "POST /oauth/token".parse()?;
/// assert_eq!(token.to_string(), "POST /oauth/token");
///
/// let error = "/users/:id".parse::<EndpointPattern>().unwrap_err();
/// assert_eq!(error.what(), "endpoint pattern `/users/:id`");
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct EndpointPattern {
    text: Arc<str>,
    shape: Arc<Shape>,
}

/// What a pattern matches: equal for patterns that differ only in the names of their parameters.
#[derive(PartialEq, Eq)]
struct Shape {
    method: Option<Method>,
    /// The path up to the first parameter.
    literal: String,
    parameters: Vec<Parameter>,
    /// One rank for each segment, compared from the left.
    specificity: Vec<Rank>,
}

struct Parameter {
    name: String,
    /// Whether it takes all that is left of the path.
    is_rest: bool,
    /// The literal that follows in the same segment.
    suffix: String,
    /// The path from the next segment to the next parameter, with its leading `/`.
    literal: String,
}

/// How specific a segment is: its kind, then the length of its literal part.
type Rank = (Kind, usize);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Rest,
    Parameter,
    Prefixed,
    Literal,
}

/// Settings for all requests, and others for chosen endpoints.
#[derive(Clone)]
pub struct Endpoints<T> {
    base: T,
    /// The most specific first, so that the first match is the one that wins.
    entries: Vec<(EndpointPattern, T)>,
}

/// Where the settings for a request are: kept where the [`Endpoint`] itself would borrow them for too long.
/// The default is the base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointIndex(Option<usize>);

/// The settings for a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint<'a, T> {
    pattern: Option<&'a Arc<str>>,
    config: &'a T,
}

// === impl EndpointPattern ===

impl EndpointPattern {
    /// The text that was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The method that it is for; none if it is for every method.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.shape.method.as_ref()
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        self.shape.method.as_ref().is_none_or(|own| own == method)
            && self.shape.walk(path, |_, _| {})
    }

    fn rank(&self) -> (&[Rank], bool) {
        (&self.shape.specificity, self.shape.method.is_some())
    }
}

impl FromStr for EndpointPattern {
    type Err = InvalidConfig;

    /// Parses `/path` or `METHOD /path`.
    ///
    /// # Errors
    ///
    /// Text that is no pattern, or that no request can match. The error names it.
    fn from_str(text: &str) -> Result<Self, InvalidConfig> {
        let shape = Shape::parse(text)
            .map_err(|why| InvalidConfig::new(format!("endpoint pattern `{text}`"), why))?;
        Ok(Self { text: text.into(), shape: Arc::new(shape) })
    }
}

impl TryFrom<&str> for EndpointPattern {
    type Error = InvalidConfig;

    fn try_from(text: &str) -> Result<Self, InvalidConfig> {
        text.parse()
    }
}

impl fmt::Display for EndpointPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EndpointPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndpointPattern").field(&self.text).finish()
    }
}

impl PartialEq for EndpointPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EndpointPattern {}

impl hash::Hash for EndpointPattern {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

// === impl Shape ===

impl Shape {
    fn parse(text: &str) -> Result<Self, String> {
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method), path),
            None => (None, text),
        };
        let Some(segments) = path.strip_prefix('/') else {
            return Err("expected `/path` or `METHOD /path`".to_owned());
        };
        let mut shape = Self {
            method: method.map(parse_method).transpose()?,
            literal: String::new(),
            parameters: Vec::new(),
            specificity: Vec::new(),
        };
        for segment in segments.split('/') {
            if shape.parameters.last().is_some_and(|last| last.is_rest) {
                return Err("a `{*name}` comes last".to_owned());
            }
            shape.push(segment)?;
        }
        Ok(shape)
    }

    /// Adds a segment, without its leading `/`.
    fn push(&mut self, segment: &str) -> Result<(), String> {
        if segment.starts_with([':', '*']) {
            return Err(format!("a parameter is `{{name}}` or `{{*name}}`, and not `{segment}`"));
        }
        let (prefix, rest) = parse_literal(segment)?;
        self.literal_mut().push('/');
        self.literal_mut().push_str(&prefix);
        let Some(rest) = rest else {
            self.specificity.push((Kind::Literal, prefix.len()));
            return Ok(());
        };
        let (name, rest) = rest.split_once('}').ok_or("a `{` without its `}`")?;
        let (suffix, None) = parse_literal(rest)? else {
            return Err(format!("two parameters in the segment `{segment}`"));
        };
        let is_rest = name.starts_with('*');
        let name = name.strip_prefix('*').unwrap_or(name).to_owned();
        if name.is_empty() || name.contains(['{', '*']) {
            return Err(format!("a parameter without a proper name in the segment `{segment}`"));
        }
        if is_rest && !(prefix.is_empty() && suffix.is_empty()) {
            return Err(format!("a `{{*name}}` is a segment of its own, unlike in `{segment}`"));
        }
        let kind = match (is_rest, prefix.is_empty()) {
            (true, _) => Kind::Rest,
            (false, true) => Kind::Parameter,
            (false, false) => Kind::Prefixed,
        };
        self.specificity.push((kind, prefix.len() + suffix.len()));
        self.parameters.push(Parameter { name, is_rest, suffix, literal: String::new() });
        Ok(())
    }

    /// The literal at the end of what was parsed.
    fn literal_mut(&mut self) -> &mut String {
        match self.parameters.last_mut() {
            Some(last) => &mut last.literal,
            None => &mut self.literal,
        }
    }

    /// Whether `path` matches; calls `each` with the name and the value of each parameter that was found until then.
    fn walk<'a>(&'a self, path: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> bool {
        let Some(mut path) = path.strip_prefix(&*self.literal) else { return false };
        for parameter in &self.parameters {
            let end = if parameter.is_rest { None } else { path.find('/') };
            let (segment, next) = path.split_at(end.unwrap_or(path.len()));
            let value = segment.strip_suffix(&*parameter.suffix).filter(|value| !value.is_empty());
            let (Some(value), Some(next)) = (value, next.strip_prefix(&*parameter.literal)) else {
                return false;
            };
            each(&parameter.name, value);
            path = next;
        }
        path.is_empty()
    }
}

fn parse_method(name: &str) -> Result<Method, String> {
    if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(format!("methods are case-sensitive, and `{name}` is in lower case"));
    }
    Method::from_bytes(name.as_bytes()).map_err(|error| error.to_string())
}

/// The literal at the start of a segment, and what follows the `{` after it.
fn parse_literal(segment: &str) -> Result<(String, Option<&str>), String> {
    let mut literal = "/".to_owned();
    let mut rest = segment;
    let parameter = loop {
        let Some(at) = rest.find(['{', '}']) else {
            literal.push_str(rest);
            break None;
        };
        let (before, brace) = rest.split_at(at);
        literal.push_str(before);
        rest = &brace[1..];
        match (brace.starts_with('{'), rest.chars().next()) {
            (true, Some('{')) | (false, Some('}')) => {
                literal.push_str(&rest[..1]);
                rest = &rest[1..];
            }
            (true, _) => break Some(rest),
            (false, _) => return Err("a `}` without its `{`".to_owned()),
        }
    };
    match PathAndQuery::try_from(&*literal) {
        Ok(path) if path.as_str() == literal && path.query().is_none() => {
            literal.remove(0);
            Ok((literal, parameter))
        }
        _ => Err(format!("the path of a request is never sent with `{}` in it", &literal[1..])),
    }
}

// === impl Parameter ===

/// Names do not count.
impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        (self.is_rest, &self.suffix, &self.literal)
            == (other.is_rest, &other.suffix, &other.literal)
    }
}

impl Eq for Parameter {}

// === impl Endpoints ===

impl<T> Endpoints<T> {
    /// No endpoints: every request gets `base`.
    pub const fn new(base: T) -> Self {
        Self { base, entries: Vec::new() }
    }

    /// Gives the requests that match `pattern` settings of their own, in place of those of an earlier pattern that matches
    /// the same requests.
    pub fn insert(&mut self, pattern: EndpointPattern, config: T) {
        self.entries.retain(|(earlier, _)| earlier.shape != pattern.shape);
        self.entries.push((pattern, config));
        self.entries.sort_by(|(one, _), (other, _)| other.rank().cmp(&one.rank()));
    }

    /// The settings for a request with this method and path.
    #[cfg(any(feature = "response-cache", feature = "__internals"))]
    pub fn get(&self, method: &Method, path: &str) -> Endpoint<'_, T> {
        self.at(self.find(method, path))
    }

    /// Calls `each` with the name and the value of every parameter in the pattern that such a request matches.
    #[cfg(feature = "response-cache")]
    pub fn each_parameter(&self, method: &Method, path: &str, each: impl FnMut(&str, &str)) {
        if let EndpointIndex(Some(index)) = self.find(method, path) {
            self.entries[index].0.shape.walk(path, each);
        }
    }

    /// The settings for `request`.
    #[inline]
    pub fn of<B>(&self, request: &Request<B>) -> Endpoint<'_, T> {
        self.at(self.index_of(request))
    }

    /// Where the settings for `request` are. The index is valid until the next `insert`.
    #[inline]
    pub fn index_of<B>(&self, request: &Request<B>) -> EndpointIndex {
        // Most layers have no endpoints: then nothing of the request is looked at.
        if self.entries.is_empty() {
            return EndpointIndex(None);
        }
        self.find(request.method(), request.uri().path())
    }

    /// The settings that an index stands for.
    #[inline]
    pub fn at(&self, index: EndpointIndex) -> Endpoint<'_, T> {
        match index.0.and_then(|index| self.entries.get(index)) {
            Some((pattern, config)) => Endpoint { pattern: Some(&pattern.text), config },
            None => Endpoint { pattern: None, config: &self.base },
        }
    }

    fn find(&self, method: &Method, path: &str) -> EndpointIndex {
        EndpointIndex(self.entries.iter().position(|(pattern, _)| pattern.matches(method, path)))
    }

    /// The same endpoints, with what `map` makes of their settings.
    pub fn map<U>(&self, mut map: impl FnMut(&T) -> U) -> Endpoints<U> {
        let base = map(&self.base);
        let entries = self.entries.iter();
        let entries = entries.map(|(pattern, config)| (pattern.clone(), map(config))).collect();
        Endpoints { base, entries }
    }

    /// The settings of requests that match no pattern.
    pub const fn base(&self) -> &T {
        &self.base
    }

    /// The same, to change them. Endpoints that were inserted before keep theirs.
    pub const fn base_mut(&mut self) -> &mut T {
        &mut self.base
    }
}

impl<T: fmt::Debug> fmt::Debug for Endpoints<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("base", &self.base)
            .field("endpoints", &self.entries)
            .finish()
    }
}

// === impl Endpoint ===

impl<'a, T> Endpoint<'a, T> {
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
