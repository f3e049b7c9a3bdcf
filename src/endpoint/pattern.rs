//! Endpoint patterns.

use std::{cmp::Ordering, fmt, hash, str::FromStr, sync::Arc};

use http::{Method, uri::PathAndQuery};

use super::{
    segment::{self, Kind, Segment},
    spelling::Spelling,
};
use crate::error::InvalidConfig;

/// Which requests an endpoint's settings are for: a path pattern in axum's syntax, for one method or for every method.
///
/// `GET /api/v2/users/{id}`, `/files/{*path}`, `/v1/{file}.json`. `{name}` matches one segment or the rest of one,
/// `{*name}` one or more segments at the end, and `{{` and `}}` are literal braces. A pattern is compared with the path as
/// it is sent: percent-encoded, without the query, so `/x` does not match `/x/`. It holds for every host. Its text is also the
/// endpoint's name in events and metrics.
///
/// # Other spellings
///
/// Servers take `//users/1`, `/%75sers/1`, `/Users/1`, `/users/1/`, `/users;x=1/1` or `/a/../users/1` for `/users/1`, some of them or
/// all. [`FallbackLayer`](crate::FallbackLayer) and [`DetachLayer`](crate::DetachLayer) decide something that no other spelling may
/// evade. They compare the path in every such reading, `HEAD` as `GET` too, and a request with an
/// `X-HTTP-Method-Override`, `X-HTTP-Method` or `X-Method-Override` as one with any method. If a request could be for several endpoints, the
/// strictest of their settings apply: it fails closed if one of them does, and is detached if all of them are. The layer's own
/// settings count among them unless a pattern matches in every reading. Parameters may be spelled in any way: `/users/{id}` matches
/// `/users/auth0%7C7`. With dot segments, backslashes, control characters or double encoding a path could be for every endpoint.
///
/// With the feature `axum` these two layers also compare the path of the request's
/// [`OriginalUri`](https://docs.rs/axum/0.8/axum/extract/struct.OriginalUri.html), if it has one. Inside of a `Router::nest` it is the
/// path with the prefix. The other layers see the request's own URI only, in which a pattern with the prefix never matches.
///
/// Where several patterns match a request, the most specific path wins, compared segment by segment (literal before
/// `{name}` before `{*name}`), and between equal paths the one that names the method.
///
/// # Settings so far
///
/// The closure of an `endpoint(pattern, ..)`, of each layer but [`DetachLayer`](crate::DetachLayer), starts from the settings that
/// apply to these requests so far: those of an earlier endpoint whose pattern differs at most in the names of its parameters
/// (settings of both then add up), or else those of the most specific one that matches every request of this pattern, or else the
/// layer's own.
///
/// ```
/// use std::time::Duration;
/// use tower_heed::{EndpointPattern, TimeoutLayer};
///
/// let layer = TimeoutLayer::new(Duration::from_secs(10))
///     .endpoint("POST /login".parse()?, |config| config.limit(Duration::from_secs(3)));
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
    segments: Vec<Segment>,
    /// The segments in normal form, as [`Spelling`] has it. `None` if servers may read the pattern's own text as anything.
    normal: Option<Vec<Segment>>,
}

/// Whether a request is one of a pattern's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// However a server reads it.
    Sure,
    /// As some servers read it.
    Possible,
    No,
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

// === impl EndpointPattern ===

impl EndpointPattern {
    /// The text that was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The method that it is for; `None` if it is for every method.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.shape.method.as_ref()
    }

    pub(super) const fn shared_text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether the two match the same requests: they differ at most in the names of their parameters.
    pub(super) fn is_equivalent(&self, other: &Self) -> bool {
        self.shape == other.shape
    }

    /// Calls `each` with the name and the value of every parameter in a path that matches.
    #[cfg(any(feature = "response-cache", feature = "__internals"))]
    pub(super) fn each_parameter(&self, path: &str, each: impl FnMut(&str, &str)) {
        self.shape.walk(path, each);
    }

    pub(super) fn matches(&self, method: &Method, path: &str) -> bool {
        self.shape.method.as_ref().is_none_or(|own| own == method)
            && self.shape.walk(path, |_, _| {})
    }

    /// Whether servers may take a request for one that matches. Without a method it may have any. `spelling` is the path's.
    pub(super) fn could_match(
        &self,
        method: Option<&Method>,
        path: &str,
        spelling: &Spelling<'_>,
    ) -> Match {
        let of_method = match (self.method(), method) {
            (Some(_), None) => Match::Possible,
            (Some(own), Some(method)) if own != method => {
                // A `HEAD` is answered as the `GET` is (RFC 9110 section 9.3.2).
                let is_close = own.as_str().eq_ignore_ascii_case(method.as_str())
                    || (own == Method::GET && method == Method::HEAD);
                if !is_close {
                    return Match::No;
                }
                Match::Possible
            }
            (Some(_) | None, _) => Match::Sure,
        };
        let as_sent = self.shape.walk(path, |_, _| {});
        let readings = match (&self.shape.normal, spelling) {
            (Some(normal), Spelling::Normal(path)) => [segment::matches(normal, path); 2],
            (Some(normal), Spelling::Several(paths)) => {
                let matches = |path: &String| segment::matches(normal, path);
                [paths.iter().any(matches), paths.iter().all(matches)]
            }
            (None, _) | (_, Spelling::Any) => [true, false],
        };
        match (as_sent, readings) {
            (false, [false, false]) => Match::No,
            (true, [true, true]) => of_method,
            _ => Match::Possible,
        }
    }

    /// Whether every request that matches `other` matches this pattern too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let method = self.shape.method.as_ref();
        method.is_none_or(|own| other.shape.method.as_ref() == Some(own))
            && segment::cover(&self.shape.segments, &other.shape.segments)
    }

    /// Orders patterns: the greater one is the more specific. A pattern is never more specific than one that it covers.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let (one, other) = (&*self.shape, &*other.shape);
        let by_segments =
            one.segments.iter().map(Segment::rank).cmp(other.segments.iter().map(Segment::rank));
        by_segments.then_with(|| one.method.is_some().cmp(&other.method.is_some()))
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
            segments: Vec::new(),
            normal: None,
        };
        for segment in segments.split('/') {
            if shape.parameters.last().is_some_and(|last| last.is_rest) {
                return Err("a `{*name}` comes last".to_owned());
            }
            shape.push(segment)?;
        }
        shape.normal = segment::normal(&shape.segments);
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
            self.segments.push(Segment { kind: Kind::Literal, prefix, suffix: String::new() });
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
        if self.parameters.iter().any(|earlier| earlier.name == name) {
            return Err(format!("two parameters are called `{name}`"));
        }
        if is_rest && !(prefix.is_empty() && suffix.is_empty()) {
            return Err(format!("a `{{*name}}` must be a whole segment, unlike in `{segment}`"));
        }
        let kind = match (is_rest, prefix.is_empty()) {
            (true, _) => Kind::Rest,
            (false, true) => Kind::Parameter,
            (false, false) => Kind::Prefixed,
        };
        self.segments.push(Segment { kind, prefix, suffix: suffix.clone() });
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
