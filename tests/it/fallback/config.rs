//! Settings that would let callers in need a method that names the risk, and a closure.

use http::Response;
use tower_heed::{FallbackLayer, classify::ErrorClass, fallback::FallbackConfig};

use super::{
    Ended::{self, Closed, Open, Passed},
    classed, ended, outcome_of,
};
use crate::support::events::Events;

/// How a layer handles a response of the class `class`.
async fn handled(layer: &FallbackLayer, class: ErrorClass) -> Ended {
    ended(&outcome_of(layer, "/", Ok(classed(500, class))).await)
}

fn open() -> FallbackLayer {
    FallbackLayer::fail_open(|_| Response::new(""))
}

#[tokio::test(start_paused = true)]
async fn credentials_fail_open_only_by_the_dangerous_methods() {
    type Change = fn(FallbackConfig) -> FallbackConfig;
    let methods: [(ErrorClass, Change); 2] = [
        (ErrorClass::Unauthenticated, FallbackConfig::dangerously_let_in_unauthenticated),
        (ErrorClass::Forbidden, FallbackConfig::dangerously_let_in_forbidden),
    ];
    for (class, dangerously) in methods {
        assert_eq!(handled(&open().fail_open_on(class), class).await, Passed);
        let closed = FallbackLayer::fail_closed();
        let unchanged = handled(&closed, class).await;
        assert_eq!(handled(&closed.fail_open_on(class), class).await, unchanged);
        let endpoint = |change: Change| open().endpoint("/".parse().unwrap(), change);
        assert_eq!(handled(&endpoint(dangerously), class).await, Open);
        // A mode resets the classes.
        let reset = open().endpoint("/".parse().unwrap(), |config| {
            dangerously(config).fail_open(|_| Response::new("")).fail_open_on(class)
        });
        assert_eq!(handled(&reset, class).await, Passed);
    }
    let layer = open().fail_open_on(ErrorClass::Rejected);
    assert_eq!(handled(&layer, ErrorClass::Rejected).await, Open);
}

#[test]
fn a_setting_that_does_not_open_is_warned_of() {
    let named = |class: ErrorClass, layer: FallbackLayer, message: &str| {
        let events = Events::record();
        drop(layer.fail_open_on(class));
        let warned = events.named(message);
        warned.iter().filter(|event| event.field("class") == Some(class.as_str())).count()
    };
    let credentials = "setting without effect: a failure of credentials does not fail open";
    let no_closure = "no closure to fail open with, the class fails closed";
    for class in [ErrorClass::Unauthenticated, ErrorClass::Forbidden] {
        assert_eq!(named(class, open(), credentials), 1);
        assert_eq!(named(class, open(), no_closure), 0);
    }
    assert_eq!(named(ErrorClass::Timeout, FallbackLayer::fail_closed(), no_closure), 1);
    assert_eq!(named(ErrorClass::Timeout, open(), no_closure), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_closure_a_class_fails_closed() {
    let closed = FallbackLayer::fail_closed;
    for (layer, class) in [
        (closed().fail_open_on(ErrorClass::Rejected), ErrorClass::Rejected),
        (closed().dangerously_let_in_unauthenticated(), ErrorClass::Unauthenticated),
        (closed().dangerously_let_in_forbidden(), ErrorClass::Forbidden),
    ] {
        assert_eq!(handled(&layer, class).await, Closed);
    }
    // The layer's own closure serves an endpoint that fails closed but for one class.
    let layer = open().endpoint("/".parse().unwrap(), |config| {
        config.fail_closed().fail_open_on(ErrorClass::Timeout)
    });
    assert_eq!(handled(&layer, ErrorClass::Timeout).await, Open);
}
