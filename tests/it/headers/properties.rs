//! Properties that hold for any headers, hostile ones first.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, prelude::*, sample::select};
use tower_heed::{
    __internals::is_aws_throttling,
    headers::{Outcome, RateLimit},
};

const OUTCOMES: [Outcome; 5] = [
    Outcome::Success,
    Outcome::Redirection,
    Outcome::RateLimited,
    Outcome::Transient,
    Outcome::Rejected,
];

const LONGEST: Duration = Duration::from_secs(1 << 31);

/// The known names, except for the two structured fields.
const NAMES: [&str; 21] = [
    "grpc-status-details-bin",
    "retry-after",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-amz-retry-after",
    "x-ratelimit-retry-after",
    "x-rate-limit-retry-after-seconds",
    "x-retry-in",
    "x-rate-limit",
    "x-ratelimit-max",
    "x-ratelimit-next",
    "ratelimit-resettime",
    "x-shopify-shop-api-call-limit",
    "sforce-limit-info",
    "auth0-client-quota-limit",
    "auth0-organization-quota-limit",
    "x-ms-ratelimit-remaining-resource",
    "x-ms-ratelimit-remaining-reads",
    "zendesk-ratelimit-search",
    "x-hubspot-ratelimit-daily-remaining",
    "x-user-limit-24hour-reset",
];

const FAMILIES: [&str; 6] = [
    "x-ratelimit",
    "x-rate-limit",
    "ratelimit",
    "anthropic-ratelimit",
    "fastly-ratelimit",
    "x-sib-ratelimit",
];

/// Names whose malformed lines have no effect.
fn line_name() -> impl Strategy<Value = String> {
    let attribute = || select(&["limit", "remaining", "reset", "reset-after"][..]);
    let family = || select(&FAMILIES[..]);
    prop_oneof![
        2 => select(&NAMES[..]).prop_map(str::to_owned),
        3 => (family(), attribute()).prop_map(|(family, word)| format!("{family}-{word}")),
        1 => (family(), attribute(), "[a-z]{0,2}").prop_map(|(f, word, key)| format!("{f}-{word}-{key}")),
        1 => (family(), "[a-z]{0,2}", attribute()).prop_map(|(f, key, word)| format!("{f}-{key}-{word}")),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => line_name(),
        2 => select(&["ratelimit", "ratelimit-policy", "date", "age", "x-amzn-errortype"][..])
            .prop_map(str::to_owned),
        1 => "[a-z][a-z-]{0,20}",
    ]
}

/// Any header value, and ones that resemble a valid value.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "[\t -~\u{80}-\u{ff}]{0,40}",
        3 => "-?[0-9]{1,3}",
        2 => "[0-9]{8,25}(\\.[0-9]{1,25})?",
        2 => "[0-9]{1,4}(\\.[0-9]{1,20})?(ns|us|ms|s|m|h)[0-9]{0,3}[smh]?",
        2 => "(Sun|Mon|Sunday), [0-9]{2}[ -](Jan|Feb|Mar)[ -]([0-9]{2}|[0-9]{4}) [0-9]{2}:[0-5][0-9]:[0-9]{2} GMT",
        1 => "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9](:[0-6][0-9])?(\\.[0-9]+)?(Z|[+-][0-2][0-9]:[0-6][0-9])",
        2 => "(\"[a-c]?\"|[a-c])(;[rtq]=-?[0-9]{1,17})*(, ?\"?[a-c]\"?;[rtq]=[0-9.]{1,4}){0,2}",
        1 => "(limit|remaining|reset)=[0-9]{1,3}(, (limit|remaining|reset)=-?[0-9]{1,3}){0,3}",
        1 => "(b=)?[a-c]?(;[bqrt]=-?[0-9]{1,4}){0,3}(,[a-c](;[qrt]=[0-9]+)*){0,2}",
        1 => "(api-usage=|per-app-api-usage=)?[0-9]{1,25}/[0-9]{1,25}(\\(a\\))?;?",
        1 => "(total|remaining|resets)=[0-9]{1,3}(; (total|remaining|resets)=-?[0-9]{1,3}){0,3}",
        1 => "[0-9]{1,3}(;w=[0-9]+)?(, ?-?[0-9]{1,3}(;w=[0-9]+)?){0,3}",
    ]
    .prop_map(|value| value.chars().map(|char| char as u8).collect())
}

type Line = (String, Vec<u8>);

fn lines() -> impl Strategy<Value = Vec<Line>> {
    vec((name(), value()), 0..12)
}

fn headers(lines: &[Line]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn read(lines: &[Line], now: SystemTime) -> Option<RateLimit> {
    RateLimit::from_headers(&headers(lines), now)
}

/// Any time that the platform can represent.
fn any_time() -> impl Strategy<Value = SystemTime> {
    any::<i64>().prop_map(|seconds| {
        let span = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(span)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(span)
        };
        time.unwrap_or(SystemTime::UNIX_EPOCH)
    })
}

fn today() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400)
}

proptest! {
    #[test]
    fn nothing_panics_and_all_is_in_range(lines in lines(), now in any_time()) {
        let _ = is_aws_throttling(&headers(&lines));
        let Some(limit) = read(&lines, now) else { return Ok(()) };
        prop_assert_eq!(Some(limit.clone()), read(&lines, now));
        prop_assert!(limit.windows().len() <= 64);
        prop_assert!(limit.retry_after().is_none_or(|delay| delay <= LONGEST));
        prop_assert!(limit.reset().is_none_or(|reset| reset <= LONGEST));
        prop_assert_eq!(limit.is_spent(), limit.remaining() == Some(0));
        for outcome in OUTCOMES {
            let wait = limit.wait(outcome);
            prop_assert!(wait.is_none_or(|wait| wait <= LONGEST && wait.subsec_nanos() % 1_000_000 == 0));
            prop_assert!(outcome == Outcome::Success || wait >= limit.retry_after());
            if let Some(header) = limit.decided_by(outcome) {
                prop_assert!(lines.iter().any(|(name, _)| *name == header), "{} was not sent", header);
            }
        }
    }

    #[test]
    fn a_header_that_is_not_ours_changes_nothing(lines in lines(), name in "x-[a-q][a-z]{1,8}", value in value(), at in 0..13_usize) {
        let mut more = lines.clone();
        more.insert(at.min(lines.len()), (name, value));
        prop_assert_eq!(read(&lines, today()), read(&more, today()));
    }

    // At the end: before a readable line of its name it would give the name an earlier place in the map.
    #[test]
    fn a_line_that_cannot_be_read_changes_nothing(lines in lines(), name in line_name()) {
        let mut more = lines.clone();
        more.push((name, b"\xff".to_vec()));
        prop_assert_eq!(read(&lines, today()), read(&more, today()));
    }

    #[test]
    fn space_around_a_value_is_no_part_of_it(lines in lines(), space in "[ \t]{0,3}") {
        let pad = |value: &[u8]| [space.as_bytes(), value, space.as_bytes()].concat();
        let padded: Vec<_> = lines.iter().map(|(name, value)| (name.clone(), pad(value))).collect();
        prop_assert_eq!(read(&lines, today()), read(&padded, today()));
    }

    #[test]
    fn the_clients_clock_does_not_count_beside_a_date(lines in lines(), skew in 0..86_400_u64) {
        let mut lines = lines;
        lines.insert(0, ("date".to_owned(), b"Sun, 01 Mar 2026 12:00:00 GMT".to_vec()));
        prop_assert_eq!(read(&lines, today()), read(&lines, today() + Duration::from_secs(skew)));
    }

    #[test]
    fn a_moment_is_met_by_any_clock(seconds in 0..100_000_u64, left in 0..3_u64) {
        let reset = format!("{}", 1_772_366_400 + seconds);
        let lines = [
            ("x-ratelimit-remaining".to_owned(), left.to_string().into_bytes()),
            ("x-ratelimit-reset".to_owned(), reset.into_bytes()),
        ];
        let wait = read(&lines, today()).unwrap().wait(Outcome::Success);
        prop_assert_eq!(wait, Some(Duration::from_secs(if left == 0 { seconds } else { 0 })));
    }
}

/// A `google.rpc.Status` as protobuf writes it.
mod grpc {
    use super::*;

    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    fn number(field: u64, value: u64) -> Vec<u8> {
        [varint(field << 3), varint(value)].concat()
    }

    fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
        [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
    }

    fn detail(kind: &str, value: &[u8]) -> Vec<u8> {
        let url = format!("type.googleapis.com/google.rpc.{kind}");
        bytes(3, &[bytes(1, url.as_bytes()), bytes(2, value)].concat())
    }

    /// With a `RetryInfo` of so many seconds and nanoseconds, between another detail and a field that no version knows.
    pub(super) fn status(seconds: u64, nanos: u64, junk: &[u8]) -> Vec<u8> {
        let delay = [number(1, seconds), number(2, nanos)].concat();
        let head = [number(1, 8), bytes(2, b"slow down")].concat();
        let info = detail("RetryInfo", &bytes(1, &delay));
        [head, detail("QuotaFailure", junk), info, bytes(99, junk)].concat()
    }

    pub(super) fn read_bin(status: &[u8], pads: bool) -> Option<Duration> {
        use base64::{Engine as _, prelude::*};
        let text = match pads {
            true => BASE64_STANDARD.encode(status),
            false => BASE64_STANDARD_NO_PAD.encode(status),
        };
        read(&[("grpc-status-details-bin".to_owned(), text.into_bytes())], today())?.retry_after()
    }
}

proptest! {
    #[test]
    fn the_retry_info_of_grpc_is_read_whatever_is_around_it(
        seconds in 0..100_000_u64,
        millis in 0..1_000_u64,
        junk in vec(any::<u8>(), 0..40),
        pads: bool,
    ) {
        let status = grpc::status(seconds, millis * 1_000_000, &junk);
        let expected = Duration::from_secs(seconds) + Duration::from_millis(millis);
        prop_assert_eq!(grpc::read_bin(&status, pads), Some(expected));
    }

    /// Cut, changed in one byte, or of any bytes: it is read in some way, and nothing is beyond the longest wait.
    #[test]
    fn a_broken_retry_info_does_no_harm(at in 0..200_usize, with: u8, any in vec(any::<u8>(), 0..80)) {
        let status = grpc::status(30, 0, b"junk");
        let cut = &status[..at.min(status.len())];
        let mut changed = status.clone();
        let len = changed.len();
        changed[at % len] = with;
        for broken in [cut, &changed, &any] {
            let wait = grpc::read_bin(broken, true);
            prop_assert!(wait.is_none_or(|wait| wait <= LONGEST));
        }
    }
}

#[test]
fn a_retry_info_that_is_negative_too_long_or_none_is_no_wait() {
    for (seconds, nanos, expected) in [
        (30, 500_000_000, Some(Duration::from_millis(30_500))),
        (0, 0, Some(Duration::ZERO)),
        (0, 1_000_000_000, None),
        (u64::MAX, 0, None),
        (0, u64::MAX, None),
        (i64::MAX as u64, 0, Some(LONGEST)),
    ] {
        assert_eq!(
            grpc::read_bin(&grpc::status(seconds, nanos, b""), true),
            expected,
            "{seconds} {nanos}"
        );
    }
    // Another type, or more than is read.
    assert_eq!(grpc::read_bin(b"\x08\x08", true), None);
    assert_eq!(
        grpc::read_bin(&grpc::status(30, 0, &[0; 2_900]), true),
        Some(Duration::from_secs(30))
    );
    assert_eq!(grpc::read_bin(&grpc::status(30, 0, &[0; 7_000]), true), None);
}

/// As Google's APIs send it.
#[test]
fn google_says_in_the_details_how_long_to_wait() {
    let details = "CAgSDnF1b3RhIGV4Y2VlZGVkGjwKK3R5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5RdW90YUZhaWx1cmUSDQoLCglwcm9qZWN0Oj\
        caNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIHhCAyrXuAQ==";
    let lines = [("grpc-status-details-bin".to_owned(), details.as_bytes().to_vec())];
    let limit = read(&lines, today()).unwrap();
    assert_eq!(limit.retry_after(), Some(Duration::from_millis(30_500)));
    let decided = limit.decided_by(Outcome::RateLimited).unwrap();
    assert_eq!(decided, "grpc-status-details-bin");
}
