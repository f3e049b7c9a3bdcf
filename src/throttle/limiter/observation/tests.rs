//! A response that is recognised means what it means to a reader that has seen none.

use http::{HeaderName, HeaderValue};
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

type Line = (&'static str, &'static str);

/// The lines of a response, and the client's time in seconds since its first.
type Response = (Vec<Line>, u64);

const NAMES: [&str; 18] = [
    "date",
    "age",
    "content-type",
    "etag",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-used",
    "x-ratelimit-bucket",
    "x-ratelimit-resource",
    "x-ratelimit-scope",
    "x-ratelimit-remaining-tokens",
    "x-rate-limit-remaining",
    "x-shopify-shop-api-call-limit",
];

const VALUES: [&str; 17] = [
    "0",
    "1",
    "7",
    "42",
    " 42 ",
    "-1",
    "5, 3",
    "1.5",
    "12345678901234567890",
    "1772366430",
    "Sun, 01 Mar 2026 12:00:00 GMT",
    "Sun, 01 Mar 2026 12:00:01 GMT",
    "2026-03-01T12:00:30Z",
    "core",
    "global",
    "\"default\";r=5;t=30",
    "a value that is longer than all that are remembered, by far",
];

fn now(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400 + seconds)
}

fn map(lines: &[Line]) -> HeaderMap {
    let line =
        |(name, value): &Line| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        headers.append(name, value);
    }
    headers
}

/// As it was read before anything was remembered.
fn plain(headers: &HeaderMap, now: SystemTime) -> String {
    let limit = RateLimit::from_headers(headers, now);
    let seen = limit.as_ref().map(|limit| {
        let seen = Observation::new(false, headers, Some(limit), now);
        let bucket = Bucket::from_headers(headers).filter(|_| seen.readings[0].is_some());
        (seen, bucket)
    });
    format!("{seen:?}")
}

fn repeated(headers: &HeaderMap, now: SystemTime) -> String {
    format!("{:?}", Observation::of_success(headers, &|| now))
}

/// What servers send, and then any change of it.
fn first() -> impl Strategy<Value = Vec<Line>> {
    let usual = vec![
        ("date", "Sun, 01 Mar 2026 12:00:00 GMT"),
        ("content-type", "text/plain"),
        ("x-ratelimit-limit", "42"),
        ("x-ratelimit-remaining", "7"),
        ("x-ratelimit-reset", "1772366430"),
    ];
    let named =
        [&usual[..], &[("x-ratelimit-resource", "core"), ("x-ratelimit-used", "1")]].concat();
    let bare = usual[1..].to_vec();
    let two = [&usual[..], &[("x-ratelimit-remaining-tokens", "7")]].concat();
    prop_oneof![
        4 => select(vec![usual, named, bare, two]),
        1 => vec((select(&NAMES[..]), select(&VALUES[..])), 0..8),
    ]
}

/// One change of a response to the next.
type Change = (usize, Line, u8);

fn change() -> impl Strategy<Value = Change> {
    (0..8_usize, (select(&NAMES[..]), select(&VALUES[..])), 0..10_u8)
}

fn changed(lines: &[Line], (at, (name, value), kind): Change) -> Vec<Line> {
    let mut lines = lines.to_vec();
    let at = at % lines.len().max(1);
    match kind {
        0 => lines.insert(at.min(lines.len()), (name, value)),
        1 if !lines.is_empty() => drop(lines.remove(at)),
        2 => lines.reverse(),
        3..=7 if !lines.is_empty() => lines[at].1 = value,
        _ => {}
    }
    lines
}

fn responses() -> impl Strategy<Value = Vec<Response>> {
    (first(), vec((change(), any::<bool>(), 0..3_u64), 1..24)).prop_map(|(first, changes)| {
        let mut seconds = 0;
        let mut all = vec![(first.clone(), 0)];
        let mut lines = first.clone();
        for (change, starts_over, passed) in changes {
            lines = changed(if starts_over { &first } else { &lines }, change);
            seconds += passed;
            all.push((lines.clone(), seconds));
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 2_000 }))]

    #[test]
    fn a_response_means_the_same_after_any_others(responses in responses()) {
        for (lines, seconds) in responses {
            let headers = map(&lines);
            prop_assert_eq!(repeated(&headers, now(seconds)), plain(&headers, now(seconds)), "{:?}", lines);
        }
    }
}

fn remember(headers: &HeaderMap) {
    assert!(Observation::of_new_success(headers, &|| now(0)).is_some());
}

fn is_known(headers: &HeaderMap) -> bool {
    REPEATS.with_borrow_mut(|repeats| repeats.recognise(headers).is_some())
}

/// Whether the second response is recognised after the first.
fn is_recognised(first: &[Line], second: &[Line]) -> bool {
    REPEATS.set(Repeats::new());
    remember(&map(first));
    is_known(&map(second))
}

#[test]
fn what_only_counts_down_is_recognised() {
    let response = |date, left, reset, used| {
        [
            ("date", date),
            ("etag", used),
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", left),
            ("x-ratelimit-reset", reset),
            ("x-ratelimit-used", used),
            ("x-ratelimit-resource", "core"),
        ]
    };
    let date = "Sun, 01 Mar 2026 12:00:00 GMT";
    let first = response(date, "59", "1772366430", "1");
    assert!(is_recognised(&first, &first));
    assert!(is_recognised(&first, &response(date, "0", "1772366430", "60")));
    let next = "Sun, 01 Mar 2026 12:00:01 GMT";
    for other in [
        response(next, "58", "1772366430", "2"),
        response(date, "58", "1772366431", "2"),
        response(date, "-1", "1772366430", "2"),
        response(date, "58, 57", "1772366430", "2"),
    ] {
        assert!(!is_recognised(&first, &other), "{other:?}");
    }
    assert!(!is_recognised(&first, &first[..6]), "without its bucket");
    let other_bucket = [&first[..6], &[("x-ratelimit-resource", "search")]].concat();
    assert!(!is_recognised(&first, &other_bucket));
}

#[test]
fn a_reset_by_the_clients_own_clock_is_read_each_time() {
    let moment = [("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "1772366430")];
    assert!(!is_recognised(&moment, &moment));
    let span = [("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "30")];
    assert!(is_recognised(&span, &span));
}

#[test]
fn five_kinds_of_responses_take_turns() {
    REPEATS.set(Repeats::new());
    let kinds = ["etag", "vary", "server", "via", "expires"]
        .map(|name| map(&[(name, "x"), ("x-ratelimit-remaining", "7")]));
    for headers in kinds.iter().chain(&kinds) {
        assert!(!is_known(headers));
        remember(headers);
        assert!(is_known(headers));
    }
    // The last four are known, in whichever order.
    assert!(kinds[1..].iter().rev().all(is_known));
}
