//! Any body of a token endpoint: what is accepted is a token that a header field can carry, and no error shows the body.

#![no_main]

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use tower_heed::oauth::TokenResponse;

fuzz_target!(|data: &[u8]| {
    match TokenResponse::from_slice(data, SystemTime::UNIX_EPOCH) {
        Ok(response) => {
            let token = response.access_token();
            assert!(!token.is_empty() && HeaderValue::from_str(token).is_ok());
            assert!(
                response
                    .expires_in()
                    .is_none_or(|life| !life.is_zero() && life <= Duration::from_secs(30 * 86_400))
            );
            if token.len() >= 8 {
                assert!(!format!("{response:?}").contains(token));
            }
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(shown.len() < 512);
        }
    }
});
