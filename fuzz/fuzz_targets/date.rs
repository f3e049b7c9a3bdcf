//! HTTP-dates: whatever httpdate reads in the fixed-length form means the same moment here.

#![no_main]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tower_heed::headers::RateLimit;

const LONGEST: Duration = Duration::from_secs(1 << 31);

fuzz_target!(|data: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400);
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", value);
    let limit = RateLimit::from_headers(&headers, now);
    let wait = limit.as_ref().and_then(RateLimit::retry_after);
    assert!(wait.is_none_or(|wait| wait <= LONGEST));

    // `Sun, 06 Nov 1994 08:49:37 GMT`, the form that servers must send.
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() == 29 && text.as_bytes()[4] == b' ' {
        if let Ok(moment) = httpdate::parse_http_date(text) {
            let left = moment.duration_since(now).unwrap_or_default().min(LONGEST);
            assert_eq!(wait, Some(left), "{text:?}");
        }
    }
});
