//! `Endpoints`: the most specific pattern wins, and a bad one is refused by name.

use http::{Method, Request};
use tower_heed::endpoint::Endpoints;

fn endpoints(patterns: &[&str]) -> Endpoints<String> {
    let mut endpoints = Endpoints::new("base".to_owned());
    for pattern in patterns {
        endpoints.insert(pattern, (*pattern).to_owned()).unwrap();
    }
    endpoints
}

#[test]
fn the_most_specific_pattern_wins_whatever_the_order() {
    let mut patterns = [
        "GET /users/{id}",
        "/users/me",
        "/users/{*rest}",
        "GET /{*rest}",
        "POST /users/{id}/roles",
        "/{any}/users",
    ];
    for _ in 0..patterns.len() {
        patterns.rotate_left(1);
        let endpoints = endpoints(&patterns);
        for (method, path, expected) in [
            (Method::GET, "/users/7", "GET /users/{id}"),
            (Method::PUT, "/users/7", "/users/{*rest}"),
            // A literal path for every method is more specific than a pattern for this one.
            (Method::GET, "/users/me", "/users/me"),
            (Method::POST, "/users/7/roles", "POST /users/{id}/roles"),
            // The path of another method's endpoint does not hide the ones that fit.
            (Method::GET, "/users/7/roles", "/users/{*rest}"),
            (Method::GET, "/elsewhere", "GET /{*rest}"),
            (Method::PUT, "/elsewhere", "base"),
            (Method::PUT, "/beta/users", "/{any}/users"),
            (Method::PUT, "/users/7/", "/users/{*rest}"),
        ] {
            let found = endpoints.get(&method, path);
            assert_eq!(found.config(), expected, "{method} {path}");
            assert_eq!(found.pattern().unwrap_or("base"), expected, "{method} {path}");
        }
    }
}

#[test]
fn the_query_and_the_host_do_not_count() {
    let endpoints = endpoints(&["GET /users/{id}"]);
    let request = Request::get("https://id.example/users/7?fields=/roles").body(()).unwrap();
    assert_eq!(endpoints.of(&request).config(), "GET /users/{id}");
}

#[test]
fn a_bad_pattern_is_refused_by_name_and_changes_nothing() {
    let mut endpoints = endpoints(&["GET /users/{id}"]);
    for bad in [
        "",
        "GET",
        "users",
        "GET users",
        "get /users",
        "GET  /users",
        "G@T /users",
        "GET /users?id=1",
        "GET /users/{id}",
        "GET /users/{name}",
        "/users/{",
        "/users/{}",
        "/{*all}/more",
        // Of the same method, in the same place as a `{name}`.
        "GET /users/{*rest}",
    ] {
        let error = endpoints.insert(bad, "never".to_owned()).unwrap_err();
        assert_eq!(error.what(), format!("endpoint pattern `{bad}`"));
    }
    assert_eq!(endpoints.get(&Method::GET, "/users/7").config(), "GET /users/{id}");
    assert_eq!(endpoints.get(&Method::POST, "/users/7").config(), "base");
}

#[test]
fn a_clone_is_changed_alone() {
    let first = endpoints(&["/a"]);
    let mut second = first.clone();
    second.insert("/b", "b".to_owned()).unwrap();
    "other".clone_into(second.base_mut());
    assert_eq!(first.get(&Method::GET, "/b").config(), "base");
    assert_eq!(second.get(&Method::GET, "/b").config(), "b");
    assert_eq!(second.get(&Method::GET, "/c").config(), "other");
}
