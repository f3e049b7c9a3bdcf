//! Every class, in each way to fail, with each override of an endpoint.

use http::Response;
use tower_heed::{
    BoxError, FallbackLayer,
    classify::{ErrorClass, ErrorClass as Class, ResponseHead},
    error::{TokenError, TokenErrorKind},
    extensions::Degraded,
    fallback::FallbackConfig,
};

use super::{
    Ended::{self, Closed, Open, Passed},
    Wrapper, as_error, as_error_by, classed, ended, io_error, outcome_of, text, unavailable,
};
use crate::support::{
    probe::{Body, ProbeError},
    scripted::response,
};

/// The class, and what becomes of it where failing is open and where it is closed.
const DEFAULTS: [(Class, Ended, Ended); 10] = [
    (Class::RateLimited, Open, Closed),
    (Class::Timeout, Open, Closed),
    (Class::Unavailable, Open, Closed),
    (Class::Connect, Open, Closed),
    (Class::Interrupted, Open, Closed),
    (Class::Throttled, Open, Closed),
    (Class::TokenUnavailable, Open, Closed),
    (Class::Unauthenticated, Passed, Closed),
    (Class::Forbidden, Passed, Passed),
    (Class::Rejected, Passed, Passed),
];

/// The settings of an endpoint. None leaves those of the layer.
type Override = fn(FallbackConfig, Class) -> Option<FallbackConfig>;

/// What becomes of a class that is so in an open and so in a closed layer, and whether the layer is open.
type Expected = fn(Class, Ended, Ended, bool) -> Ended;

#[rustfmt::skip]
const OVERRIDES: [(&str, Override, Expected); 7] = [
    ("none", |_, _| None, |_, open, closed, is_open| if is_open { open } else { closed }),
    ("fail_open", |config, _| Some(config.fail_open(|_| Response::new("endpoint"))), |_, open, _, _| open),
    ("fail_open_async", |config, _| Some(config.fail_open_async(async |_| Response::new("endpoint"))), |_, open, _, _| open),
    ("fail_closed", |config, _| Some(config.fail_closed()), |_, _, closed, _| closed),
    ("pass_through", |config, _| Some(config.pass_through()), |_, _, _, _| Passed),
    ("fail_closed_on", |config, class| Some(config.fail_closed_on(class)), |_, _, _, _| Closed),
    ("pass_through_on", |config, class| Some(config.pass_through_on(class)), |_, _, _, _| Passed),
];

#[tokio::test(start_paused = true)]
async fn every_class_in_each_mode_with_each_override() {
    for (class, open, closed) in DEFAULTS {
        for is_open in [true, false] {
            for (name, change, expected) in OVERRIDES {
                let base = if is_open {
                    FallbackLayer::fail_open(|_| Response::new("layer"))
                } else {
                    FallbackLayer::fail_closed()
                };
                // One that matches and one that does not: an override is for its own endpoint.
                let other = base
                    .clone()
                    .endpoint("GET /other".parse().unwrap(), FallbackConfig::pass_through);
                let layer = other.endpoint("GET /users/{id}".parse().unwrap(), |config| {
                    change(config.clone(), class).unwrap_or(config)
                });
                let expected = expected(class, open, closed, is_open);

                let upstream = || Ok(classed(500, class));
                let outcome = outcome_of(&layer, "/users/1", upstream()).await;
                let row = format!("{class}, open: {is_open}, override {name}");
                assert_eq!(ended(&outcome), expected, "{row}");
                match expected {
                    Open => {
                        let mark =
                            *outcome.as_ref().unwrap().extensions().get::<Degraded>().unwrap();
                        assert_eq!(mark.class(), class, "{row}");
                        let by = if name.starts_with("fail_open") { "endpoint" } else { "layer" };
                        assert_eq!(text(outcome).await, by, "{row}");
                    }
                    Closed => {
                        assert_eq!(unavailable(&outcome).class(), Some(class), "{row}");
                        assert_eq!(unavailable(&outcome).endpoint(), Some("GET /users/{id}"));
                    }
                    Passed => assert_eq!(outcome.unwrap().status(), 500, "{row}"),
                }

                let outcome = outcome_of(&layer, "/other", upstream()).await;
                assert_eq!(ended(&outcome), Passed, "{row}");
                let default = if is_open { open } else { closed };
                let outcome = outcome_of(&layer, "/elsewhere", upstream()).await;
                assert_eq!(ended(&outcome), default, "{row}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_can_be_opened_for_an_endpoint() {
    for (class, ..) in DEFAULTS {
        let layer = FallbackLayer::fail_open(|_| Response::new("layer"));
        let opened = layer.endpoint("/users/{id}".parse().unwrap(), |config| match class {
            Class::Unauthenticated => config.fail_closed().dangerously_let_in_unauthenticated(),
            Class::Forbidden => config.fail_closed().dangerously_let_in_forbidden(),
            class => config.fail_closed().fail_open_on(class),
        });
        for (other, _, closed) in DEFAULTS {
            let expected = if other == class { Open } else { closed };
            let outcome = outcome_of(&opened, "/users/1", Ok(classed(500, other))).await;
            assert_eq!(ended(&outcome), expected, "{class} opened, {other} came");
        }
    }
}

/// What an upstream really does, in words, and the class that it has.
async fn failures() -> Vec<(&'static str, Result<Response<Body>, BoxError>, ErrorClass)> {
    use std::io::ErrorKind as Kind;
    let token = |failure| Err(TokenError::new(failure).into());
    vec![
        ("429", Ok(response(429, &[("retry-after", "30")])), Class::RateLimited),
        ("504", Ok(response(504, &[])), Class::Timeout),
        ("500", Ok(response(500, &[])), Class::Unavailable),
        ("503", Ok(response(503, &[])), Class::Unavailable),
        ("401", Ok(response(401, &[])), Class::Unauthenticated),
        ("403", Ok(response(403, &[])), Class::Forbidden),
        ("404", Ok(response(404, &[])), Class::Rejected),
        ("429 as an error", Err(as_error(response(429, &[])).await), Class::RateLimited),
        ("502 as an error", Err(as_error(response(502, &[])).await), Class::Unavailable),
        ("401 as an error", Err(as_error(response(401, &[])).await), Class::Unauthenticated),
        ("403 as an error", Err(as_error(response(403, &[])).await), Class::Forbidden),
        ("422 as an error", Err(as_error(response(422, &[])).await), Class::Rejected),
        ("refused connection", Err(io_error(Kind::ConnectionRefused)), Class::Connect),
        ("reset connection", Err(io_error(Kind::ConnectionReset)), Class::Interrupted),
        ("wrapped", Err(Wrapper(io_error(Kind::ConnectionReset)).into()), Class::Interrupted),
        ("timed out", Err(io_error(Kind::TimedOut)), Class::Timeout),
        ("issuer limits", token(TokenErrorKind::RateLimited), Class::TokenUnavailable),
        ("issuer out", token(TokenErrorKind::Unavailable), Class::TokenUnavailable),
        ("issuer hangs", token(TokenErrorKind::Timeout), Class::TokenUnavailable),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_upstreams_do() {
    let open = FallbackLayer::fail_open(|_| Response::new(""));
    let closed = FallbackLayer::fail_closed();
    for (name, outcome, class) in failures().await {
        let expected = DEFAULTS.iter().find(|row| row.0 == class).unwrap().1;
        assert_eq!(ended(&outcome_of(&open, "/", outcome).await), expected, "{name}, open");
    }
    for (name, outcome, class) in failures().await {
        let expected = DEFAULTS.iter().find(|row| row.0 == class).unwrap().2;
        let outcome = outcome_of(&closed, "/", outcome).await;
        assert_eq!(ended(&outcome), expected, "{name}, closed");
        if expected == Closed {
            assert_eq!(unavailable(&outcome).class(), Some(class), "{name}");
        }
    }
}

/// A client causes them by its method, its version, early data, or by being slow.
#[tokio::test(start_paused = true)]
async fn what_a_client_can_cause_by_its_request_never_fails_open() {
    for status in [408, 425, 501, 505] {
        let open = FallbackLayer::fail_open(|_| Response::new("open"));
        let outcome = outcome_of(&open, "/", Ok(response(status, &[]))).await;
        assert_eq!(ended(&outcome), Passed, "{status}");
        assert_eq!(outcome.unwrap().status(), status);
        let outcome = outcome_of(&open, "/", Err(as_error(response(status, &[])).await)).await;
        assert_eq!(ended(&outcome), Passed, "{status} as an error");
        let closed = FallbackLayer::fail_closed();
        let outcome = outcome_of(&closed, "/", Ok(response(status, &[]))).await;
        assert_eq!(ended(&outcome), Closed, "{status}");
    }
    // The negative: the server's own.
    for status in [500, 502, 503, 504, 506, 507] {
        let open = FallbackLayer::fail_open(|_| Response::new("open"));
        assert_eq!(ended(&outcome_of(&open, "/", Ok(response(status, &[]))).await), Open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_request_fails_closed_and_never_open() {
    for failure in [TokenErrorKind::Rejected, TokenErrorKind::Malformed] {
        let error = || Err(TokenError::new(failure).into());
        let open = FallbackLayer::fail_open(|_| Response::new(""));
        let outcome = outcome_of(&open, "/", error()).await;
        assert_eq!(ended(&outcome), Passed, "{failure:?}");
        assert!(outcome.map(drop).unwrap_err().is::<TokenError>());
        let outcome = outcome_of(&FallbackLayer::fail_closed(), "/", error()).await;
        assert_eq!(unavailable(&outcome).class(), Some(Class::TokenUnavailable));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_known_failure_passes() {
    for layer in [FallbackLayer::fail_open(|_| Response::new("")), FallbackLayer::fail_closed()] {
        for status in [200, 204, 302, 304] {
            let outcome = outcome_of(&layer, "/", Ok(response(status, &[]))).await;
            assert_eq!(outcome.unwrap().status(), status);
        }
        let outcome = outcome_of(&layer, "/", Err(ProbeError("unknown").into())).await;
        assert!(outcome.map(drop).unwrap_err().is::<ProbeError>());
    }
}

/// What an open server does whose own credentials the upstream sees: a denial is as its class is.
#[tokio::test(start_paused = true)]
async fn an_open_layer_can_be_closed_to_what_has_to_do_with_credentials() {
    let layer = FallbackLayer::fail_open(|_| Response::new(""))
        .fail_closed_on(Class::Unauthenticated)
        .fail_closed_on(Class::Forbidden);
    let limit = [("retry-after", "30")];
    for (status, expected) in
        [(401, Closed), (403, Closed), (407, Closed), (511, Closed), (404, Passed)]
    {
        let outcome = outcome_of(&layer, "/", Ok(response(status, &limit))).await;
        assert_eq!(ended(&outcome), expected, "{status}");
    }
    let token = TokenError::new(TokenErrorKind::Rejected);
    assert_eq!(ended(&outcome_of(&layer, "/", Err(token.into())).await), Closed);
    assert_eq!(ended(&outcome_of(&layer, "/", Ok(response(429, &limit))).await), Open);
}

/// The statuses that were meant for this program, and the class that says what becomes of them.
const MEANT: [(u16, Class); 5] = [
    (401, Class::Unauthenticated),
    (407, Class::Unauthenticated),
    (511, Class::Unauthenticated),
    (403, Class::Forbidden),
    (429, Class::RateLimited),
];

/// Reads every response as one thing: a failure of a class, or a success.
fn reader(read: Option<Class>) -> impl Fn(&ResponseHead<'_>) -> Option<Class> + Copy + Send + Sync {
    move |_| read
}

/// A 407 was passed on, which standards and providers alike read as `Rejected`, and so was a 401 or a 429 that a classifier
/// took for something else: to the caller each would have been a response about its own credentials or its own limit.
#[tokio::test(start_paused = true)]
async fn a_status_that_was_meant_for_us_is_closed_whatever_it_is_taken_for() {
    for (status, meant) in MEANT {
        let readings = DEFAULTS.iter().map(|(class, ..)| Some(*class)).chain([None]);
        for read in readings {
            let closed = FallbackLayer::fail_closed().classifier(reader(read));
            let layers = [
                closed.clone(),
                closed.clone().pass_through_on(meant),
                closed.clone().fail_closed_on(meant),
                FallbackLayer::fail_open(|_| Response::new(""))
                    .endpoint("/".parse().unwrap(), FallbackConfig::fail_closed)
                    .classifier(reader(read)),
                closed.endpoint("/".parse().unwrap(), |config| config.pass_through_on(meant)),
            ];
            for (index, layer) in layers.into_iter().enumerate() {
                let row = format!("{status} read as {read:?} by layer {index}");
                let is_closed = |class: Class| match index {
                    1 | 4 if class == meant => false,
                    2 if class == meant => true,
                    _ => DEFAULTS.iter().any(|row| row.0 == class && row.2 == Closed),
                };
                // No classifier can take a 429 for an authentication failure.
                let read = match (status, read) {
                    (429, Some(Class::Unauthenticated)) => Some(Class::RateLimited),
                    (_, read) => read,
                };
                let expected =
                    if is_closed(meant) || read.is_some_and(is_closed) { Closed } else { Passed };
                let wait = [("retry-after", "30")];
                let outcome = outcome_of(&layer, "/", Ok(response(status, &wait))).await;
                assert_eq!(ended(&outcome), expected, "{row}");
                if expected == Closed {
                    assert_eq!(unavailable(&outcome).status().unwrap(), status, "{row}");
                }
                let Some(class) = read else { continue };
                let outcome = outcome_of(&layer, "/", Ok(classed(status, class))).await;
                assert_eq!(ended(&outcome), expected, "left: {row}");
                let error = as_error_by(reader(read), response(status, &wait)).await;
                let outcome = outcome_of(&layer, "/", Err(Wrapper(error).into())).await;
                assert_eq!(ended(&outcome), expected, "as an error: {row}");
            }
        }
    }
}

/// The issuer's status is not the status of a response, so the table for its class applies.
#[tokio::test(start_paused = true)]
async fn the_status_of_an_issuer_is_not_that_of_a_response() {
    let layer = FallbackLayer::fail_closed().pass_through_on(Class::TokenUnavailable);
    for status in [401, 429] {
        let token = TokenError::of_source(as_error(response(status, &[])).await);
        assert_eq!(token.status().unwrap(), status);
        assert_eq!(ended(&outcome_of(&layer, "/", Err(token.into())).await), Passed, "{status}");
    }
}

/// What is opened to one of the two is not opened to the other, whichever of them a classifier says that it is.
#[tokio::test(start_paused = true)]
async fn a_door_lets_in_by_the_status_as_well() {
    let open = || FallbackLayer::fail_open(|_| Response::new(""));
    let unauthenticated = open().dangerously_let_in_unauthenticated();
    let forbidden = open().dangerously_let_in_forbidden();
    for (status, read, by_one, by_other) in [
        (401, Class::Unauthenticated, Open, Passed),
        (401, Class::Forbidden, Passed, Passed),
        (403, Class::Unauthenticated, Passed, Passed),
        (403, Class::Forbidden, Passed, Open),
        (407, Class::Unavailable, Open, Passed),
        (403, Class::Unavailable, Passed, Open),
    ] {
        for (layer, expected) in [(&unauthenticated, by_one), (&forbidden, by_other)] {
            let outcome = outcome_of(layer, "/", Ok(classed(status, read))).await;
            assert_eq!(ended(&outcome), expected, "{status} read as {read}");
        }
    }
}
