//! The route of a request, and its hash.

use http::{HeaderMap, Method, Request};

/// The most levels of a route that are distinguished.
const DEPTH: usize = 5;

/// The longest path that is kept to be compared with the next.
const MAX_PATH: usize = 256;

/// Where the hashes begin, and what they are multiplied with: the digits of the golden ratio, and of the square root of two.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0x6a09_e667_f3bc_c909;

/// A segment begins, is an identifier, or there is none. No byte of a path is zero or all ones.
const SEGMENT: u64 = 0xff01;
const IDENTIFIER: u64 = 0xff02;
const END: u64 = 0xff03;

/// A `v` and three digits.
const LONGEST_VERSION: usize = 4;

/// One in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The route of a request, as a hash at each level of detail: the method with the pattern or the first segment, then a segment more at
/// a time, then the end of the path. Identifiers are all alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    levels: [u64; DEPTH],
    len: u8,
    has_pattern: bool,
}

/// What determines the route of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) method: &'a Method,
    pub(super) pattern: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
}

impl<'a> Target<'a> {
    #[inline]
    pub(super) fn of<B>(request: &'a Request<B>, pattern: Option<&'a str>) -> Self {
        let (method, path) = (request.method(), request.uri().path());
        Self { method, pattern, path, headers: request.headers() }
    }
}

/// The route of the last request. The next path mostly begins with the same segments, and to compare text takes a tenth of the time
/// that it takes to find and hash them.
#[derive(Debug)]
pub(super) struct LastRoute {
    /// The hash of the method and the pattern.
    begin: u64,
    path: Vec<u8>,
    route: Route,
    /// Where the segments of the path end.
    ends: [usize; DEPTH],
}

/// One segment of a path, hashed with all before it.
struct Segment {
    hash: u64,
    end: usize,
}

// === impl Route ===

impl Route {
    fn push(&mut self, hash: u64) {
        self.levels[self.len()] = hash;
        self.len += 1;
    }

    /// The hash at the finest level; of the pattern, if the endpoint has one.
    pub(super) fn finest(&self) -> u64 {
        if self.has_pattern { self.levels[0] } else { self.levels[self.len() - 1] }
    }

    pub(super) fn len(&self) -> usize {
        self.len.into()
    }

    pub(super) fn levels(&self) -> &[u64] {
        &self.levels[..self.len()]
    }
}

// === impl LastRoute ===

impl LastRoute {
    /// The route of the next request.
    #[inline]
    pub(super) fn next(&mut self, target: Target<'_>) -> Route {
        let mut begin = match of_method(target.method) {
            SEED => add(SEED, target.method.as_str()),
            known => known,
        };
        if let Some(pattern) = target.pattern {
            begin = add(begin, pattern);
        }
        let path = target.path.as_bytes();
        let same = if begin == self.begin { common_prefix(path, &self.path) } else { 0 };
        if begin != self.begin || same < path.len() || same < self.path.len() {
            self.read(begin, target.pattern.is_some(), path, same);
        }
        self.route
    }

    /// Reads a path that begins with the same bytes as the last one, so many of them.
    fn read(&mut self, begin: u64, has_pattern: bool, path: &[u8], same: usize) {
        let before = usize::from(has_pattern);
        // A segment that ends where the paths differ may go on.
        let known = self.ends[..self.segments()].iter().take_while(|end| **end < same).count();
        let (mut hash, mut at) = (begin, 0);
        let mut route = Route { levels: [begin; DEPTH], len: 0, has_pattern };
        if has_pattern {
            route.push(begin);
        }
        if known > 0 {
            route.levels[..known + before].copy_from_slice(&self.route.levels[..known + before]);
            route.len += known as u8;
            (hash, at) = (route.levels[known + before - 1], self.ends[known - 1]);
        }
        while at < path.len() && route.len() < DEPTH {
            if path[at] == b'/' {
                at += 1;
                continue;
            }
            let segment = Segment::read(path, at, hash);
            at = segment.end;
            hash = segment.hash;
            self.ends[route.len() - before] = at;
            route.push(hash);
        }
        if route.len() < DEPTH {
            // The end of the path: no segment is spelled like this.
            self.ends[route.len() - before] = usize::MAX;
            route.push(mix(hash, END));
        }
        (self.begin, self.route) = (begin, route);
        self.path.clear();
        if path.len() <= MAX_PATH {
            self.path.extend_from_slice(path);
        } else {
            // No request is compared with it.
            self.begin = !begin;
        }
    }

    fn segments(&self) -> usize {
        self.route.len() - usize::from(self.route.has_pattern)
    }
}

impl Default for LastRoute {
    fn default() -> Self {
        let route = Route { levels: [0; DEPTH], len: 0, has_pattern: false };
        Self { begin: 0, path: Vec::new(), route, ends: [0; DEPTH] }
    }
}

// === impl Segment ===

impl Segment {
    /// Reads the segment that begins here, eight bytes at a time: each request is on a route, and few need to know it.
    #[inline(always)]
    fn read(path: &[u8], start: usize, before: u64) -> Self {
        let (mut hash, mut at) = (before.wrapping_add(SEGMENT), start);
        loop {
            let word = word_at(path, at);
            let slash = slashes(word);
            // All bits below the first slash.
            let part = if slash == 0 { word } else { word & (lowest(slash) - 1) };
            if has_digit_in(part) {
                let end = segment_end(path, at);
                let is_version = is_version(&path[start..end]);
                let hash = if is_version { mix(hash, part) } else { mix(before, IDENTIFIER) };
                return Self { hash, end };
            }
            if part != 0 {
                hash = mix(hash, part);
            }
            if slash != 0 {
                return Self { hash, end: at + slash.trailing_zeros() as usize / 8 };
            }
            at += 8;
            if at >= path.len() {
                return Self { hash, end: path.len() };
            }
        }
    }
}

/// How many bytes two texts have in common, from the first on.
#[inline]
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let len = one.len().min(other.len());
    let differs = |at: &usize| word_at(&one[..len], *at) != word_at(&other[..len], *at);
    let Some(at) = (0..len).step_by(8).find(differs) else { return len };
    let differing = word_at(&one[..len], at) ^ word_at(&other[..len], at);
    at + differing.trailing_zeros() as usize / 8
}

#[inline(always)]
fn segment_end(path: &[u8], mut at: usize) -> usize {
    while at < path.len() {
        let slash = slashes(word_at(path, at));
        if slash != 0 {
            return at + slash.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    path.len()
}

/// Whether a segment with a digit is a version, not an identifier.
fn is_version(segment: &[u8]) -> bool {
    segment.len() <= LONGEST_VERSION
        && segment.strip_prefix(b"v").is_some_and(|version| version.iter().all(u8::is_ascii_digit))
}

const fn of_method(method: &Method) -> u64 {
    match *method {
        Method::GET => mix(SEED, 1),
        Method::POST => mix(SEED, 2),
        Method::PUT => mix(SEED, 3),
        Method::PATCH => mix(SEED, 4),
        Method::DELETE => mix(SEED, 5),
        _ => SEED,
    }
}

#[inline]
fn add(hash: u64, text: &str) -> u64 {
    let (text, mut hash) = (text.as_bytes(), mix(hash, text.len() as u64));
    for at in (0..text.len()).step_by(8) {
        hash = mix(hash, word_at(text, at));
    }
    hash
}

/// No state is random, since paths are the client's own.
#[inline]
const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word) as u128 * FACTOR as u128;
    product as u64 ^ (product >> 64) as u64
}

/// The next eight bytes, with zeros after the last.
#[inline(always)]
fn word_at(text: &[u8], at: usize) -> u64 {
    let rest = &text[at..];
    if let Some(word) = rest.first_chunk() {
        return u64::from_le_bytes(*word);
    }
    match text.last_chunk() {
        Some(word) if !rest.is_empty() => u64::from_le_bytes(*word) >> (8 * (8 - rest.len())),
        _ => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The highest bit of the first byte that is a slash, and perhaps those of later ones.
const fn slashes(word: u64) -> u64 {
    let word = word ^ (ONES * b'/' as u64);
    word.wrapping_sub(ONES) & !word & (ONES * 0x80)
}

/// The lowest bit of the byte that the lowest of these bits is the highest of.
const fn lowest(bits: u64) -> u64 {
    (bits & bits.wrapping_neg()) >> 7
}

const fn has_digit_in(word: u64) -> bool {
    let low = word & (ONES * 0x7f);
    let (from, beyond) = (low + ONES * (0x80 - 0x30), low + ONES * (0x80 - 0x3a));
    from & !beyond & !word & (ONES * 0x80) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(last: &mut LastRoute, method: &Method, pattern: Option<&str>, path: &str) -> Route {
        last.next(Target { method, pattern, path, headers: &HeaderMap::new() })
    }

    fn get(path: &str) -> Route {
        next(&mut LastRoute::default(), &Method::GET, None, path)
    }

    #[test]
    fn segments_of_any_length_are_told_apart_and_a_level_is_the_same_whatever_follows() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        let mut seen = std::collections::HashSet::new();
        for len in 1..text.len() {
            let path = format!("/{}", &text[..len]);
            let alone = get(&path);
            assert!(seen.insert(alone.levels[0]), "{path}");
            for end in ["/", "/x", "/x/y", "//x", "/1234567/abcdefghi"] {
                assert_eq!(get(&format!("{path}{end}")).levels[0], alone.levels[0], "{path}{end}");
            }
            for at in 1..len {
                let split = get(&format!("/{}/{}", &text[..at], &text[at..len]));
                assert!(seen.insert(split.levels[1]), "{path} {at}");
                let id = get(&format!("/{}7{}", &text[..at], &text[at..len]));
                assert_eq!(id.levels[0], get("/7").levels[0], "{path} {at}");
            }
        }
        for other in ["/ab:", "/ab/", "/v", "/é", "/:;<"] {
            assert_ne!(get(other).levels[0], get("/7").levels[0], "{other}");
        }
        for version in ["/v1", "/v20", "/v300"] {
            assert!(seen.insert(get(version).levels[0]), "{version}");
        }
        assert_eq!(get("/v4000").levels[0], get("/7").levels[0]);
        assert_eq!(get("").levels[0], get("/").levels[0]);
    }

    #[test]
    fn a_route_is_the_same_whatever_the_last_one_was() {
        let parts =
            ["", "/", "/a", "/ab", "/abcdefgh", "/abcdefghi", "/1", "/12", "/v1", "//a", "/x1"];
        let mut paths = vec![String::from("/") + &"z".repeat(300)];
        for one in parts {
            for other in parts {
                paths.extend(parts.map(|third| format!("{one}{other}{third}")));
            }
        }
        let mut last = LastRoute::default();
        let patterns = [None, Some("/a/{id}"), Some("/{*rest}")];
        for number in 0..40_000_usize {
            // Each follows many others.
            let path = &*paths[number * number % 7_919 % paths.len()];
            let method = [&Method::GET, &Method::POST][number / 3 % 2];
            let pattern = patterns[number / 7 % 3];
            let fresh = next(&mut LastRoute::default(), method, pattern, path);
            let next = next(&mut last, method, pattern, path);
            assert_eq!(next.levels(), fresh.levels(), "{path}");
            assert_eq!(next.finest(), fresh.finest(), "{path}");
        }
    }
}
