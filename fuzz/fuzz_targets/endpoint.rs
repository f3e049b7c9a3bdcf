//! Endpoint patterns and paths: nothing panics, and what `matchit` understands is matched in the same way.
//!
//! Input: a pattern, a line feed, and paths, one a line.

#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use tower_heed::{__internals::Endpoints, EndpointPattern};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let Some(pattern) = lines.next() else { return };
    let Ok(parsed) = pattern.parse::<EndpointPattern>() else { return };
    assert_eq!(parsed, parsed.as_str().parse().expect("reads what it shows"));
    let method = parsed.method().cloned().unwrap_or(Method::POST);
    let mut endpoints = Endpoints::new(false);
    endpoints.insert(parsed.clone(), true);
    let path_pattern = parsed.as_str().split_once(' ').map_or(parsed.as_str(), |(_, path)| path);
    let mut other = matchit::Router::new();
    let is_known = other.insert(path_pattern, ()).is_ok();
    for path in lines.take(16).filter(|path| path.starts_with('/')) {
        let matches = *endpoints.get(&method, path).config();
        let mut parameters = 0;
        endpoints.each_parameter(&method, path, |_, _| parameters += 1);
        if !matches {
            assert_eq!(parameters, 0);
        }
        if is_known {
            assert_eq!(matches, other.at(path).is_ok(), "{pattern:?} {path:?}");
        }
    }
});
