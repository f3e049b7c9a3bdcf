//! Endpoint patterns: the most specific one wins, and text that can match nothing is rejected by name.

use http::{Method, Request, Uri};
use proptest::prelude::*;
use tower_heed::{__internals::Endpoints, EndpointPattern};

fn endpoints(patterns: &[&str]) -> Endpoints<String> {
    let mut endpoints = Endpoints::new("base".to_owned());
    for pattern in patterns {
        endpoints.insert(pattern.parse().unwrap(), (*pattern).to_owned());
    }
    endpoints
}

fn config<'a>(endpoints: &'a Endpoints<String>, path: &str) -> &'a str {
    endpoints.get(&Method::GET, path).config()
}

#[test]
fn the_most_specific_pattern_wins_whatever_the_order() {
    let mut patterns = [
        "GET /users/{id}",
        "/users/me",
        "/users/{*rest}",
        // Of the same method, in the same place as a `{name}`.
        "GET /users/{*rest}",
        "GET /{*rest}",
        "POST /users/{id}/roles",
        "/{any}/users",
        "/files/{name}.json",
        "/files/v{number}",
        "/files/v1{number}",
        "/files/{name}",
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
            (Method::GET, "/users/7/roles", "GET /users/{*rest}"),
            (Method::PUT, "/users/7/roles", "/users/{*rest}"),
            (Method::GET, "/elsewhere", "GET /{*rest}"),
            (Method::PUT, "/elsewhere", "base"),
            (Method::PUT, "/beta/users", "/{any}/users"),
            (Method::PUT, "/users/7/", "/users/{*rest}"),
            (Method::PUT, "/files/a.json", "/files/{name}.json"),
            (Method::PUT, "/files/a.json.json", "/files/{name}.json"),
            (Method::PUT, "/files/.json", "/files/{name}"),
            (Method::PUT, "/files/v2.json", "/files/v{number}"),
            (Method::PUT, "/files/v12", "/files/v1{number}"),
            (Method::PUT, "/files/v1", "/files/v{number}"),
            (Method::PUT, "/files/v", "/files/{name}"),
            (Method::PUT, "/files/", "base"),
            (Method::PUT, "/files/a/b", "base"),
        ] {
            let found = endpoints.get(&method, path);
            assert_eq!(found.config(), expected, "{method} {path}");
            assert_eq!(found.pattern().unwrap_or("base"), expected, "{method} {path}");
        }
    }
}

#[test]
fn a_pattern_that_is_given_again_keeps_its_place() {
    // Of equal rank, and both match `/abbc`.
    let patterns = ["/a{one}bc", "/ab{one}c"];
    for [one, other] in [patterns, [patterns[1], patterns[0]]] {
        let mut endpoints = endpoints(&[one, other]);
        let before = config(&endpoints, "/abbc").to_owned();
        for pattern in [one, other] {
            endpoints.insert(pattern.parse().unwrap(), pattern.to_owned());
            assert_eq!(config(&endpoints, "/abbc"), before);
        }
    }
}

#[test]
fn braces_are_escaped_by_doubling_them() {
    let endpoints = endpoints(&["/{{id}}", "/a/{id}}}", "/b/{{{id}"]);
    assert_eq!(config(&endpoints, "/{id}"), "/{{id}}");
    assert_eq!(config(&endpoints, "/7"), "base");
    assert_eq!(config(&endpoints, "/a/7}"), "/a/{id}}}");
    assert_eq!(config(&endpoints, "/b/{7"), "/b/{{{id}");
}

#[test]
fn the_values_of_parameters_are_those_of_all_patterns_that_match() {
    let endpoints =
        endpoints(&["/{any}/{*rest}", "/users/{id}/files/v{version}.json", "/users/me"]);
    let values = |path: &str| {
        let mut found = Vec::new();
        let each = |name: &str, value: &str| found.push(format!("{name}={value}"));
        endpoints.each_parameter(&Method::GET, path, each);
        found.join(" ")
    };
    assert_eq!(values("/users/7/files/v3.json"), "id=7 version=3 any=users rest=7/files/v3.json");
    assert_eq!(values("/users/7/files/v.json"), "any=users rest=7/files/v.json");
    assert_eq!(values("/users/me"), "any=users rest=me");
    assert_eq!(values("/users"), "");
}

#[test]
fn the_query_and_the_host_do_not_count() {
    let endpoints = endpoints(&["GET /users/{id}"]);
    let request = Request::get("https://id.example/users/7?fields=/roles").body(()).unwrap();
    assert_eq!(endpoints.of(&request).config(), "GET /users/{id}");
}

#[test]
fn a_pattern_that_can_match_nothing_is_rejected_by_name() {
    for bad in [
        "",
        "GET",
        "users",
        "GET users",
        "get /users",
        "GET  /users",
        "G@T /users",
        "GET /users?id=1",
        "/users#top",
        "/users /x",
        "/a\tb",
        "/users/{",
        "/users/}",
        "/users/{}",
        "/users/{*}",
        "/users/{a/b}",
        "/users/{a}{b}",
        "/users/{id}/{id}",
        "/users/{id}/files/{*id}",
        "/users/{*a}.json",
        "/users/a{*a}",
        "/users/{a{b}",
        "/{*all}/more",
        "/{*all}/",
        // The syntaxes of other routers.
        "/users/:id",
        "/users/:id/roles",
        "/users/*rest",
        "/users/*",
        "https://id.example/users",
    ] {
        let error = bad.parse::<EndpointPattern>().unwrap_err();
        assert_eq!(error.what(), format!("endpoint pattern `{bad}`"));
        assert_eq!(EndpointPattern::try_from(bad).unwrap_err(), error);
    }
}

#[test]
fn what_looks_alike_and_is_sent_is_not_rejected() {
    for path in ["/v1/things:cancel", "/a*b", "/a/", "//a", "/", "/caf%C3%A9", "/a+b@c,d;e=f~g"] {
        assert_eq!(config(&endpoints(&[path]), path), path);
    }
    let endpoints = endpoints(&["POST /v1/{name}:cancel"]);
    let found = endpoints.get(&Method::POST, "/v1/7:cancel");
    assert_eq!(found.pattern(), Some("POST /v1/{name}:cancel"));
}

#[test]
fn as_many_parameters_as_one_likes() {
    let pattern: String = (0..300).map(|n| format!("/{{p{n}}}")).collect();
    assert_eq!(config(&endpoints(&[&pattern]), &"/x".repeat(300)), pattern);
}

#[test]
fn a_later_pattern_replaces_one_that_matches_the_same() {
    let first = ["GET /users/{id}", "/users/{id}", "/users/{id}/roles"];
    let mut endpoints = endpoints(&first);
    endpoints.insert("GET /users/{name}".parse().unwrap(), "later".to_owned());
    assert_eq!(config(&endpoints, "/users/7"), "later");
    let found = endpoints.get(&Method::GET, "/users/7");
    assert_eq!(found.pattern(), Some("GET /users/{name}"));
    assert_eq!(endpoints.get(&Method::PUT, "/users/7").config(), "/users/{id}");
    assert_eq!(config(&endpoints, "/users/7/roles"), "/users/{id}/roles");
}

/// Settings that list the changes that were made to them.
fn change(endpoints: &mut Endpoints<String>, pattern: &str) {
    let change = |so_far: String| format!("{so_far} > {pattern}");
    endpoints.configure(pattern.parse().unwrap(), Some(change));
}

fn name(endpoints: &mut Endpoints<String>, pattern: &str) {
    endpoints.configure(pattern.parse().unwrap(), None::<fn(String) -> String>);
}

#[test]
fn a_change_starts_from_the_most_specific_pattern_that_covers_its_own() {
    for (earlier, pattern, covers) in [
        ("/users/{id}", "/users/{name}", true),
        ("/users/{id}", "GET /users/{id}", true),
        ("GET /users/{id}", "/users/{id}", false),
        ("GET /users/{id}", "PUT /users/{id}", false),
        ("/users/{id}", "/users/me", true),
        ("/users/me", "/users/{id}", false),
        ("/users/{id}", "/users/", false),
        ("/users/{id}", "/users/{id}/roles", false),
        ("/users/{id}", "/users/{*rest}", false),
        ("/users/{*rest}", "/users/{id}", true),
        ("/users/{*rest}", "/users/{id}/roles", true),
        ("/users/{*rest}", "/users/", false),
        ("/users/{*rest}", "/users//", true),
        ("/users/{*rest}", "/users", false),
        ("/users/{*rest}", "/users/{id}/{*more}", true),
        ("/users/{id}/{*more}", "/users/{*rest}", false),
        ("/{*all}", "GET /users/{*rest}", true),
        ("/{tenant}/public", "/users/{id}", false),
        ("/{tenant}/{id}", "/users/{id}", true),
        ("/v{version}", "/v1", true),
        ("/v{version}", "/v", false),
        ("/v{version}", "/v1{rest}", true),
        ("/v1{rest}", "/v{version}", false),
        ("/{file}.json", "/a.json", true),
        ("/{file}.json", "/.json", false),
        ("/{file}.json", "/v{n}.tar.json", true),
        ("/{file}.tar.json", "/{n}.json", false),
    ] {
        let mut endpoints = Endpoints::new("base".to_owned());
        change(&mut endpoints, earlier);
        let so_far = endpoints.so_far(&pattern.parse().unwrap());
        let expected = if covers { format!("base > {earlier}") } else { "base".to_owned() };
        assert_eq!(*so_far, expected, "{pattern} after {earlier}");
    }

    let mut endpoints = Endpoints::new("base".to_owned());
    for pattern in ["/{*all}", "/users/{*rest}", "GET /users/{id}", "/users/{name}"] {
        change(&mut endpoints, pattern);
    }
    assert_eq!(config(&endpoints, "/users/7"), "base > /{*all} > /users/{*rest} > GET /users/{id}");
    let put = endpoints.get(&Method::PUT, "/users/7");
    assert_eq!(put.config(), "base > /{*all} > /users/{*rest} > /users/{name}");
}

#[test]
fn a_name_changes_no_settings() {
    let mut endpoints = Endpoints::new("base".to_owned());
    name(&mut endpoints, "/authz/check");
    change(&mut endpoints, "/authz/{*rest}");
    change(&mut endpoints, "/{tenant}/public");
    name(&mut endpoints, "GET /users/{id}");
    name(&mut endpoints, "/authz/{*all}");
    for (path, name, settings) in [
        // Whichever was first.
        ("/authz/check", "/authz/check", "base > /authz/{*rest}"),
        // Not shadowed, although its pattern is less specific than the name's.
        ("/users/public", "GET /users/{id}", "base > /{tenant}/public"),
        ("/users/7", "GET /users/{id}", "base"),
        ("/authz/other", "/authz/{*all}", "base > /authz/{*rest}"),
    ] {
        let found = endpoints.get(&Method::GET, path);
        assert_eq!((found.pattern(), &**found.config()), (Some(name), settings));
    }
}

fn pattern_text() -> impl Strategy<Value = String> {
    r"((GET|PUT) )?(/(a|b|ab|\{x\}|a\{x\}|\{x\}b|)){1,3}(/\{\*rest\})?".prop_map(|text| {
        // Each parameter has its own name.
        let parts = text.split("{x}");
        let mut unique = String::new();
        for (number, part) in parts.enumerate() {
            if number > 0 {
                unique.push_str(&format!("{{x{number}}}"));
            }
            unique.push_str(part);
        }
        unique
    })
}

proptest! {
    #[test]
    fn names_change_nothing_and_changes_of_equal_patterns_add_up(
        steps in prop::collection::vec((pattern_text(), any::<bool>()), 0..8),
        paths in prop::collection::vec("(/(a|b|ab|aab|)){1,4}", 1..8),
    ) {
        let mut all = Endpoints::new("base".to_owned());
        let mut changed = Endpoints::new("base".to_owned());
        for (pattern, changes) in &steps {
            if *changes {
                change(&mut all, pattern);
                change(&mut changed, pattern);
            } else {
                name(&mut all, pattern);
            }
        }
        for path in &paths {
            for method in [Method::GET, Method::POST] {
                let settings = all.get(&method, path).config();
                prop_assert_eq!(settings, changed.get(&method, path).config(), "{} {}", method, path);
                // Everything that it was made from matches the request too.
                for pattern in settings.split(" > ").skip(1) {
                    let mut one = Endpoints::new(0);
                    one.insert(pattern.parse().unwrap(), 1);
                    prop_assert_eq!(*one.get(&method, path).config(), 1, "{} for {}", pattern, path);
                }
                // All changes of the pattern that wins are there.
                if let Some(winner) = settings.rsplit(" > ").next().filter(|_| settings != "base") {
                    let times = steps.iter().filter(|(text, changes)| *changes && text == winner);
                    let found = settings.split(" > ").filter(|text| *text == winner).count();
                    prop_assert_eq!(found, times.count(), "{} in {}", winner, settings);
                }
            }
        }
    }
}

#[test]
fn a_clone_is_changed_alone() {
    let first = endpoints(&["/a"]);
    let mut second = first.clone();
    second.insert("/b".parse().unwrap(), "b".to_owned());
    "other".clone_into(second.base_mut());
    assert_eq!(config(&first, "/b"), "base");
    assert_eq!(config(&second, "/b"), "b");
    assert_eq!(config(&second, "/c"), "other");
}

#[test]
fn a_pattern_is_its_text() {
    let pattern: EndpointPattern = "GET /users/{id}".parse().unwrap();
    assert_eq!(pattern.to_string(), "GET /users/{id}");
    assert_eq!(format!("{pattern:?}"), r#"EndpointPattern("GET /users/{id}")"#);
    assert_eq!(pattern.method(), Some(&Method::GET));
    assert_eq!(pattern, EndpointPattern::try_from(pattern.as_str()).unwrap());
    assert_ne!(pattern, "GET /users/{name}".parse().unwrap());
}

proptest! {
    #[test]
    fn parsing_never_panics_and_what_parses_matches_something(
        text in r"((GET|PUT) )?(/([a{}*:.%é /]|\{[a-c]\}|\{\*[a-c]\}){0,4}){0,4}",
        other in any::<String>(),
    ) {
        other.parse::<EndpointPattern>().ok();
        if let Ok(pattern) = text.parse::<EndpointPattern>() {
            let mut path = String::new();
            let mut letters = text.trim_start_matches(|c| c != '/').chars().peekable();
            while let Some(letter) = letters.next() {
                match letter {
                    '{' | '}' if letters.peek() == Some(&letter) => path.extend(letters.next()),
                    '{' => {
                        path.push('7');
                        letters.by_ref().find(|letter| *letter == '}');
                    }
                    letter => path.push(letter),
                }
            }
            let sent: Uri = path.parse().unwrap();
            let mut endpoints = Endpoints::new(0);
            endpoints.insert(pattern.clone(), 1);
            let method = pattern.method().cloned().unwrap_or(Method::POST);
            prop_assert_eq!(*endpoints.get(&method, sent.path()).config(), 1, "{} for {}", path, text);
        }
    }
}
