//! The structure of `src`: no layer imports another, and pure files are functions of their arguments.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that hold a layer each.
const LAYERS: [&str; 10] = [
    "circuit_breaker",
    "classify",
    "detach",
    "fallback",
    "response_cache",
    "retry",
    "attempt_span",
    "throttle",
    "timeout",
    "token_cache",
];

/// What `classify` holds besides its layer, for all: the meaning of responses and errors.
const MEANING: [&str; 7] =
    ["ResponseHead", "Classes", "Classification", "Classifier", "ErrorClass", "Preset", "Resend"];

/// Files, and folders with all that is in them, that decide and do nothing else.
const PURE: &[&str] = &[
    "circuit_breaker/circuit.rs",
    "circuit_breaker/config.rs",
    "circuit_breaker/key.rs",
    "classify/class.rs",
    "classify/classification.rs",
    "classify/classifier.rs",
    "classify/transport.rs",
    "cooldown.rs",
    "endpoint",
    "fallback/denial.rs",
    "headers",
    "oauth/echo.rs",
    "oauth/members.rs",
    "oauth/oauth_error.rs",
    "oauth/token_response.rs",
    "origin.rs",
    "response_cache/cache_control",
    "response_cache/neutral.rs",
    "response_cache/store_policy.rs",
    "response_cache/validators.rs",
    "retry/backoff.rs",
    "retry/decision.rs",
    "throttle/fleet",
    "throttle/lane.rs",
    "throttle/latency.rs",
    "throttle/limiter",
    "throttle/reserve.rs",
    "token_cache/freshness.rs",
];

/// What a pure file does not say: the time and random numbers are arguments, and it never waits.
const IMPURE: [&str; 7] = [
    "Instant::now",
    "SystemTime::now",
    ".system_time()",
    "jitter::draw",
    "rand::",
    "async ",
    "Poll<",
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
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

/// The code of a file, without its comments and its tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The paths after `crate::`, two segments long, those in braces among them: `use crate::{a::{B, C}, d};` names `a::B`,
/// `a::C` and `d`.
fn imports(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        for module in members(rest) {
            match module.split_once("::") {
                Some((name, inside)) => {
                    let names = members(inside);
                    paths.extend(names.iter().map(|item| format!("{name}::{}", first_word(item))));
                }
                None => paths.push(first_word(&module).to_owned()),
            }
        }
    }
    paths
}

/// What a path goes on with: one thing, or each member of a list in braces.
fn members(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else {
        let end = path.find(|c: char| !c.is_alphanumeric() && !"_:{".contains(c));
        let end = if path[..end.unwrap_or(path.len())].contains('{') { closing(path) } else { end };
        return vec![path[..end.unwrap_or(path.len())].to_owned()];
    };
    let mut depth = 0;
    let mut found = vec![String::new()];
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        if let (false, Some(last)) = (letter.is_whitespace(), found.last_mut()) {
            last.push(letter);
        }
    }
    found.retain(|member| !member.is_empty());
    found
}

/// Where the first list in braces ends.
fn closing(path: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, letter) in path.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at + 1),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// What a file of the layer `own` imports from other layers.
fn foreign(own: &str, code: &str) -> Vec<String> {
    let is_foreign = |path: &String| {
        let (module, item) = path.split_once("::").unwrap_or((path, ""));
        let is_meaning = module == "classify" && MEANING.contains(&item);
        LAYERS.contains(&module) && module != own && !is_meaning
    };
    imports(code).into_iter().filter(is_foreign).collect()
}

fn impure(code: &str) -> Option<&'static str> {
    IMPURE.into_iter().find(|word| code.contains(word))
}

#[test]
fn no_layer_imports_another() {
    let mut wrong = Vec::new();
    for layer in LAYERS {
        let mut files = Vec::new();
        sources(&src().join(layer), &mut files);
        assert!(files.len() > 4, "`{layer}` has {} files", files.len());
        for file in files {
            let code = code(&fs::read_to_string(&file).unwrap());
            wrong.extend(
                foreign(layer, &code).iter().map(|path| format!("{}: {path}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_files_read_no_clock_draw_no_chance_and_are_not_async() {
    let mut wrong = Vec::new();
    for name in PURE.iter().copied() {
        let path = src().join(name);
        let mut files = Vec::new();
        if path.is_dir() {
            sources(&path, &mut files);
        } else {
            files.push(path);
        }
        assert!(!files.is_empty(), "`{name}` is empty");
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{name}: {error}"));
            wrong.extend(impure(&code(&text)).map(|word| format!("{}: {word}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_import_of_another_layer_is_noticed() {
    let seen = |code| foreign("timeout", code);
    assert_eq!(seen("use crate::retry::Backoff;"), ["retry::Backoff"]);
    assert_eq!(
        seen("use crate::{error::find, retry::{A, b::C}, timeout::D};"),
        ["retry::A", "retry::b"]
    );
    assert_eq!(
        seen("let x = crate::throttle::ThrottleConfig::new();"),
        ["throttle::ThrottleConfig"]
    );
    assert_eq!(seen("use crate::classify::{ErrorClass, session::Session};"), ["classify::session"]);
    assert!(seen("use crate::{classify::{Classification, ErrorClass}, error::{A, B}};").is_empty());
    assert!(
        seen(&code("// See [`crate::retry::Backoff`].\nuse crate::timeout::Config;")).is_empty()
    );
}

#[test]
fn what_a_pure_file_must_not_do_is_noticed() {
    assert_eq!(impure("let now = Instant::now();"), Some("Instant::now"));
    assert_eq!(impure("pub(crate) async fn wait() {}"), Some("async "));
    assert_eq!(impure("fn at(now: Instant, chance: f64) -> Duration"), None);
}
