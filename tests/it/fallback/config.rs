//! Settings that would let someone in, or that have nothing to answer with, are refused at their line.

use http::Response;
use tower_heed::{FallbackLayer, classify::ErrorClass};

fn open() -> FallbackLayer {
    FallbackLayer::fail_open(|_| Response::new(""))
}

#[test]
fn the_doors_are_opened_by_their_own_methods_alone() {
    for (class, method) in [
        (ErrorClass::Unauthenticated, "dangerously_let_in_unauthenticated"),
        (ErrorClass::Forbidden, "dangerously_let_in_forbidden"),
    ] {
        let error = open().fail_open_on(class).unwrap_err();
        assert_eq!(error.what(), format!("fallback of `{class}`"));
        assert!(error.why().contains(method), "{error}");
        assert!(open().endpoint("/", |config| config.fail_open_on(class)).is_err());
        // What was allowed is forgotten with the rest.
        let forgotten = open().endpoint("/", |config| {
            config
                .dangerously_let_in_unauthenticated()
                .dangerously_let_in_forbidden()
                .fail_open(|_| Response::new(""))
                .fail_open_on(class)
        });
        assert!(forgotten.is_err());
    }
    assert!(open().dangerously_let_in_unauthenticated().is_ok());
    assert!(open().dangerously_let_in_forbidden().is_ok());
    assert!(open().fail_open_on(ErrorClass::Rejected).is_ok());
}

#[test]
fn there_has_to_be_something_to_answer_with() {
    let closed = FallbackLayer::fail_closed;
    assert!(closed().fail_open_on(ErrorClass::Timeout).is_err());
    assert!(closed().dangerously_let_in_unauthenticated().is_err());
    assert!(closed().dangerously_let_in_forbidden().is_err());
    assert!(closed().endpoint("/", |config| config.fail_open_on(ErrorClass::Timeout)).is_err());
    // The layer's own closure is there for an endpoint that is closed but for one class.
    assert!(
        open()
            .endpoint("/", |config| config.fail_closed().fail_open_on(ErrorClass::Timeout))
            .is_ok()
    );
}

#[test]
fn a_pattern_that_is_malformed_or_there_already_is_refused() {
    assert!(open().endpoint("users", |config| config).is_err());
    assert!(
        open().endpoint("/a", |config| config).unwrap().endpoint("/a", |config| config).is_err()
    );
}
