//! Which of a server's buckets a request is counted in, by the responses so far.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc};

use super::{keys::IsHash, route::Route};

/// The most routes of a key. For one more any other is forgotten, so that a few too many cost a few.
const MAX_ROUTES: usize = 512;

/// The most buckets of a key; an idle one is evicted.
const MAX_BUCKETS: usize = 64;

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
    known: HashMap<u64, Known, BuildHasherDefault<IsHash>>,
    /// The bucket of all other routes.
    pub(super) others: Option<Arc<str>>,
    /// Whether the server names buckets. If not, they are those of routes with limits of their own.
    pub(super) named: bool,
    /// The hashes of the buckets that have a slot.
    pub(super) buckets: Vec<u64>,
}

#[derive(Debug)]
enum Known {
    Bucket(Arc<str>),
    /// The next level tells several buckets apart.
    Several,
}

// === impl Routes ===

impl Routes {
    /// The bucket of a request on this route, if it is known.
    pub(super) fn bucket(&self, route: &Route) -> Option<&Arc<str>> {
        if let Some(Known::Bucket(name)) = self.known.get(&route.finest()) {
            return Some(name);
        }
        for level in route.levels() {
            match self.known.get(level) {
                Some(Known::Bucket(name)) => return Some(name),
                Some(Known::Several) => {}
                None => break,
            }
        }
        self.others.as_ref()
    }

    /// The route whose finest level is this has a limit of its own.
    pub(super) fn set_apart(&mut self, finest: u64, name: &Arc<str>) {
        self.insert(finest, Known::Bucket(Arc::clone(name)));
    }

    /// A response has named the bucket of this route.
    pub(super) fn learn(&mut self, route: &Route, name: &Arc<str>) {
        let last = route.len() - 1;
        for (at, level) in route.levels().iter().enumerate() {
            let Some(known) = self.known.get_mut(level) else {
                return self.insert(*level, Known::Bucket(Arc::clone(name)));
            };
            match known {
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

    fn insert(&mut self, level: u64, known: Known) {
        if self.known.len() >= MAX_ROUTES && !self.known.contains_key(&level) {
            if let Some(other) = self.known.keys().next().copied() {
                self.known.remove(&other);
            }
        }
        self.known.insert(level, known);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::{
        super::route::{LastRoute, Target},
        *,
    };

    fn next(last: &mut LastRoute, method: &Method, pattern: Option<&str>, path: &str) -> Route {
        last.next(Target { method, pattern, path, headers: &HeaderMap::new() })
    }

    fn get(path: &str) -> Route {
        next(&mut LastRoute::default(), &Method::GET, None, path)
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
        let post = next(&mut LastRoute::default(), &Method::POST, None, "/repos/c");
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
