//! Every answer in `tests/corpus/cases.json` comes out as it says there. `tests/corpus/RULES.md` has the reasons.

use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tower_heed::wire::{Outcome, RateLimit, is_aws_throttling};

use crate::rate_limit::headers;

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
fn every_answer_is_read_as_its_vendor_means_it() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../corpus/cases.json")).unwrap();
    assert!(cases.len() >= 349, "only {} cases", cases.len());

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
    let limit = RateLimit::from_headers(&headers, moment(&case.now));

    let (class, outcome) = class(status, &headers, limit.as_ref());
    let wait = limit.as_ref().and_then(|limit| limit.wait(outcome));
    let fields = [
        ("wait_ms", serde_json::json!(wait.map(|wait| u64::try_from(wait.as_millis()).unwrap()))),
        ("limit", serde_json::json!(limit.as_ref().and_then(RateLimit::limit))),
        ("remaining", serde_json::json!(limit.as_ref().and_then(RateLimit::remaining))),
        ("class", serde_json::json!(class)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The class of an answer in the words of the cases, and what it means for its headers.
fn class(
    status: StatusCode,
    headers: &HeaderMap,
    limit: Option<&RateLimit>,
) -> (&'static str, Outcome) {
    let refused = || limit.is_some_and(RateLimit::marks_refusal);
    match status.as_u16() {
        400.. if is_aws_throttling(headers) => ("rate_limited", Outcome::RateLimited),
        ..=299 => ("success", Outcome::Success),
        300..=399 => ("success", Outcome::Redirection),
        429 | 420 => ("rate_limited", Outcome::RateLimited),
        403 if refused() => ("rate_limited", Outcome::RateLimited),
        403 => ("forbidden", Outcome::Rejected),
        401 => ("unauthenticated", Outcome::Rejected),
        408 | 504 => ("timeout", Outcome::Transient),
        425 | 500.. => ("transient", Outcome::Transient),
        _ => ("client_error", Outcome::Rejected),
    }
}

/// `2016-08-02T21:22:38.553Z`, by way of an HTTP-date.
fn moment(text: &str) -> SystemTime {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, time) = text.strip_suffix('Z').unwrap().split_once('T').unwrap();
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = date.split('-').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let month = MONTHS[month.parse::<usize>().unwrap() - 1];
    let second = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        .iter()
        .find_map(|name| {
            httpdate::parse_http_date(&format!("{name}, {day} {month} {year} {time} GMT")).ok()
        })
        .unwrap();
    second + Duration::from_secs_f64(format!("0.{fraction}").parse().unwrap())
}
