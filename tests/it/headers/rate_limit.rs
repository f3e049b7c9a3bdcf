//! The rules of `tests/corpus/RULES.md`, sentence by sentence, where no vendor's response shows them on their own.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_heed::{
    __internals::is_aws_throttling,
    headers::{
        Outcome::{self, RateLimited, Redirection, Rejected, Success, Transient},
        RateLimit,
    },
};

/// Sun, 01 Mar 2026 12:00:00 GMT.
const NOW: u64 = 1_772_366_400;

/// Each character of a value is one byte.
pub(crate) fn headers(lines: &[(impl AsRef<str>, impl AsRef<str>)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let bytes: Vec<u8> =
            value.as_ref().chars().map(|char| u8::try_from(char).unwrap()).collect();
        let name = HeaderName::from_bytes(name.as_ref().as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(&bytes).unwrap());
    }
    headers
}

fn read(lines: &[(&str, &str)]) -> Option<RateLimit> {
    RateLimit::from_headers(&headers(lines), SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
}

fn wait(outcome: Outcome, lines: &[(&str, &str)]) -> Option<u64> {
    let wait = read(lines)?.wait(outcome)?;
    Some(u64::try_from(wait.as_millis()).unwrap())
}

/// The wait of a spent window with this reset.
fn reset(value: &str) -> Option<u64> {
    wait(RateLimited, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", value)])
}

fn counts(lines: &[(&str, &str)]) -> (Option<u64>, Option<u64>) {
    read(lines).map_or((None, None), |limit| (limit.limit(), limit.remaining()))
}

/// A window's name, limit, remaining, and reset in milliseconds.
type Seen = (String, Option<u64>, Option<u64>, Option<u64>);

fn windows(lines: &[(&str, &str)]) -> Vec<Seen> {
    let limit = read(lines);
    let windows = limit.iter().flat_map(RateLimit::windows).map(|window| {
        let reset = window.reset().map(|reset| u64::try_from(reset.as_millis()).unwrap());
        (window.name().unwrap_or_default().to_owned(), window.limit(), window.remaining(), reset)
    });
    windows.collect()
}

fn window(
    name: &str,
    limit: impl Into<Option<u64>>,
    remaining: impl Into<Option<u64>>,
    reset: impl Into<Option<u64>>,
) -> Seen {
    (name.to_owned(), limit.into(), remaining.into(), reset.into())
}

// === Nothing said ===

#[test]
fn headers_that_say_nothing_are_none() {
    for lines in [
        &[][..],
        &[("date", "Sun, 01 Mar 2026 12:00:00 GMT"), ("age", "5"), ("content-type", "text/plain")],
        &[("x-ratelimit", r#"{"limit":10}"#), ("x-ratelimit-used", "3")],
        &[("x-ratelimit-limit", "many"), ("x-ratelimit-remaining", "-1"), ("retry-after", "soon")],
        &[("beta-ratelimit", r#""a";r=0;t=5"#), ("x-beta-ratelimit-remaining", "0")],
        &[("ratelimit", ""), ("ratelimit-policy", "")],
        &[("ratelimit", r#""default""#), ("ratelimit-policy", "100;w=60")],
        &[("x-ratelimit-limit", "-1"), ("x-ratelimit-reset", "0")],
        &[("age", "1"), ("x-ratelimit-remaining", "0")],
        &[("x-ratelimit-interval-milliseconds", "10000"), ("x-ratelimit-window", "60")],
    ] {
        assert_eq!(read(lines), None, "{lines:?}");
    }
}

// === Clock ===

#[test]
fn the_first_date_that_can_be_read_is_the_base() {
    let reset = ("x-ratelimit-reset", "1772366430");
    let spent = ("x-ratelimit-remaining", "0");
    for (dates, seconds) in [
        (&[][..], 30),
        (&[("date", "Sun, 01 Mar 2026 12:00:10 GMT")], 20),
        (&[("date", "today"), ("date", "Sun Mar  1 12:00:20 2026")], 10),
        (
            &[
                ("date", "Sunday, 01-Mar-26 12:00:10 GMT"),
                ("date", "Sun, 01 Mar 2026 12:00:20 GMT"),
            ],
            20,
        ),
        (&[("date", "2026-03-01T12:00:10Z")], 30),
    ] {
        let lines = [dates, &[spent, reset]].concat();
        assert_eq!(wait(Success, &lines), Some(seconds * 1_000), "{dates:?}");
        let lines = [dates, &[("retry-after", "Sun, 01 Mar 2026 12:00:30 GMT")]].concat();
        assert_eq!(wait(Transient, &lines), Some(seconds * 1_000), "{dates:?}");
    }
}

#[test]
fn only_an_age_of_digits_above_zero_marks_a_cached_response() {
    let response =
        [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9"), ("retry-after", "3")];
    for (age, aged) in [
        ("0", false),
        ("00", false),
        ("1", true),
        (" 7\t", true),
        ("99999999999999999999", true),
        ("1.5", false),
        ("-1", false),
        ("x", false),
    ] {
        let lines = [&[("age", age)], &response[..]].concat();
        let expected = if aged { 3_000 } else { 9_000 };
        assert_eq!(wait(RateLimited, &lines), Some(expected), "Age: {age}");
        assert_eq!(read(&lines).unwrap().is_spent(), !aged);
    }
}

#[test]
fn a_clock_before_1970_or_far_ahead_is_a_clock_too() {
    let headers = headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000000000")]);
    let wait = |now| RateLimit::from_headers(&headers, now).unwrap().wait(Success).unwrap();
    assert_eq!(wait(SystemTime::UNIX_EPOCH - Duration::from_secs(5)).as_secs(), 1_000_000_005);
    let ahead = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    assert_eq!(wait(ahead), Duration::ZERO);
}

// === The unit of a reset ===

#[test]
fn the_size_of_a_reset_tells_its_unit() {
    for (value, expected) in [
        ("999999999", 999_999_999_000),
        ("999999999.9999", 1_000_000_000_000),
        ("1000000000", 0),
        ("1772366401", 1_000),
        ("1772366401.0001", 1_001),
        ("99999999999.9", 2_147_483_648_000),
        ("100000000000", 0),
        ("1772366400001", 1),
        ("1772366400001.5", 2),
        ("184467440737095516160", 2_147_483_648_000),
        ("0", 0),
        ("0.00000000000000000000000001", 1),
        ("2147483648", 375_117_248_000),
    ] {
        assert_eq!(reset(value), Some(expected), "{value}");
    }
}

#[test]
fn a_reset_may_be_a_duration_or_a_moment() {
    for (value, expected) in [
        ("6m0s", 360_000),
        ("1ns", 1),
        ("1.5h0.5m", 5_430_000),
        ("2026-03-01T12:00:01.5Z", 1_500),
        ("2026-03-01T12:01Z", 60_000),
        ("2026-03-01T13:00:05+01:00", 5_000),
        ("Sun, 01 Mar 2026 12:00:07 GMT", 7_000),
        ("Sunday, 01-Mar-26 12:00:07 GMT", 7_000),
        ("Mon Mar  1 12:00:07 2026", 7_000),
    ] {
        assert_eq!(reset(value), Some(expected), "{value}");
    }
    for value in [
        "",
        "-5",
        "1e3",
        "5 s",
        "1772366401Z",
        "Tue Feb 16 2021 09:02:42 GMT+0100",
        "\u{a0}5",
        "5\u{b5}s",
    ] {
        assert_eq!(reset(value), None, "{value}");
    }
}

#[test]
fn what_is_always_seconds_is_so_at_any_size() {
    let unix = 1_772_366_430_000;
    let spent = ("x-ratelimit-remaining", "0");
    assert_eq!(wait(Success, &[spent, ("x-ratelimit-reset-after", "1772366430")]), Some(unix));
    assert_eq!(wait(Success, &[("ratelimit", r#""a";r=0;t=1772366430"#)]), Some(unix));
    assert_eq!(wait(Success, &[("ratelimit", "remaining=0, reset=1772366430")]), Some(unix));
    assert_eq!(wait(Success, &[("auth0-client-quota-limit", "b=a;r=0;t=1772366430")]), Some(unix));
    assert_eq!(
        wait(Success, &[("zendesk-ratelimit-tickets", "remaining=0; resets=1772366430")]),
        Some(unix)
    );
    // Nothing but a number is one.
    assert_eq!(wait(Success, &[spent, ("x-ratelimit-reset-after", "5s")]), None);
}

// === Structured fields ===

#[test]
fn a_dictionary_is_one_window_and_its_policies_are_not_read() {
    let policy = ("ratelimit-policy", r#""hour";q=1000;w=3600"#);
    let read = |field| windows(&[("ratelimit", field), policy]);
    assert_eq!(read("limit=100, remaining=50, reset=5"), [window("", 100, 50, 5_000)]);
    assert_eq!(read("remaining=50"), [window("", None, 50, None)]);
    assert_eq!(read("limit=100;w=60, other=?0, reset=5"), [window("", 100, None, 5_000)]);
    assert_eq!(read("limit=x, limit=7"), [window("", 7, None, None)], "the last of a key counts");
}

#[test]
fn a_malformed_dictionary_is_absent_and_the_policies_stand() {
    let policy = ("ratelimit-policy", r#""hour";q=1000;w=3600"#);
    for field in [
        "limit=10, remaining=-1",
        "limit=10, reset=1.5",
        r#"limit="10""#,
        "limit=10, reset",
        "limit=(10 20)",
        "limit=10, remaining=1000000000000000",
        "limit=10, remaining=0,",
        "limit=10 remaining=0",
        "limit=10, Remaining=0",
    ] {
        let windows = windows(&[("ratelimit", field), policy]);
        assert_eq!(windows, [window("hour", 1000, None, None)], "{field}");
    }
}

#[test]
fn an_item_takes_its_limit_from_the_first_policy_of_its_name() {
    let policies = ("ratelimit-policy", r#"100;w=60, "a";q=5, a;q=6, b;w=1, b;q=9, "c";q=7;q=8"#);
    assert_eq!(
        windows(&[("ratelimit", r#"a;r=1;t=2, "b";t=3, "d";r=4"#), policies]),
        [
            window("a", 5, 1, 2_000),
            window("b", None, None, 3_000),
            window("d", None, 4, None),
            window("c", 8, None, None)
        ],
    );
    let policies_first = windows(&[policies, ("ratelimit", "a;r=1")]);
    assert_eq!(
        policies_first,
        [window("b", 9, None, None), window("c", 8, None, None), window("a", 5, 1, None)]
    );
}

#[test]
fn any_malformation_makes_its_own_field_absent() {
    let good = r#""a";q=5"#;
    for field in [
        r#""a";r=-1"#,
        r#""a";r=1;t=-1"#,
        r#""a";r=1.0"#,
        r#""a";r="1""#,
        r#""a";r"#,
        r#""a";r=1;t=1000000000000000"#,
        r#""a";r=1,"#,
        r#""a";r=1, ,"b";r=1"#,
        r#""a;r=1"#,
        r#""a";r=1 x"#,
        r#"("a");r=1"#,
        r#":YQ==:;r=1"#,
        r#"100;r=1"#,
        r#"?1;r=1"#,
        "\"\u{e9}\";r=1",
        r#""a";R=1"#,
        r#""a";r=1, "b";r=0x"#,
    ] {
        assert_eq!(
            windows(&[("ratelimit", field), ("ratelimit-policy", good)]),
            [window("a", 5, None, None)],
            "{field}"
        );
    }
    for field in [
        r#""a";q=-5"#,
        r#""a";q=5.0"#,
        r#""a";q="5""#,
        r#""a";q=5,"#,
        r#""a";"b";q=5"#,
        r#""a";q"#,
        "1.5;w=1",
    ] {
        assert_eq!(
            windows(&[("ratelimit", r#""a";r=1"#), ("ratelimit-policy", field)]),
            [window("a", None, 1, None)],
            "{field}"
        );
    }
}

#[test]
fn other_parameters_and_doubled_ones_are_no_malformation() {
    for field in [
        r#""a";r=1;t=2;x=-1.5;y="z";w;pk=:YQ==:;d=@5;s=%"a""#,
        r#""a";r=-9;r=1;t=x;t=2"#,
        r#"  "a";  r=1; t=2  "#,
        "a;r=1;t=2",
    ] {
        assert_eq!(windows(&[("ratelimit", field)]), [window("a", None, 1, 2_000)], "{field}");
    }
    assert_eq!(windows(&[("ratelimit", r#""a\"b";r=1"#)]), [window("a\"b", None, 1, None)]);
    assert_eq!(windows(&[("ratelimit", r#""a" ;r=1"#)]), []);
}

#[test]
fn lines_of_a_structured_field_are_one_value() {
    let lines = [
        ("ratelimit", r#""a";r=1"#),
        ("ratelimit", r#""b";r=2"#),
        ("ratelimit-policy", r#""b";q=5"#),
        ("ratelimit-policy", r#""a";q=6"#),
    ];
    assert_eq!(windows(&lines), [window("a", 6, 1, None), window("b", 5, 2, None)]);
    assert_eq!(windows(&[("ratelimit", r#""a";r=1"#), ("ratelimit", r#""b";r=-2"#)]), []);
    assert_eq!(
        windows(&[("ratelimit", r#""a;"#), ("ratelimit", r#"b";r=2"#)]),
        [window("a;, b", None, 2, None)]
    );
    assert_eq!(
        windows(&[("ratelimit", "limit=5, remaining=9"), ("ratelimit", "remaining=0")]),
        [window("", 5, 0, None)]
    );
}

// === Flat names ===

#[test]
fn each_prefix_and_each_key_is_a_window() {
    assert_eq!(
        windows(&[
            ("x-ratelimit-limit", "1"),
            ("x-rate-limit-limit", "2"),
            ("ratelimit-limit", "3"),
            ("x-ratelimit-limit-requests", "4"),
            ("x-ratelimit-tokens-limit", "5"),
            ("x-ratelimit-remaining", "6"),
            ("x-ratelimit-requests-remaining", "7"),
            ("x-ratelimit-remaining-tokens", "8"),
            ("ratelimit-reset-requests", "9"),
            ("x-ratelimit-requests-reset-after", "10"),
            ("x-ratelimit-reset-after-tokens", "11"),
        ]),
        [
            window("", 1, 6, None),
            window("", 2, None, None),
            window("", 3, None, None),
            window("requests", 4, 7, 10_000),
            window("tokens", 5, 8, 11_000),
            window("requests", None, None, 9_000),
        ],
    );
}

#[test]
fn names_that_only_look_alike_are_passed_over() {
    for name in [
        "x-ratelimit-limits",
        "x-ratelimit--limit",
        "x-ratelimit-limit-",
        "x-ratelimitlimit",
        "x-ratelimit-max-limi",
        "fastly-ratelimit-limit-a",
        "fastly-ratelimit-a-limit",
        "anthropic-ratelimit-limit",
        "anthropic-ratelimit-limit-a",
        "x-hubspot-ratelimit-limit",
        "x-hubspot-ratelimit-daily-reset",
        "x-ms-ratelimit-remaining",
        "zendesk-ratelimit",
        "x-ratelimit-resettime",
        "ratelimit-next",
        "ratelimit-max",
        "x-rate-limit-max",
    ] {
        assert_eq!(read(&[(name, "5")]), None, "{name}");
    }
}

#[test]
fn reset_after_is_preferred_and_an_unreadable_one_leaves_the_reset() {
    let spent = ("x-ratelimit-remaining", "0");
    let reset = ("x-ratelimit-reset", "60");
    assert_eq!(wait(Success, &[spent, reset, ("x-ratelimit-reset-after", "5")]), Some(5_000));
    assert_eq!(wait(Success, &[("x-ratelimit-reset-after", "5"), spent, reset]), Some(5_000));
    assert_eq!(wait(Success, &[spent, reset, ("x-ratelimit-reset-after", "later")]), Some(60_000));
}

#[test]
fn stand_ins_count_where_what_they_stand_in_for_is_missing() {
    let moment = "Sun, 01 Mar 2026 12:00:30 GMT";
    let gitlab = [("ratelimit-remaining", "0"), ("ratelimit-resettime", moment)];
    assert_eq!(wait(Success, &gitlab), Some(30_000));
    assert_eq!(wait(Success, &[&gitlab[..], &[("ratelimit-reset", "7")]].concat()), Some(7_000));
    assert_eq!(wait(Success, &[&gitlab[..], &[("ratelimit-reset", "?")]].concat()), Some(30_000));
    let akamai = [("x-ratelimit-next", "2026-03-01T12:00:30Z"), ("x-ratelimit-remaining", "0")];
    assert_eq!(wait(Success, &akamai), Some(30_000));
    assert_eq!(wait(Success, &[&akamai[..], &[("x-ratelimit-reset", "7")]].concat()), Some(7_000));
    assert_eq!(counts(&[("x-ratelimit-max", "100")]), (Some(100), None));
    assert_eq!(
        counts(&[("x-ratelimit-max", "100"), ("x-ratelimit-limit", "10")]),
        (Some(10), None)
    );
    assert_eq!(
        counts(&[("x-ratelimit-max", "100"), ("x-ratelimit-limit", "ten")]),
        (Some(100), None)
    );
    assert_eq!(
        counts(&[("x-rate-limit", "700"), ("x-rate-limit-remaining", "3")]),
        (Some(700), Some(3))
    );
}

#[test]
fn of_several_values_the_first_limit_the_least_left_and_the_latest_reset_count() {
    let lines = [
        ("x-ratelimit-limit", "x, 10;w=1, 20"),
        ("x-ratelimit-limit", "5"),
        ("x-ratelimit-remaining", "9;w=1, 3, -1"),
        ("x-ratelimit-remaining", "7"),
        ("x-ratelimit-reset", "5;w=1, 40, soon"),
        ("x-ratelimit-reset", "Sun, 01 Mar 2026 12:00:20 GMT"),
    ];
    assert_eq!(windows(&lines), [window("", 10, 3, 40_000)]);
    assert_eq!(windows(&[("x-ratelimit-remaining", ", ,4,")]), [window("", None, 4, None)]);
}

#[test]
fn a_negative_limit_drops_its_window_and_no_other() {
    for limit in ["-1", "-1, 10", "-0", "-5;w=60", " -1.5"] {
        let lines = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-limit", limit),
            ("x-ratelimit-reset", "9"),
            ("ratelimit-remaining", "5"),
        ];
        assert_eq!(windows(&lines), [window("", None, 5, None)], "{limit}");
        assert_eq!(wait(Success, &lines), Some(0), "{limit}");
    }
    for limit in ["-", "-x", "10, -1", "- 1"] {
        let lines = [
            ("x-ratelimit-limit", limit),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "9"),
        ];
        assert_eq!(wait(Success, &lines), Some(9_000), "{limit}");
    }
    assert_eq!(
        read(&[
            ("anthropic-ratelimit-tokens-limit", "-1"),
            ("anthropic-ratelimit-tokens-remaining", "0")
        ]),
        None
    );
    assert_eq!(read(&[("auth0-client-quota-limit", "b=a;q=-1;r=0;t=9")]), None);
    assert_eq!(read(&[("zendesk-ratelimit-a", "total=-1; remaining=0; resets=9")]), None);
    // What is left may be negative by itself, and is then unknown.
    assert_eq!(
        windows(&[("x-ratelimit-limit", "5"), ("x-ratelimit-remaining", "-1")]),
        [window("", 5, None, None)]
    );
}

// === Dialects of vendors' own ===

#[test]
fn own_dialects_are_read() {
    for (lines, expected) in [
        (
            &[
                ("anthropic-ratelimit-input-tokens-limit", "9"),
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-03-01T12:00:05Z"),
                ("anthropic-priority-input-tokens-limit", "8"),
            ][..],
            vec![window("input-tokens", 9, 0, 5_000), window("input-tokens", 8, None, None)],
        ),
        (
            &[
                ("fastly-ratelimit-limit", "9"),
                ("fastly-ratelimit-remaining", "1"),
                ("fastly-ratelimit-reset", "1772366405"),
            ],
            vec![window("", 9, 1, 5_000)],
        ),
        (
            &[
                ("x-sib-ratelimit-limit", "9"),
                ("x-sib-ratelimit-remaining", "1"),
                ("x-sib-ratelimit-reset", "5"),
            ],
            vec![window("", 9, 1, 5_000)],
        ),
        (
            &[
                ("x-app-limit-24hour-limit", "9"),
                ("x-user-limit-24hour-remaining", "1"),
                ("x-app-limit-24hour-reset", "1772366405"),
            ],
            vec![window("", 9, None, 5_000), window("", None, 1, None)],
        ),
        (
            &[
                ("x-hubspot-ratelimit-daily", "9"),
                ("x-hubspot-ratelimit-max", "8"),
                ("x-hubspot-ratelimit-secondly-remaining", "7"),
                ("x-hubspot-ratelimit-remaining", "6"),
                ("x-hubspot-ratelimit-daily-remaining", "5"),
                ("x-hubspot-ratelimit-secondly", "4"),
                ("x-hubspot-ratelimit-reset", "3"),
            ],
            vec![
                window("daily", 9, 5, None),
                window("", 8, 6, None),
                window("secondly", 4, 7, None),
            ],
        ),
        (&[("x-shopify-shop-api-call-limit", "32/40")], vec![window("", 40, 8, None)]),
        (&[("x-shopify-shop-api-call-limit", "41/40")], vec![window("", 40, 0, None)]),
        (
            &[("x-shopify-shop-api-call-limit", "99999999999999999999999/40")],
            vec![window("", 40, 0, None)],
        ),
        (
            &[(
                "sforce-limit-info",
                "api-usage=18/5000; per-app-api-usage=17/250(appName=sample-connected-app)",
            )],
            vec![
                window("api-usage", 5_000, 4_982, None),
                window("per-app-api-usage", 250, 233, None),
            ],
        ),
        (
            &[("sforce-limit-info", "api-usage=5001/5000,per-app-api-usage=x/250,other=1/2")],
            vec![window("api-usage", 5_000, 0, None)],
        ),
        (
            &[
                (
                    "auth0-client-quota-limit",
                    "b=per_hour;q=10;r=7;t=3540, per_day;q=50;t=43200, b=x;t=5, r=3",
                ),
                ("auth0-organization-quota-limit", "b=per_hour;r=0.5;q=many"),
            ],
            vec![
                window("per_hour", 10, 7, 3_540_000),
                window("per_day", 50, None, 43_200_000),
                window("", None, 3, None),
                window("per_hour", None, 0, None),
            ],
        ),
        (
            &[
                ("x-ms-ratelimit-remaining-subscription-reads", "11933"),
                ("x-ms-ratelimit-remaining-tenant-writes", "0"),
            ],
            vec![
                window("subscription-reads", None, 11_933, None),
                window("tenant-writes", None, 0, None),
            ],
        ),
        (
            &[
                ("x-ms-ratelimit-remaining-resource", "a/B3Min;46, a/B30Min;0,nothing,c;-1"),
                ("x-ms-ratelimit-remaining-resource", "d;5"),
            ],
            vec![
                window("a/B3Min", None, 46, None),
                window("a/B30Min", None, 0, None),
                window("d", None, 5, None),
            ],
        ),
        (
            &[
                ("zendesk-ratelimit-tickets-index", "total=100; remaining=0; resets=41"),
                ("zendesk-ratelimit-search", "resets=x;total=5"),
            ],
            vec![window("tickets-index", 100, 0, 41_000), window("search", 5, None, None)],
        ),
    ] {
        assert_eq!(windows(lines), expected, "{lines:?}");
    }
}

#[test]
fn own_dialects_that_cannot_be_read_are_absent() {
    for (name, value) in [
        ("x-shopify-shop-api-call-limit", "32.5/40"),
        ("x-shopify-shop-api-call-limit", "32 / 40"),
        ("x-shopify-shop-api-call-limit", "-1/40"),
        ("x-shopify-shop-api-call-limit", "32/"),
        ("x-shopify-shop-api-call-limit", "/40"),
        ("x-shopify-shop-api-call-limit", "1/2/3"),
        ("sforce-limit-info", "api-usage=18"),
        ("sforce-limit-info", "api-usage=18/5000x"),
        ("sforce-limit-info", "API-usage=18/5000"),
        ("auth0-client-quota-limit", "b=per_hour;t=5"),
        ("auth0-client-quota-limit", ",;,"),
        ("x-ms-ratelimit-remaining-resource", "a;b;5"),
        ("zendesk-ratelimit-a", "5"),
        ("fastly-ratelimit-reset", "-1"),
    ] {
        assert_eq!(read(&[(name, value)]), None, "{name}: {value}");
    }
}

// === Explicit delay ===

#[test]
fn the_first_name_with_a_valid_delay_counts() {
    let all = [
        ("retry-after-ms", "1"),
        ("x-ms-retry-after-ms", "2"),
        ("retry-after", "3"),
        ("x-amz-retry-after", "4"),
        ("x-ratelimit-retry-after", "5"),
        ("x-rate-limit-retry-after-seconds", "6"),
        ("x-retry-in", "7s"),
    ];
    let millis = [1, 2, 3_000, 4, 5_000, 6_000, 7_000];
    for (from, expected) in millis.into_iter().enumerate() {
        let mut lines = all[from..].to_vec();
        lines.reverse();
        assert_eq!(wait(RateLimited, &lines), Some(expected));
        assert_eq!(read(&lines).unwrap().decided_by(RateLimited).as_deref(), Some(all[from].0));
        // Those before it are there, and cannot be read.
        let unreadable = all[..from].iter().map(|(name, _)| (*name, "-1"));
        let lines: Vec<_> = lines.into_iter().chain(unreadable).collect();
        assert_eq!(read(&lines).unwrap().retry_after(), Some(Duration::from_millis(expected)));
    }
}

#[test]
fn a_delay_has_its_own_form_and_no_other() {
    for (name, value, expected) in [
        ("retry-after", "2.0", Some(2_000)),
        ("retry-after", "0.25", Some(250)),
        // Seconds and milliseconds since 1970, if that is near.
        ("retry-after", "1772366430", Some(30_000)),
        ("retry-after", "1772366430.5", Some(30_500)),
        ("retry-after", "1772366430500", Some(30_500)),
        ("retry-after", "1772366000", Some(0)),
        ("retry-after", "1700000060", Some(0)),
        ("retry-after", "999999999", Some(999_999_999_000)),
        ("retry-after", "1000000000", Some(1_000_000_000_000)),
        ("retry-after", "2147483647", Some(2_147_483_647_000)),
        ("retry-after", "9999999999", Some(2_147_483_648_000)),
        ("retry-after", "1772366430000000", Some(2_147_483_648_000)),
        ("retry-after", "99999999999999999999999999", Some(2_147_483_648_000)),
        ("retry-after", "Sun, 01 Mar 2026 11:59:00 GMT", Some(0)),
        ("retry-after", "Friday, 01-Mar-77 00:00:00 GMT", Some(0)),
        ("retry-after", "Friday, 01-Mar-76 00:00:00 GMT", Some(1_577_880_000_000)),
        ("retry-after", "2026-03-01T12:00:30Z", Some(30_000)),
        ("retry-after", "2026-03-01T13:00:30.25+01:00", Some(30_250)),
        ("retry-after", "2026-03-01T11:00:00Z", Some(0)),
        ("retry-after", "9999-12-31T23:59:59Z", Some(2_147_483_648_000)),
        ("retry-after", "2026-03-01", None),
        ("retry-after", "2026-02-30T12:00:00Z", None),
        ("retry-after", "-30", None),
        ("retry-after", "-1772366430", None),
        ("retry-after", "30s", None),
        ("retry-after", "10;x=1", None),
        ("retry-after", "", None),
        ("retry-after-ms", "1500.2", Some(1_501)),
        ("retry-after-ms", "1s", None),
        ("retry-after-ms", "Sun, 01 Mar 2026 12:00:30 GMT", None),
        ("x-amz-retry-after", "1500", Some(1_500)),
        ("retry-after-ms", "1772366430000", Some(1_772_366_430_000)),
        ("x-ratelimit-retry-after", "Sun, 01 Mar 2026 12:00:30 GMT", Some(30_000)),
        ("x-ratelimit-retry-after", "1772366430", Some(30_000)),
        ("x-rate-limit-retry-after-seconds", "2026-03-01T12:00:30Z", None),
        ("x-retry-in", "521.739ms", Some(522)),
        ("x-retry-in", "5", None),
    ] {
        assert_eq!(wait(RateLimited, &[(name, value)]), expected, "{name}: {value}");
    }
}

#[test]
fn a_moment_in_a_delay_is_by_the_servers_clock() {
    // The client is an hour behind.
    let date = ("date", "Sun, 01 Mar 2026 13:00:00 GMT");
    for moment in ["1772370030", "1772370030000", "2026-03-01T13:00:30Z"] {
        assert_eq!(wait(RateLimited, &[date, ("retry-after", moment)]), Some(30_000), "{moment}");
        assert_eq!(wait(RateLimited, &[("retry-after", moment)]), Some(3_630_000), "{moment}");
    }
}

#[test]
fn of_several_lines_the_latest_valid_delay_counts() {
    let date = ("retry-after", "Sun, 01 Mar 2026 12:00:15 GMT");
    assert_eq!(wait(RateLimited, &[("retry-after", "20"), ("retry-after", "10")]), Some(20_000));
    assert_eq!(wait(RateLimited, &[("retry-after", "10"), ("retry-after", "20")]), Some(20_000));
    assert_eq!(
        wait(RateLimited, &[date, ("retry-after", "10"), ("retry-after", "-")]),
        Some(15_000)
    );
    assert_eq!(wait(RateLimited, &[("retry-after", "10, 20")]), None);
}

// === Wait ===

#[test]
fn a_delay_counts_on_all_but_a_success_and_there_if_a_window_is_spent() {
    let delay = ("retry-after", "5");
    for outcome in [Redirection, RateLimited, Transient, Rejected] {
        assert_eq!(wait(outcome, &[delay]), Some(5_000), "{outcome:?}");
        assert_eq!(wait(outcome, &[delay, ("x-ratelimit-remaining", "1")]), Some(5_000));
    }
    assert_eq!(wait(Success, &[delay]), None);
    assert_eq!(wait(Success, &[delay, ("x-ratelimit-remaining", "1")]), Some(0));
    assert_eq!(wait(Success, &[delay, ("x-ratelimit-remaining", "0")]), Some(5_000));
    assert_eq!(wait(Success, &[delay, ("x-ratelimit-limit", "1")]), None);
}

#[test]
fn the_reset_of_a_spent_window_binds_on_any_response() {
    let spent = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "5"),
        ("ratelimit-reset", "60"),
        ("ratelimit-remaining", "1"),
        ("fastly-ratelimit-reset", "90"),
    ];
    for outcome in [Success, Redirection, RateLimited, Transient, Rejected] {
        assert_eq!(wait(outcome, &spent), Some(5_000), "{outcome:?}");
        assert_eq!(wait(outcome, &spent[..1]), None, "{outcome:?}");
    }
}

#[test]
fn the_reset_of_an_unknown_window_binds_only_an_unexplained_rate_limit() {
    let unknown =
        [("x-ratelimit-reset", "5"), ("ratelimit-reset", "60"), ("ratelimit-remaining", "1")];
    assert_eq!(wait(RateLimited, &unknown), Some(5_000));
    for outcome in [Success, Redirection, Rejected] {
        assert_eq!(wait(outcome, &unknown), Some(0), "{outcome:?}");
        assert_eq!(wait(outcome, &unknown[..1]), None, "{outcome:?}");
    }
    assert_eq!(wait(Transient, &unknown), None);
    let explained = [&unknown[..], &[("x-rate-limit-remaining", "0")]].concat();
    assert_eq!(wait(RateLimited, &explained), None);
}

#[test]
fn the_later_of_delay_and_reset_governs_save_where_the_reset_is_full_replenishment() {
    for (name, remaining, delay_governs) in [
        ("x-ratelimit-reset", "x-ratelimit-remaining", false),
        ("x-rate-limit-reset-after", "x-rate-limit-remaining", false),
        ("x-ratelimit-requests-reset", "x-ratelimit-requests-remaining", false),
        ("fastly-ratelimit-reset", "fastly-ratelimit-remaining", false),
        ("ratelimit-reset", "ratelimit-remaining", true),
        ("ratelimit-requests-reset", "ratelimit-requests-remaining", true),
        ("x-ratelimit-reset-requests", "x-ratelimit-remaining-requests", true),
        ("x-rate-limit-reset-requests", "x-rate-limit-remaining-requests", true),
        ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining", true),
        ("anthropic-priority-tokens-reset", "anthropic-priority-tokens-remaining", true),
    ] {
        let window = [(remaining, "0"), (name, "60")];
        let early = [&window[..], &[("retry-after", "5")]].concat();
        let limit = read(&early).unwrap();
        let (expected, by) = if delay_governs { (5_000, "retry-after") } else { (60_000, name) };
        assert_eq!(wait(RateLimited, &early), Some(expected), "{name}");
        assert_eq!(limit.decided_by(RateLimited).as_deref(), Some(by));
        assert_eq!(wait(RateLimited, &window), Some(60_000), "{name}");
        assert_eq!(read(&window).unwrap().decided_by(Success).as_deref(), Some(name));
        let late = [&window[..], &[("retry-after", "90")]].concat();
        assert_eq!(wait(RateLimited, &late), Some(90_000), "{name}");
    }
    for field in [r#""a";r=0;t=60"#, "remaining=0, reset=60"] {
        assert_eq!(wait(RateLimited, &[("ratelimit", field), ("retry-after", "5")]), Some(5_000));
        assert_eq!(
            read(&[("ratelimit", field)]).unwrap().decided_by(Success).as_deref(),
            Some("ratelimit")
        );
    }
    // Windows of other names in the same response still bind.
    let both = [
        ("ratelimit", r#""a";r=0;t=60"#),
        ("retry-after", "5"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "30"),
    ];
    assert_eq!(wait(RateLimited, &both), Some(30_000));
    // A delay that does not count governs over nothing.
    assert_eq!(
        wait(Success, &[("ratelimit", r#""a";r=0;t=60"#), ("retry-after", "x")]),
        Some(60_000)
    );
}

#[test]
fn nothing_that_binds_is_room_or_no_word_at_all() {
    let room = [("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "5")];
    for (outcome, expected) in [
        (Success, Some(0)),
        (Redirection, Some(0)),
        (Rejected, Some(0)),
        (RateLimited, None),
        (Transient, None),
    ] {
        assert_eq!(wait(outcome, &room), expected, "{outcome:?}");
        assert_eq!(read(&room).unwrap().decided_by(outcome), None);
        assert_eq!(wait(outcome, &[("x-ratelimit-limit", "1")]), None);
    }
}

#[test]
fn the_header_that_decided_is_named_as_it_was_sent() {
    for name in [
        "x-ratelimit-reset-after",
        "x-ratelimit-reset-tokens",
        "x-ratelimit-tokens-reset-after",
        "ratelimit-resettime",
        "x-ratelimit-next",
        "zendesk-ratelimit-a",
        "auth0-client-quota-limit",
    ] {
        let value = if name.starts_with('z') {
            "resets=5;total=5"
        } else if name.starts_with('a') {
            "b=a;q=1;t=5"
        } else {
            "5"
        };
        assert_eq!(read(&[(name, value)]).unwrap().decided_by(RateLimited).as_deref(), Some(name));
    }
}

#[test]
fn a_rate_limit_is_marked_by_a_delay_or_a_spent_window() {
    for (lines, marked) in [
        (&[("retry-after", "0")][..], true),
        (&[("x-ratelimit-remaining", "0")], true),
        (&[("x-ratelimit-remaining", "0.9")], true),
        (&[("x-ratelimit-remaining", "1")], false),
        (&[("x-ratelimit-reset", "60")], false),
        (&[("ratelimit-policy", r#""a";q=0"#)], false),
    ] {
        assert_eq!(read(lines).unwrap().marks_rate_limit(), marked, "{lines:?}");
    }
}

// === What is reported ===

#[test]
fn of_spent_windows_the_one_that_ends_last_is_reported() {
    let lines = |first: &'static str, second: &'static str| {
        let limit = read(&[
            ("ratelimit-policy", "a;q=1, b;q=2, c;q=3"),
            ("ratelimit", "c;r=0, z;r=1;t=99"),
            ("x-ratelimit-limit", "1"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", first),
            ("x-rate-limit-limit", "2"),
            ("x-rate-limit-remaining", "0"),
            ("x-rate-limit-reset", second),
        ])
        .unwrap();
        (limit.limit().unwrap(), limit.reset().map(|reset| reset.as_secs()))
    };
    assert_eq!(lines("5", "6"), (2, Some(6)));
    assert_eq!(lines("6", "5"), (1, Some(6)));
    assert_eq!(lines("6", "6"), (1, Some(6)), "of equals the first");
    assert_eq!(lines("?", "?"), (3, None), "no reset is the earliest");
    // Both are over: the one that was over last, though both waits are zero.
    assert_eq!(lines("1772366000", "1772366001"), (2, Some(0)));
    // Both are beyond what is reported.
    assert_eq!(lines("4102444800000000", "4102444800000001"), (2, Some(2_147_483_648)));
}

#[test]
fn without_a_spent_window_the_least_left_is_reported() {
    let limit = read(&[
        ("x-ratelimit-limit-a", "10"),
        ("x-ratelimit-remaining-a", "2"),
        ("x-ratelimit-limit-b", "20"),
        ("x-ratelimit-remaining-b", "1.9"),
        ("x-ratelimit-limit-c", "30"),
        ("x-ratelimit-remaining-c", "1.9"),
        ("x-ratelimit-reset-b", "7s"),
        ("x-ratelimit-limit-d", "1"),
    ])
    .unwrap();
    assert_eq!((limit.limit(), limit.remaining(), limit.policy()), (Some(20), Some(1), Some("b")));
    assert_eq!(limit.reset(), Some(Duration::from_secs(7)));
    let limit = read(&[
        ("x-ratelimit-reset", "9"),
        ("x-ratelimit-limit-b", "20"),
        ("x-ratelimit-limit-c", "30"),
    ])
    .unwrap();
    assert_eq!((limit.limit(), limit.remaining(), limit.policy()), (Some(20), None, Some("b")));
    let limit = read(&[("x-ratelimit-reset", "9")]).unwrap();
    assert_eq!((limit.limit(), limit.reset()), (None, Some(Duration::from_secs(9))));
}

#[test]
fn counts_are_whole_and_as_great_as_can_be() {
    assert_eq!(
        counts(&[
            ("x-ratelimit-limit", "10.9"),
            ("x-ratelimit-remaining", "3.999999999999999999999")
        ]),
        (Some(10), Some(3))
    );
    let greatest = "18446744073709551615";
    assert_eq!(
        counts(&[("x-ratelimit-limit", greatest), ("x-ratelimit-remaining", greatest)]),
        (Some(u64::MAX), Some(u64::MAX))
    );
    assert_eq!(
        counts(&[("x-ratelimit-limit", "99999999999999999999999999")]),
        (Some(u64::MAX), None)
    );
}

// === Bounds ===

#[test]
fn windows_beyond_the_bound_are_passed_over_and_known_ones_still_read() {
    let names: Vec<_> = (0..200).map(|key| format!("x-ratelimit-remaining-{key}")).collect();
    let mut lines: Vec<_> = names.iter().map(|name| (name.as_str(), "5")).collect();
    lines.push(("x-ratelimit-remaining-7", "0"));
    let limit = read(&lines).unwrap();
    assert_eq!(limit.windows().len(), 64);
    assert_eq!(limit.policy(), Some("7"));

    let items: Vec<_> = (0..200).map(|key| format!("k{key};r=5;t=1")).collect();
    assert_eq!(read(&[("ratelimit", &items.join(", "))]).unwrap().windows().len(), 64);
    let quotas: Vec<_> = (0..200).map(|key| format!("b={key};r=5")).collect();
    assert_eq!(
        read(&[("auth0-client-quota-limit", &quotas.join(","))]).unwrap().windows().len(),
        64
    );
}

#[test]
fn a_value_of_any_length_is_read_or_passed_over() {
    let digits = "9".repeat(60_000);
    assert_eq!(reset(&digits), Some(2_147_483_648_000));
    assert_eq!(reset(&format!("0.{}1", "0".repeat(60_000))), Some(1));
    assert_eq!(reset(&"1h".repeat(20_000)), Some(72_000_000_000));
    assert_eq!(reset(&format!("{digits}h").repeat(2)), Some(2_147_483_648_000));
    assert_eq!(reset(&"1,".repeat(30_000)), Some(1_000));
    assert_eq!(read(&[("ratelimit", &"(".repeat(60_000))]), None);
    assert_eq!(read(&[("ratelimit", &"a,".repeat(30_000))]), None);
}

// === AWS ===

#[test]
fn an_aws_code_is_cut_from_namespace_and_address() {
    for (value, throttling) in [
        ("ThrottlingException", true),
        ("SlowDown:", true),
        ("TooManyRequestsException:http://internal.amazon.com/coral/com.amazonaws.x#y/", true),
        ("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", true),
        ("a#b#EC2ThrottledException:x:y", true),
        (" PriorRequestNotComplete ", true),
        ("throttlingexception", false),
        ("ThrottlingExceptions", false),
        ("ThrottlingException#Other", false),
        ("Other:ThrottlingException", false),
        ("", false),
        ("#", false),
        (":", false),
    ] {
        assert_eq!(
            is_aws_throttling(&headers(&[("x-amzn-ErrorType", value)])),
            throttling,
            "{value}"
        );
    }
    assert!(!is_aws_throttling(&HeaderMap::new()));
}
