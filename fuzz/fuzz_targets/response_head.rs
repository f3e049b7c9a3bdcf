//! Any response head: nothing panics, and all that is read from it is in range.
//!
//! Input: one byte for the status, then lines `name:value`.

#![no_main]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use tower_heed::{
    __internals::is_aws_throttling,
    classify::{Classification, ErrorClass, Preset},
    headers::{BearerChallenge, Outcome, RateLimit},
};

const LONGEST: Duration = Duration::from_secs(1 << 31);

const PRESETS: [Preset; 5] =
    [Preset::Standard, Preset::Auth0, Preset::Clerk, Preset::GitHub, Preset::Okta];

const STATUSES: [u16; 12] = [200, 201, 302, 304, 400, 401, 403, 404, 429, 500, 503, 529];

fn headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(64) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

fuzz_target!(|data: &[u8]| {
    let Some((status, lines)) = data.split_first() else { return };
    let status = match STATUSES.get(usize::from(*status)) {
        Some(status) => *status,
        None => 100 + u16::from(*status) * 3,
    };
    let Ok(status) = StatusCode::from_u16(status) else { return };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400);
    let headers = headers(lines);
    let _ = is_aws_throttling(&headers);
    let _ = BearerChallenge::from_headers(&headers);
    if let Some(limit) = RateLimit::from_headers(&headers, now) {
        assert!(limit.windows().len() <= 64);
        assert!(limit.retry_after().is_none_or(|delay| delay <= LONGEST));
        assert!(limit.reset().is_none_or(|reset| reset <= LONGEST));
        for outcome in
            [Outcome::Success, Outcome::RateLimited, Outcome::Transient, Outcome::Rejected]
        {
            assert!(limit.wait(outcome).is_none_or(|wait| wait <= LONGEST));
        }
    }
    for preset in PRESETS {
        let read = Classification::of_response(&preset, status, &headers, now);
        if status.is_success() {
            // The headers of a success do not make a denial of it.
            let denied = [ErrorClass::Unauthenticated, ErrorClass::Forbidden];
            assert!(read.as_ref().is_none_or(|read| !denied.contains(&read.class())));
        }
        if status.as_u16() == 429 {
            assert!(read.is_some(), "{preset:?} takes a 429 for a success");
        }
        if let Some(read) = read {
            assert!(read.retry_after().is_none_or(|delay| delay <= LONGEST));
            // Formats the whole of it.
            assert!(!format!("{read:?}").is_empty());
        }
    }
});
