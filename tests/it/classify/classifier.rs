//! What a response means: each preset, each status, with headers that change the meaning and headers that must not.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use tower_heed::classify::{
    Classification, Classifier,
    ErrorClass::{self, *},
    Preset::{self, *},
    ResponseHead,
};

const PRESETS: [Preset; 5] = [Standard, Auth0, Clerk, Okta, GitHub];

type Headers = &'static [(&'static str, &'static str)];

const NOTHING: Headers = &[];
const DELAY: Headers = &[("retry-after", "60")];
const NO_DELAY: Headers = &[("retry-after", "soon")];
const SPENT: Headers = &[
    ("x-ratelimit-limit", "60"),
    ("x-ratelimit-remaining", "0"),
    ("x-ratelimit-reset", "1767225660"),
];
const UNITS_LEFT: Headers = &[
    ("x-ratelimit-limit", "60"),
    ("x-ratelimit-remaining", "59"),
    ("x-ratelimit-reset", "1767225660"),
];
const RESET_ALONE: Headers = &[("x-ratelimit-reset", "1767225660")];
const THROTTLING: Headers = &[("x-amzn-errortype", "ThrottlingException:")];
const VALIDATION: Headers = &[("x-amzn-errortype", "ValidationException:")];

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn map(headers: Headers) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn class(classifier: &impl Classifier, status: u16, headers: Headers) -> Option<ErrorClass> {
    let status = StatusCode::from_u16(status).unwrap();
    let found = Classification::of_response(classifier, status, &map(headers), now())?;
    assert_eq!(found.status(), Some(status));
    assert_eq!(found.cause(), None);
    Some(found.class())
}

#[test]
fn a_status_has_the_same_meaning_in_every_preset_but_for_403_and_422() {
    for (statuses, expected) in [
        (&[100, 101, 199, 200, 201, 202, 204, 206, 299, 300, 301, 302, 304, 307, 399][..], None),
        (&[429, 420], Some(RateLimited)),
        (&[401], Some(Unauthenticated)),
        (&[403], Some(Forbidden)),
        (&[408, 504], Some(Timeout)),
        (
            &[425, 500, 501, 502, 503, 505, 507, 508, 511, 520, 529, 599, 600, 999],
            Some(Unavailable),
        ),
        (&[400, 402, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415], Some(Rejected)),
        (&[416, 417, 418, 419, 421, 423, 424, 426, 428, 431, 451, 499], Some(Rejected)),
    ] {
        for (preset, status) in PRESETS.iter().flat_map(|p| statuses.iter().map(move |s| (p, *s))) {
            assert_eq!(class(preset, status, NOTHING), expected, "{preset:?} {status}");
        }
    }
}

#[test]
fn headers_that_name_a_limit_make_one_of_a_403_where_the_provider_does_so() {
    for (headers, by_limit) in [
        (NOTHING, false),
        (DELAY, true),
        (NO_DELAY, false),
        (SPENT, true),
        (UNITS_LEFT, false),
        (RESET_ALONE, false),
        (VALIDATION, false),
    ] {
        for preset in PRESETS {
            let expected = match preset {
                Standard | GitHub if by_limit => RateLimited,
                _ => Forbidden,
            };
            assert_eq!(class(&preset, 403, headers), Some(expected), "{preset:?} {headers:?}");
        }
    }
}

#[test]
fn headers_that_name_a_limit_change_no_other_status() {
    for headers in [DELAY, SPENT, UNITS_LEFT, RESET_ALONE, VALIDATION] {
        for (status, expected) in [
            (200, None),
            (302, None),
            (400, Some(Rejected)),
            (401, Some(Unauthenticated)),
            (404, Some(Rejected)),
            (408, Some(Timeout)),
            (429, Some(RateLimited)),
            (500, Some(Unavailable)),
            (503, Some(Unavailable)),
        ] {
            for preset in PRESETS {
                assert_eq!(class(&preset, status, headers), expected, "{preset:?} {headers:?}");
            }
        }
    }
}

#[test]
fn a_422_is_a_sign_out_in_clerks_dialect_alone() {
    for preset in PRESETS {
        let expected = if preset == Clerk { Unauthenticated } else { Rejected };
        assert_eq!(class(&preset, 422, NOTHING), Some(expected), "{preset:?}");
    }
}

#[test]
fn a_throttling_code_of_aws_is_a_limit_on_any_failure_and_on_no_success() {
    for preset in PRESETS {
        for status in [400, 401, 403, 422, 500, 503] {
            assert_eq!(
                class(&preset, status, THROTTLING),
                Some(RateLimited),
                "{preset:?} {status}"
            );
        }
        assert_eq!(class(&preset, 200, THROTTLING), None);
        assert_eq!(class(&preset, 400, VALIDATION), Some(Rejected));
    }
}

#[test]
fn a_classification_says_how_long_to_wait_whatever_its_class() {
    for (status, headers, wait) in [
        (429, DELAY, Some(60)),
        (503, DELAY, Some(60)),
        (401, SPENT, Some(60)),
        (429, SPENT, Some(60)),
        (429, UNITS_LEFT, None),
        (429, NOTHING, None),
        (429, NO_DELAY, None),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let found = Classification::of_response(&Standard, status, &map(headers), now()).unwrap();
        assert_eq!(found.retry_after(), wait.map(Duration::from_secs), "{status} {headers:?}");
    }
}

#[test]
fn a_classifier_of_ones_own_sees_the_whole_head_and_may_defer_to_a_preset() {
    let own = |response: &ResponseHead<'_>| match response.headers().get("x-state") {
        Some(state) if state == "starting" => Some(Unavailable),
        _ if response.rate_limit().is_some() => Some(RateLimited),
        _ => Standard.classify(response),
    };
    assert_eq!(class(&own, 200, &[("x-state", "starting")]), Some(Unavailable));
    assert_eq!(class(&own, 404, DELAY), Some(RateLimited));
    assert_eq!(class(&own, 404, NOTHING), Some(Rejected));
    assert_eq!(class(&own, 200, NOTHING), None);
}

#[test]
fn the_debug_text_of_a_response_shows_no_header() {
    let print = |response: &ResponseHead<'_>| {
        let debug = format!("{response:?}");
        assert!(debug.contains("404") && !debug.contains("hush"), "{debug}");
        None
    };
    assert_eq!(class(&print, 404, &[("set-cookie", "hush")]), None);
}

#[test]
fn classes_are_named_as_in_events() {
    for (class, name) in [
        (RateLimited, "rate_limited"),
        (Unauthenticated, "unauthenticated"),
        (Forbidden, "forbidden"),
        (Timeout, "timeout"),
        (Unavailable, "unavailable"),
        (Connect, "connect"),
        (Interrupted, "interrupted"),
        (Rejected, "rejected"),
        (Throttled, "throttled"),
        (TokenUnavailable, "token_unavailable"),
    ] {
        assert_eq!((class.as_str(), class.to_string()), (name, name.to_owned()));
    }
}

fn any_class() -> impl Strategy<Value = Option<ErrorClass>> {
    prop_oneof![
        Just(None),
        Just(Some(RateLimited)),
        Just(Some(Unauthenticated)),
        Just(Some(Forbidden)),
        Just(Some(Timeout)),
        Just(Some(Unavailable)),
        Just(Some(Rejected)),
        Just(Some(TokenUnavailable)),
    ]
}

fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop_oneof![
        Just("retry-after"),
        Just("www-authenticate"),
        Just("x-amzn-errortype"),
        Just("x-ratelimit-remaining"),
        Just("x-ratelimit-reset"),
    ];
    let value = proptest::collection::vec(any::<u8>(), 0..24)
        .prop_filter_map("no header value", |bytes| HeaderValue::from_bytes(&bytes).ok());
    proptest::collection::vec((name, value), 0..6).prop_map(|fields| {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name, value);
        }
        map
    })
}

proptest! {
    #[test]
    fn no_classifier_and_no_header_makes_a_sign_out_of_a_429(
        says in any_class(),
        headers in any_headers(),
    ) {
        let own = move |_: &ResponseHead<'_>| says;
        let found = Classification::of_response(&own, StatusCode::TOO_MANY_REQUESTS, &headers, now());
        let expected = match says {
            Some(Unauthenticated) => Some(RateLimited),
            other => other,
        };
        prop_assert_eq!(found.map(|found| found.class()), expected);
        for preset in PRESETS {
            let found =
                Classification::of_response(&preset, StatusCode::TOO_MANY_REQUESTS, &headers, now());
            prop_assert_eq!(found.unwrap().class(), RateLimited);
        }
    }

    #[test]
    fn no_header_makes_a_failure_of_a_success_or_a_success_of_a_failure(
        status in 100_u16..1000,
        headers in any_headers(),
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        for preset in PRESETS {
            let found = Classification::of_response(&preset, status, &headers, now());
            prop_assert_eq!(found.is_some(), status.as_u16() >= 400);
        }
    }
}
