//! The error of a call that fails closed.

use std::{error::Error, io, sync::Arc, time::Duration};

use tower_heed::{
    BoxError, Error as LayerError, FallbackLayer,
    classify::{Classification, ErrorClass},
    error::find,
    error::{TokenError, TokenErrorKind},
};

use super::{Wrapper, as_error, io_error, outcome_of, unavailable};
use crate::support::scripted::response;

#[tokio::test(start_paused = true)]
async fn the_error_says_what_happened_and_for_how_long() {
    for (header, wait) in [
        (None, None),
        (Some("30"), Some(Duration::from_secs(30))),
        (Some("0.4"), Some(Duration::from_millis(400))),
        (Some("99999999999999"), Some(Duration::from_secs(1 << 31))),
    ] {
        let mut upstream = response(429, &[]);
        if let Some(header) = header {
            upstream.headers_mut().insert("retry-after", header.parse().unwrap());
        }
        let layer =
            FallbackLayer::fail_closed().endpoint("/users/{id}".parse().unwrap(), |config| config);
        let outcome = outcome_of(&layer, "/users/1?code=1", Ok(upstream)).await;
        let error = unavailable(&outcome);
        assert_eq!(error.class(), Some(ErrorClass::RateLimited));
        assert_eq!(error.status().unwrap(), 429);
        assert_eq!(error.retry_after(), wait, "{header:?}");
        assert!(error.source().is_none());
        let text = error.to_string();
        assert!(text.starts_with("the upstream is unavailable (429) at `/users/{id}`"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_original_error_is_its_source_and_the_issuers_description_is_not_in_its_text() {
    let secret = TokenError::new(TokenErrorKind::RateLimited)
        .with_retry_after(Duration::from_secs(5))
        .with_description("sesame")
        .with_source("connection reset");
    let outcome =
        outcome_of(&FallbackLayer::fail_closed(), "/", Err(Wrapper(secret.into()).into())).await;
    let error = unavailable(&outcome);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    assert_eq!(error.endpoint(), None);
    assert_eq!(find::<TokenError>(error).unwrap().kind(), TokenErrorKind::RateLimited);
    assert!(!format!("{error} {error:?}").contains("sesame"));
    assert!(error.to_string().contains("connection reset"), "{error}");
    assert_eq!(error.clone().to_string(), error.to_string());
}

#[tokio::test(start_paused = true)]
async fn it_has_the_class_of_the_original_error() {
    for (error, class) in [
        (io_error(io::ErrorKind::ConnectionRefused), ErrorClass::Connect),
        (TokenError::new(TokenErrorKind::Rejected).into(), ErrorClass::TokenUnavailable),
    ] {
        let outcome = outcome_of(&FallbackLayer::fail_closed(), "/", Err(error)).await;
        let found = Classification::of_error(unavailable(&outcome)).unwrap();
        assert_eq!(found.class(), class);
        let again =
            outcome_of(&FallbackLayer::fail_closed(), "/", Err(outcome.map(drop).unwrap_err()))
                .await;
        assert_eq!(unavailable(&again).class(), Some(class));
    }
}

/// An error that is itself a box around one of ours, as `map_err(Box::new)` makes it, or that shares it, was taken for one of
/// unknown meaning, and passed.
#[tokio::test(start_paused = true)]
async fn an_error_in_a_box_of_its_own_or_shared_is_what_is_in_it() {
    for status in [401, 429, 503] {
        let error =
            || async { as_error(response(status, &[])).await.downcast::<LayerError>().unwrap() };
        let errors: [BoxError; 4] = [
            Box::new(error().await),
            Box::new(Arc::<LayerError>::from(error().await)),
            Box::new(Arc::<dyn Error + Send + Sync>::from(error().await as BoxError)),
            Wrapper(Box::new(error().await)).into(),
        ];
        for (index, error) in errors.into_iter().enumerate() {
            let outcome = outcome_of(&FallbackLayer::fail_closed(), "/", Err(error)).await;
            let found = unavailable(&outcome);
            assert_eq!(found.status().unwrap(), status, "{index}");
            assert!(find::<LayerError>(found.source().unwrap()).is_some(), "{index}");
        }
    }
    let refused = Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
    let outcome = outcome_of(&FallbackLayer::fail_closed(), "/", Err(Box::new(refused))).await;
    assert_eq!(unavailable(&outcome).class(), Some(ErrorClass::Connect));
}
