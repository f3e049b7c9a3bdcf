//! The floors of the house: a module may import from its own floor and from those below, and no layer from another.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const WIRE: u8 = 0;
const POLICY: u8 = 1;
const LAYER: u8 = 2;
const STACK: u8 = 3;

/// The floor of each name under `crate::`.
fn floor(module: &str) -> Option<u8> {
    Some(match module {
        "error" | "BoxError" | "chance" | "clock" | "metrics" | "body" | "wire" => WIRE,
        "meter" | "policy" => POLICY,
        "classify" | "detach" | "fallback" | "response_cache" | "retry" | "send_span"
        | "throttle" | "token_cache" | "timeout" => LAYER,
        "axum" | "guide" | "reqwest" | "stack" | "test_util" | "tower_http" => STACK,
        _ => return None,
    })
}

/// What is wrong with the imports of a source file in `module`.
fn violations(module: &str, source: &str) -> Vec<String> {
    let Some(own) = floor(module) else { return vec![format!("`{module}` has no floor")] };
    let mut wrong = Vec::new();
    for name in imports(source) {
        match floor(&name) {
            _ if name == module => {}
            None => wrong.push(format!("`crate::{name}` has no floor")),
            Some(other) if other > own => wrong.push(format!("`crate::{name}` is a floor above")),
            Some(LAYER) if own == LAYER => wrong.push(format!("`crate::{name}` is another layer")),
            Some(_) => {}
        }
    }
    wrong
}

/// The first names after `crate::`, those in braces among them. Comments do not count: documentation may link anywhere.
fn imports(source: &str) -> BTreeSet<String> {
    let code: String = source
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n");
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(members(list)),
            None => names.extend(first_word(rest)),
        }
    }
    names
}

/// The first word of each member of a list in braces, of which the opening one has been read.
fn members(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    let mut start = 0;
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' | b'}' if depth == 0 => {
                names.extend(first_word(list[start..at].trim_start()));
                if byte == b'}' {
                    break;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn first_word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_imports_upward_and_no_layer_imports_another() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "only {} files were found", files.len());

    let mut wrong = Vec::new();
    for path in files {
        let inside = path.strip_prefix(&src).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if module != "lib" {
            let found = violations(module, &fs::read_to_string(&path).unwrap());
            wrong.extend(found.into_iter().map(|why| format!("{}: {why}", inside.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_import_against_the_floors_is_noticed() {
    assert_eq!(violations("wire", "use crate::policy::ErrorClass;").len(), 1);
    assert_eq!(
        violations("policy", "use crate::{\n    error::find,\n    retry::{A, B},\n};").len(),
        1
    );
    assert_eq!(violations("retry", "let x = crate::timeout::Elapsed::new();").len(), 1);
    assert_eq!(violations("timeout", "use crate::TimeoutLayer;").len(), 1);
    assert_eq!(violations("stack", "use crate::{retry::Config, timeout::Config};").len(), 0);
    assert_eq!(
        violations("policy", "//! See [`crate::retry`].\nuse crate::wire::{A, B};").len(),
        0
    );
}
