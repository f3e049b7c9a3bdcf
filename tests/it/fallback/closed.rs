//! The error in the upstream's place.

use std::{error::Error, io, time::Duration};

use tower_heed::{
    FallbackLayer,
    error::find,
    policy::{Classification, ErrorClass, FetchFailure},
    token_cache::TokenError,
};

use super::{Wrapper, io_error, outcome_of, unavailable};
use crate::support::scripted::answer;

#[tokio::test(start_paused = true)]
async fn the_error_says_what_happened_and_for_how_long() {
    for (header, wait, seconds) in [
        (None, None, None),
        (Some("30"), Some(Duration::from_secs(30)), Some(30)),
        (Some("0.4"), Some(Duration::from_millis(400)), Some(1)),
        (Some("2.1"), Some(Duration::from_millis(2_100)), Some(3)),
        (Some("99999999999999"), Some(Duration::from_secs(1 << 31)), Some(86_400)),
    ] {
        let mut upstream = answer(429, &[]);
        if let Some(header) = header {
            upstream.headers_mut().insert("retry-after", header.parse().unwrap());
        }
        let layer = FallbackLayer::fail_closed().endpoint("/users/{id}", |config| config).unwrap();
        let outcome = outcome_of(&layer, "/users/1?code=1", Ok(upstream)).await;
        let error = unavailable(&outcome);
        assert_eq!(error.class(), ErrorClass::RateLimited);
        assert_eq!(error.classification().status().unwrap(), 429);
        assert_eq!(error.retry_after(), wait, "{header:?}");
        assert_eq!(error.retry_after_seconds(), seconds, "{header:?}");
        assert!(error.source().is_none());
        assert_eq!(
            error.to_string(),
            "the upstream cannot be used, classed as rate_limited (429) at `/users/{id}`"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_it_stands_for_is_its_source_and_in_no_text() {
    let secret = TokenError::new(FetchFailure::RateLimited)
        .with_retry_after(Duration::from_secs(5))
        .with_description("sesame")
        .with_source("sesame");
    let outcome =
        outcome_of(&FallbackLayer::fail_closed(), "/", Err(Wrapper(secret.into()).into())).await;
    let error = unavailable(&outcome);
    assert_eq!(error.retry_after_seconds(), Some(5));
    assert_eq!(error.endpoint(), None);
    assert_eq!(find::<TokenError>(error).unwrap().failure(), FetchFailure::RateLimited);
    assert!(!format!("{error} {error:?}").contains("sesame"));
    assert_eq!(error.clone().to_string(), error.to_string());
}

#[tokio::test(start_paused = true)]
async fn it_has_the_class_of_what_it_stands_for() {
    for (error, class) in [
        (io_error(io::ErrorKind::ConnectionRefused), ErrorClass::Connect),
        (TokenError::new(FetchFailure::Rejected).into(), ErrorClass::TokenUnavailable),
    ] {
        let outcome = outcome_of(&FallbackLayer::fail_closed(), "/", Err(error)).await;
        let found = Classification::of_error(unavailable(&outcome)).unwrap();
        assert_eq!(found.class(), class);
        let again =
            outcome_of(&FallbackLayer::fail_closed(), "/", Err(outcome.map(drop).unwrap_err()))
                .await;
        assert_eq!(unavailable(&again).class(), class);
    }
}
