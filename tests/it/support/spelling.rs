//! Other ways to write a path that some server takes for the same.

use http::{Method, Request};
use proptest::prelude::*;

use super::probe::Body;

/// What is done to one letter of a path.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Encode,
    EncodeTwice,
    Upper,
    /// After a slash, or before one.
    Empty,
    Dot,
    /// Into `logs` and out again.
    Detour,
    Parameter,
    /// A segment that is nothing but a parameter.
    EmptyParameter,
    EncodedDetour,
    Backslash,
}

pub fn changes() -> impl Strategy<Value = Vec<(usize, Change)>> {
    let change = prop_oneof![
        Just(Change::Encode),
        Just(Change::EncodeTwice),
        Just(Change::Upper),
        Just(Change::Empty),
        Just(Change::Dot),
        Just(Change::Detour),
        Just(Change::Parameter),
        Just(Change::EmptyParameter),
        Just(Change::EncodedDetour),
        Just(Change::Backslash),
    ];
    prop::collection::vec((0_usize..40, change), 1..4)
}

/// `path` with these changes, at positions that are counted round.
pub fn spelled(path: &str, changes: &[(usize, Change)]) -> String {
    let mut letters: Vec<String> = path.chars().map(String::from).collect();
    for (at, change) in changes {
        let at = at % letters.len();
        let slashes = (0..letters.len()).filter(|at| path.as_bytes()[*at] == b'/');
        let slashes: Vec<usize> = slashes.collect();
        let slash = slashes[at % slashes.len()];
        let code = u32::from(path.as_bytes()[at]);
        match change {
            Change::Encode => letters[at] = format!("%{code:02x}"),
            Change::EncodeTwice => letters[at] = format!("%25{code:02X}"),
            Change::Upper => letters[at] = letters[at].to_ascii_uppercase(),
            Change::Empty => letters[slash].push('/'),
            Change::EmptyParameter => letters[slash].push_str(";v/"),
            Change::Dot => letters[slash].push_str("./"),
            Change::Detour => letters[slash].push_str("logs/../"),
            Change::EncodedDetour => letters[slash].push_str("logs/%2E%2e/"),
            Change::Backslash => letters[slash] = "\\".to_owned(),
            Change::Parameter => {
                let end = slashes.get(1).map_or(letters.len(), |next| *next) - 1;
                letters[end].push_str(";v=1");
            }
        }
    }
    // A path begins with a slash, or there is no request.
    let path = letters.concat();
    if path.starts_with('/') { path } else { format!("/{path}") }
}

pub fn request(method: Method, path: &str) -> Request<Body> {
    let uri = format!("https://id.example{path}");
    Request::builder().method(method).uri(uri).body(Body::default()).unwrap()
}
