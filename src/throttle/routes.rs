//! Which of a server's buckets a request is counted in, by the responses so far.

use std::sync::Arc;

use http::Method;

/// The most levels of a route that are distinguished.
const DEPTH: usize = 5;

/// The most routes of a key; the oldest is dropped.
const MAX_ROUTES: usize = 64;

/// The most buckets of a key; an idle one is evicted.
const MAX_BUCKETS: usize = 64;

/// The route of a request, as a hash at each level of detail: the method with the pattern or the first segment, then a segment more at
/// a time, then the end of the path. Identifiers are all alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    levels: [u64; DEPTH],
    len: usize,
}

/// The routes whose bucket is known.
///
/// A route is as short as possible: `GET /repos` stands for all below it, until two responses name different buckets. From then on
/// the routes below differ by one more segment.
///
/// ```text
///   GET /repos/a/b  ◀── core            GET /repos  ─▶ core
///   GET /search/users  ◀── search       GET /search ─▶ several ─┬─ /search/users ─▶ search
///   GET /search/code  ◀── code_search                           └─ /search/code  ─▶ code_search
/// ```
#[derive(Debug, Default)]
pub(super) struct Routes {
    known: Vec<(u64, Known)>,
    oldest: usize,
    /// The hashes of the buckets that have a slot.
    pub(super) buckets: Vec<u64>,
}

#[derive(Debug)]
enum Known {
    Bucket(Arc<str>),
    /// The next level tells several buckets apart.
    Several,
}

// === impl Route ===

impl Route {
    pub(super) fn new(method: &Method, pattern: Option<&str>, path: &str) -> Self {
        let mut hash = add(0xcbf2_9ce4_8422_2325, method.as_str());
        let mut route = Self { levels: [hash; DEPTH], len: 0 };
        if let Some(pattern) = pattern {
            hash = add(hash, pattern);
            route.push(hash);
        }
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            if route.len == DEPTH {
                break;
            }
            hash = add(hash, if is_identifier(segment) { "*" } else { segment });
            route.push(hash);
        }
        if route.len < DEPTH {
            // The end of the path: no segment is spelled like this.
            route.push(add(hash, "/"));
        }
        route
    }

    fn push(&mut self, hash: u64) {
        self.levels[self.len] = hash;
        self.len += 1;
    }

    fn levels(&self) -> &[u64] {
        &self.levels[..self.len]
    }
}

// === impl Routes ===

impl Routes {
    /// The bucket of a request on this route, if it is known.
    pub(super) fn bucket(&self, route: &Route) -> Option<&Arc<str>> {
        for level in route.levels() {
            match self.known(*level)? {
                Known::Bucket(name) => return Some(name),
                Known::Several => {}
            }
        }
        None
    }

    /// A response has named the bucket of this route.
    pub(super) fn learn(&mut self, route: &Route, name: &Arc<str>) {
        let last = route.len - 1;
        for (at, level) in route.levels().iter().enumerate() {
            let index = self.known.iter().position(|(known, _)| known == level);
            let Some(index) = index else {
                return self.insert(*level, Known::Bucket(Arc::clone(name)));
            };
            match &mut self.known[index].1 {
                Known::Bucket(known) if known == name => return,
                // The bucket was renamed.
                Known::Bucket(known) if at == last => {
                    *known = Arc::clone(name);
                    return;
                }
                known @ Known::Bucket(_) => *known = Known::Several,
                Known::Several => {}
            }
        }
    }

    /// Whether there is room for another bucket.
    pub(super) fn has_room(&self) -> bool {
        self.buckets.len() < MAX_BUCKETS
    }

    fn known(&self, level: u64) -> Option<&Known> {
        self.known.iter().find(|(known, _)| *known == level).map(|(_, known)| known)
    }

    fn insert(&mut self, level: u64, known: Known) {
        if self.known.len() < MAX_ROUTES {
            self.known.push((level, known));
        } else {
            self.known[self.oldest] = (level, known);
            self.oldest = (self.oldest + 1) % MAX_ROUTES;
        }
    }
}

/// Whether a segment has a digit and is no version.
fn is_identifier(segment: &str) -> bool {
    let is_version = segment
        .strip_prefix('v')
        .is_some_and(|version| version.len() <= 3 && version.bytes().all(|b| b.is_ascii_digit()));
    !is_version && segment.bytes().any(|byte| byte.is_ascii_digit())
}

/// FNV-1a, since paths are the client's own.
fn add(hash: u64, text: &str) -> u64 {
    let bytes = text.bytes().chain([0]);
    bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Route {
        Route::new(&Method::GET, None, path)
    }

    fn learn(routes: &mut Routes, path: &str, name: &str) {
        routes.learn(&get(path), &name.into());
    }

    fn bucket<'a>(routes: &'a Routes, path: &str) -> Option<&'a str> {
        routes.bucket(&get(path)).map(|name| &**name)
    }

    #[test]
    fn a_route_stands_for_all_below_it_until_they_differ() {
        let mut routes = Routes::default();
        learn(&mut routes, "/repos/a/b", "core");
        assert_eq!(bucket(&routes, "/repos/c"), Some("core"));
        assert_eq!(bucket(&routes, "/search/code"), None);
        let post = Route::new(&Method::POST, None, "/repos/c");
        assert!(routes.bucket(&post).is_none(), "another method");
        learn(&mut routes, "/search/users", "search");
        learn(&mut routes, "/search/code", "code_search");
        assert_eq!(bucket(&routes, "/search/code"), Some("code_search"));
        assert_eq!(bucket(&routes, "/search/users"), None, "its bucket is no longer certain");
        learn(&mut routes, "/search/users", "search");
        assert_eq!(bucket(&routes, "/search/users"), Some("search"));
        assert_eq!(bucket(&routes, "/search/code"), Some("code_search"));
    }

    #[test]
    fn identifiers_are_all_alike_and_versions_are_not() {
        let mut routes = Routes::default();
        learn(&mut routes, "/api/v10/channels/123/messages", "one");
        learn(&mut routes, "/api/v10/channels/123/pins", "two");
        learn(&mut routes, "/api/v9/channels/123/pins", "two");
        learn(&mut routes, "/api/v10/channels/456/messages", "one");
        for _ in 0..5 {
            learn(&mut routes, "/api/v10/channels/123/messages", "one");
            learn(&mut routes, "/api/v10/channels/123/pins", "two");
        }
        assert_eq!(bucket(&routes, "/api/v10/channels/789/messages"), Some("one"));
        assert_eq!(bucket(&routes, "/api/v10/channels/789/pins"), Some("two"));
    }

    #[test]
    fn a_path_above_others_that_differ_has_its_own_bucket() {
        let mut routes = Routes::default();
        for _ in 0..3 {
            learn(&mut routes, "/channels/1", "channel");
            learn(&mut routes, "/channels/1/messages", "messages");
            learn(&mut routes, "/channels", "all");
        }
        assert_eq!(bucket(&routes, "/channels/2/messages"), Some("messages"));
        assert_eq!(bucket(&routes, "/channels/2"), Some("channel"));
        assert_eq!(bucket(&routes, "/channels"), Some("all"));
    }

    #[test]
    fn a_renamed_bucket_is_followed_and_a_million_routes_take_the_room_of_a_few() {
        let mut routes = Routes::default();
        for name in ["one", "two", "three"] {
            learn(&mut routes, "/", name);
            assert_eq!(bucket(&routes, "/"), Some(name));
        }
        for number in 0..100_000 {
            let path = format!("/{}/x", "a".repeat(number % 1_000 + 1));
            learn(&mut routes, &path, &number.to_string());
        }
        assert!(routes.known.len() <= MAX_ROUTES);
    }
}
