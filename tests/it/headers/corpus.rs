//! Every response in `tests/corpus/cases.json` is read as it says there. `tests/corpus/RULES.md` has the reasons.

use std::{fmt::Write, time::Duration};

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tower_heed::{
    classify::{Classification, ErrorClass, Preset},
    headers::{Outcome, RateLimit},
};

use crate::headers::rate_limit::headers;

#[derive(Deserialize)]
struct Case {
    id: String,
    status: u16,
    headers: Vec<(String, String)>,
    now: String,
    expect: Expected,
    also: Option<serde_json::Map<String, serde_json::Value>>,
    why: String,
}

/// Compared as JSON, so that `also` can name any of the fields.
type Expected = serde_json::Map<String, serde_json::Value>;

#[test]
fn every_response_is_read_as_its_vendor_means_it() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../corpus/cases.json")).unwrap();
    assert!(cases.len() >= 360, "only {} cases", cases.len());

    let mut wrong = String::new();
    let mut count = 0;
    for case in &cases {
        let read = read(case);
        if read == case.expect || second_reading(case).is_some_and(|second| read == second) {
            continue;
        }
        count += 1;
        let show = |map: &Expected| serde_json::to_string(map).unwrap();
        writeln!(wrong, "\n{}: {}", case.id, case.why).unwrap();
        writeln!(wrong, "  {} {:?} at {}", case.status, case.headers, case.now).unwrap();
        writeln!(wrong, "  expected {}\n  read     {}", show(&case.expect), show(&read)).unwrap();
    }
    assert!(count == 0, "{count} of {} cases differ:\n{wrong}", cases.len());
}

/// What the case expects, with what its other reading says differently.
fn second_reading(case: &Case) -> Option<Expected> {
    let mut second = case.expect.clone();
    second.extend(case.also.clone()?);
    Some(second)
}

fn read(case: &Case) -> Expected {
    let headers = headers(&case.headers);
    let status = StatusCode::from_u16(case.status).unwrap();
    let now = case.now.parse::<jiff::Timestamp>().unwrap().into();
    let limit = RateLimit::from_headers(&headers, now);
    let failure = Classification::of_response(&Preset::Standard, status, &headers, now);

    let wait = match &failure {
        Some(failure) => failure.retry_after(),
        None if status.is_redirection() => wait(limit.as_ref(), Outcome::Redirection),
        None => wait(limit.as_ref(), Outcome::Success),
    };
    let fields = [
        ("wait_ms", json!(wait.map(|wait| u64::try_from(wait.as_millis()).unwrap()))),
        ("limit", json!(limit.as_ref().and_then(RateLimit::limit))),
        ("remaining", json!(limit.as_ref().and_then(RateLimit::remaining))),
        ("class", json!(in_the_words_of_the_cases(failure.as_ref()))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn wait(limit: Option<&RateLimit>, outcome: Outcome) -> Option<Duration> {
    limit.and_then(|limit| limit.wait(outcome))
}

fn in_the_words_of_the_cases(failure: Option<&Classification>) -> &'static str {
    match failure.map(Classification::class) {
        None => "success",
        Some(ErrorClass::Unavailable) => "transient",
        Some(ErrorClass::Rejected) => "client_error",
        Some(class) => class.as_str(),
    }
}
