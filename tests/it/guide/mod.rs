//! What the manual says of each class, of each default and of each event is what the code does.

mod events;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    __internals::{AfterFailure, Progress, decide},
    BoxError, ErrorClassifyLayer, FallbackLayer, Stack, ThrottleLayer,
    classify::{AuthStatus, Classification, ErrorClass, ResponseHead},
    extensions::Degraded,
    retry::RetryConfig,
};

use crate::support::{
    probe::Body,
    scripted::{get, response},
};

const CLASSES: [ErrorClass; 10] = [
    ErrorClass::RateLimited,
    ErrorClass::Throttled,
    ErrorClass::Connect,
    ErrorClass::Unavailable,
    ErrorClass::Timeout,
    ErrorClass::Interrupted,
    ErrorClass::TokenUnavailable,
    ErrorClass::Unauthenticated,
    ErrorClass::Forbidden,
    ErrorClass::Rejected,
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("src/guide").join(name)).unwrap()
}

/// All that the crate's code says, the manual apart.
fn code(folder: PathBuf, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("guide") {
            code(path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let code = fs::read_to_string(&path).unwrap();
            text.extend(code.lines().filter(|line| !line.trim_start().starts_with("//")));
        }
    }
}

/// The cells of each class in the table under `Class by class`.
fn table() -> BTreeMap<String, Vec<String>> {
    let page = page("failure_modes.rs");
    let section = page.split("# Class by class").nth(1).unwrap().split("//! # ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let mut table = BTreeMap::new();
    for row in rows {
        let mut cells = row.trim_end_matches(" |").split(" | ").map(|cell| cell.replace('`', ""));
        let classes = cells.next().unwrap();
        let cells: Vec<_> = cells.collect();
        table.extend(classes.split(", ").map(|class| (class.to_owned(), cells.clone())));
    }
    table
}

fn retried(class: ErrorClass, repeatable: bool) -> &'static str {
    let failure = Classification::of_class(class);
    let progress = Progress { repeatable, idempotent: repeatable, ..Progress::default() };
    match decide(&failure, &RetryConfig::default(), &progress) {
        Ok(_) => "again",
        Err(_) => "returned",
    }
}

async fn session(class: ErrorClass) -> &'static str {
    let layer = ErrorClassifyLayer::new().classifier(move |_: &ResponseHead<'_>| Some(class));
    let api = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(response(500, &[])));
    layer.layer(api).oneshot(get("/")).await.unwrap();
    match layer.status().get() {
        AuthStatus::Unknown => "as it was",
        AuthStatus::Degraded => "Degraded",
        AuthStatus::Unauthenticated => "Unauthenticated",
        other => panic!("{class} makes it {other}"),
    }
}

fn stale(class: ErrorClass) -> &'static str {
    match AfterFailure::of(class) {
        AfterFailure::ServeStale => "served",
        _ => "removed",
    }
}

async fn fallback(layer: FallbackLayer, class: ErrorClass) -> &'static str {
    let api = service_fn(move |_: Request<Body>| async move {
        let mut failure = response(500, &[]);
        failure.extensions_mut().insert(Classification::of_class(class));
        Ok::<_, BoxError>(failure)
    });
    match layer.layer(api).oneshot(get("/")).await {
        Ok(response) if response.extensions().get::<Degraded>().is_some() => "fallback response",
        Ok(_) => "returned",
        Err(error) => {
            crate::support::error::unavailable(error.as_ref());
            "UpstreamUnavailable"
        }
    }
}

#[tokio::test]
async fn the_table_of_the_classes_is_what_the_layers_do() {
    let mut table = table();
    for class in CLASSES {
        let said = table.remove(&format!("{class:?}")).unwrap();
        let done = [
            retried(class, true),
            retried(class, false),
            session(class).await,
            stale(class),
            fallback(FallbackLayer::fail_open(|_| Response::new("")), class).await,
            fallback(FallbackLayer::fail_closed(), class).await,
        ];
        assert_eq!(said.len(), done.len(), "{class:?}");
        for (said, done) in said.iter().zip(done) {
            assert!(said == done || said == "by its cause", "{class:?}: {said}, and it is {done}");
        }
    }
    assert!(table.is_empty(), "unknown: {table:?}");
}

/// A default that is written out in the manual, beside the constant that it is of.
#[test]
fn the_defaults_that_are_written_out_are_those_of_the_code() {
    let failures = page("failure_modes.rs");
    let says = |words: &str| assert!(failures.contains(words), "not there: {words}");
    says(&format!("beyond `max_wait` ({} s)", RetryConfig::DEFAULT_MAX_WAIT.as_secs()));
    says(&format!("max_retries) ({})", RetryConfig::DEFAULT_MAX_RETRIES));
    #[cfg(feature = "response-cache")]
    {
        let stale_for = tower_heed::ResponseCacheLayer::DEFAULT_STALE_FOR;
        says(&format!("`stale_for` ({} min)", stale_for.as_secs() / 60));
    }
    assert_eq!(ThrottleLayer::DEFAULT_MAX_BLOCK, Duration::from_secs(3600));
    says("after an hour at most (`max_block`)");
    // The README has these two in words.
    assert_eq!(Stack::ATTEMPT_TIMEOUT, Duration::from_secs(10));
    assert_eq!(Stack::CALL_TIMEOUT, Duration::from_secs(30));
    assert!(
        include_str!("../../../README.md")
            .contains("at most ten seconds and a call at most thirty")
    );
}

#[test]
fn what_to_alert_on_is_there_to_be_seen() {
    let page = page("failure_modes.rs");
    let (_, alerts) = page.split_once("# What to alert on").unwrap();
    let mut text = String::new();
    code(root().join("src"), &mut text);
    let mut seen = 0;
    for row in alerts.lines().filter_map(|line| line.strip_prefix("//! | `")) {
        let words: Vec<&str> = row.split('`').collect();
        let name = if matches!(words[0], "WARN" | "INFO") { words[2] } else { words[0] };
        assert!(text.contains(&format!("\"{name}")), "nothing says: {name}");
        seen += 1;
    }
    assert!(seen > 9, "{seen} rows");
}

/// The name of a header in the first cell, up to where it has a key or a value.
#[test]
fn each_header_in_the_table_of_the_dialects_has_a_case() {
    let read = |file| fs::read_to_string(root().join(file)).unwrap().to_lowercase();
    let cases = [
        "tests/it/headers/rate_limit.rs",
        "tests/corpus/cases.json",
        "src/headers/rate_limit/bucket.rs",
    ]
    .map(read)
    .concat();
    let page = include_str!("../../../docs/providers.md");
    let (_, tables) = page.split_once("## Explicit delays").unwrap();
    let mut seen = 0;
    for row in tables.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = row.split(['`', ':']).next().unwrap();
        let name = name.split("KEY").next().unwrap().to_lowercase();
        assert!(cases.contains(&format!("\"{name}")), "no case has `{name}`");
        seen += 1;
    }
    assert!(seen > 25, "{seen} rows");
}
