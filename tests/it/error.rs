//! What errors say: what happened, and why.

use std::{io, sync::Arc, time::Duration};

use http::StatusCode;
use tower_heed::{
    BoxError,
    error::{InvalidConfig, TokenError, TokenErrorKind, find},
};

fn rejected() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionRefused)
}

#[test]
fn a_token_error_names_its_kind_its_code_its_wait_and_its_cause() {
    let error = TokenError::new(TokenErrorKind::Rejected)
        .with_status(StatusCode::UNAUTHORIZED)
        .with_code("invalid_client")
        .with_description("sesame")
        .with_retry_after(Duration::from_secs(5))
        .with_source(rejected());
    assert_eq!(
        error.to_string(),
        "no token: the token endpoint rejected the request (401, invalid_client), retry after 5s: \
         connection refused"
    );
    let debug = format!("{error:?}");
    assert!(debug.contains("connection refused") && !debug.contains("sesame"), "{debug}");
}

#[test]
fn a_cause_is_named_once_however_it_is_wrapped() {
    let text = |source: BoxError| {
        TokenError::new(TokenErrorKind::Unavailable).with_source(source).to_string()
    };
    let named = "no token: cannot reach the token endpoint: connection refused";
    assert_eq!(text(rejected().into()), named);
    assert_eq!(text(io::Error::other(rejected()).into()), named);
    assert_eq!(text(Box::new(Arc::new(rejected()))), named);
    let shared: Arc<dyn std::error::Error + Send + Sync> = Arc::new(rejected());
    assert_eq!(text(Box::new(shared)), named);
    // An error that names its own causes is the last one that is written.
    let below = TokenError::new(TokenErrorKind::Timeout).with_source(rejected());
    let below = [BoxError::from(below.clone()), Box::new(Arc::new(below))];
    for below in below {
        assert_eq!(
            text(below),
            "no token: cannot reach the token endpoint: no token: none arrived in time: \
         connection refused"
        );
    }
}

#[test]
fn an_error_is_found_through_wrapping() {
    let error = || InvalidConfig::new("limit", "zero");
    let wrapped: [BoxError; 4] = [
        error().into(),
        io::Error::other(error()).into(),
        Box::new(Arc::new(error())),
        TokenError::new(TokenErrorKind::Malformed).with_source(error()).into(),
    ];
    for wrapped in wrapped {
        assert_eq!(find::<InvalidConfig>(&*wrapped), Some(&error()));
        assert!(find::<std::fmt::Error>(&*wrapped).is_none());
    }
}
