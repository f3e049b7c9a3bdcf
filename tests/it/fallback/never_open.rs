//! Whatever comes, however it is classed and wrapped: a failure that has to do with credentials neither fails open nor passes through
//! where failing is closed.

use std::{
    error::Error,
    io::{self, ErrorKind},
    sync::Arc,
};

use http::{Response, StatusCode};
use proptest::{
    collection::vec,
    option::{of, weighted},
    prelude::*,
    sample::select,
};
use tower_heed::{
    BoxError, ErrorClassifyLayer, FallbackLayer,
    classify::{Classification, ErrorClass, ErrorClass as Class, Preset, ResponseHead},
    error::{TokenError, TokenErrorKind},
};

use super::{Ended, Wrapper, as_error, ended, outcome_of};
use crate::support::{
    probe::{Body, ProbeError},
    scripted::response,
};

const CLASSES: [Class; 10] = [
    Class::RateLimited,
    Class::Unauthenticated,
    Class::Forbidden,
    Class::Timeout,
    Class::Unavailable,
    Class::Connect,
    Class::Interrupted,
    Class::Rejected,
    Class::Throttled,
    Class::TokenUnavailable,
];

/// Those that an open layer is open to.
const OUT: [Class; 7] = [
    Class::RateLimited,
    Class::Timeout,
    Class::Unavailable,
    Class::Connect,
    Class::Interrupted,
    Class::Throttled,
    Class::TokenUnavailable,
];

const STATUSES: [u16; 18] =
    [200, 302, 400, 401, 403, 404, 407, 408, 420, 422, 425, 429, 500, 502, 503, 504, 511, 599];

const HEADERS: [(&str, &str); 7] = [
    ("retry-after", "30"),
    ("x-ratelimit-remaining", "0"),
    ("x-ratelimit-limit", "60"),
    ("x-amzn-errortype", "ThrottlingException"),
    ("www-authenticate", "Bearer error=\"invalid_token\""),
    ("www-authenticate", "Basic realm=\"api\""),
    ("date", "Tue, 01 Jan 2030 00:00:00 GMT"),
];

const KINDS: [ErrorKind; 6] = [
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::TimedOut,
    ErrorKind::UnexpectedEof,
    ErrorKind::PermissionDenied,
    ErrorKind::Other,
];

const FAILURES: [TokenErrorKind; 5] = [
    TokenErrorKind::RateLimited,
    TokenErrorKind::Unavailable,
    TokenErrorKind::Timeout,
    TokenErrorKind::Rejected,
    TokenErrorKind::Malformed,
];

type Head = (u16, Vec<(&'static str, &'static str)>);

/// An error, as it is built.
#[derive(Clone, Debug)]
enum Failure {
    Io(ErrorKind),
    Unknown,
    Response(Head),
    Token(TokenErrorKind, Option<u16>, Option<Box<Self>>),
    Wrapped(Box<Self>),
    InIo(ErrorKind, Box<Self>),
    Closed(Box<Self>),
    /// One of ours in a box of its own, in an error around it.
    InBox(ErrorKind, Head),
    Shared(Box<Self>),
}

/// Who reads the responses.
#[derive(Clone, Copy, Debug)]
enum Reader {
    Preset(Preset),
    /// One that calls every failure the same.
    Always(Class),
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![4 => select(&STATUSES[..]), 1 => 100..=999_u16]
}

fn head() -> impl Strategy<Value = Head> {
    (status(), vec(select(&HEADERS[..]), 0..3))
}

fn failure() -> impl Strategy<Value = Failure> {
    let leaf = prop_oneof![
        3 => select(&KINDS[..]).prop_map(Failure::Io),
        1 => Just(Failure::Unknown),
        4 => head().prop_map(Failure::Response),
        2 => (select(&KINDS[..]), head()).prop_map(|(kind, head)| Failure::InBox(kind, head)),
        4 => (select(&FAILURES[..]), of(status())).prop_map(|(failure, status)| {
            Failure::Token(failure, status, None)
        }),
    ];
    leaf.prop_recursive(4, 6, 1, |inner| {
        let inner = inner.prop_map(Box::new);
        prop_oneof![
            inner.clone().prop_map(Failure::Wrapped),
            inner.clone().prop_map(Failure::Closed),
            inner.clone().prop_map(Failure::Shared),
            (select(&KINDS[..]), inner.clone())
                .prop_map(|(kind, below)| Failure::InIo(kind, below)),
            (select(&FAILURES[..]), of(status()), inner).prop_map(|(failure, status, below)| {
                Failure::Token(failure, status, Some(below))
            }),
        ]
    })
}

fn reader() -> impl Strategy<Value = Reader> {
    let presets = [Preset::Standard, Preset::Auth0, Preset::Clerk, Preset::Okta, Preset::GitHub];
    prop_oneof![
        2 => select(presets.to_vec()).prop_map(Reader::Preset),
        1 => select(&CLASSES[..]).prop_map(Reader::Always),
    ]
}

// === what it is built into ===

fn response_of((status, headers): &Head) -> Response<Body> {
    response(*status, headers)
}

async fn build(failure: &Failure) -> BoxError {
    match failure {
        Failure::Io(kind) => io::Error::from(*kind).into(),
        Failure::Unknown => ProbeError("unknown").into(),
        Failure::Response(head) if is_success(head.0) => ProbeError("unknown").into(),
        Failure::Response(head) => as_error(response_of(head)).await,
        Failure::Token(failure, status, below) => {
            let mut error = TokenError::new(*failure);
            if let Some(status) = status {
                error = error.with_status(StatusCode::from_u16(*status).unwrap());
            }
            if let Some(below) = below {
                error = error.with_source(Box::pin(build(below)).await);
            }
            error.into()
        }
        Failure::Wrapped(below) => Wrapper(Box::pin(build(below)).await).into(),
        Failure::InIo(kind, below) => io::Error::new(*kind, Box::pin(build(below)).await).into(),
        Failure::InBox(_, head) if is_success(head.0) => ProbeError("unknown").into(),
        Failure::InBox(kind, head) => {
            let error = as_error(response_of(head)).await.downcast::<tower_heed::Error>().unwrap();
            io::Error::new(*kind, error).into()
        }
        Failure::Shared(below) => {
            let shared: Arc<dyn Error + Send + Sync> = Box::pin(build(below)).await.into();
            Box::new(shared)
        }
        Failure::Closed(below) => {
            let error = Box::pin(build(below)).await;
            outcome_of(&FallbackLayer::fail_closed(), "/", Err(error)).await.map(drop).unwrap_err()
        }
    }
}

fn layer(reader: Reader) -> FallbackLayer {
    reads(FallbackLayer::fail_open(|_| Response::new("come in")), reader)
}

fn reads(layer: FallbackLayer, reader: Reader) -> FallbackLayer {
    match reader {
        Reader::Preset(preset) => layer.classifier(preset),
        Reader::Always(class) => layer.classifier(move |response: &ResponseHead<'_>| {
            (!is_success(response.status().as_u16())).then_some(class)
        }),
    }
}

// === what is known of it from outside ===

fn is_success(status: u16) -> bool {
    status < 400
}

/// Whether a client can cause this status by its request.
fn is_about_request(status: u16) -> bool {
    matches!(status, 408 | 425 | 501 | 505)
}

fn names_credentials(status: u16) -> bool {
    matches!(status, 401 | 403 | 407 | 440 | 498 | 511 | 561)
}

fn is_denial((status, headers): &Head) -> bool {
    let challenged = headers.iter().any(|(name, _)| *name == "www-authenticate");
    names_credentials(*status) || (challenged && *status != 429)
}

/// Whether the error, or one below it, has to do with credentials.
fn has_denial(failure: &Failure) -> bool {
    match failure {
        Failure::Io(_) | Failure::Unknown => false,
        Failure::Response(head) | Failure::InBox(_, head) => !is_success(head.0) && is_denial(head),
        Failure::Token(TokenErrorKind::Rejected | TokenErrorKind::Malformed, ..) => true,
        Failure::Token(_, status, below) => {
            status.is_some_and(names_credentials) || below.as_deref().is_some_and(has_denial)
        }
        Failure::Wrapped(below)
        | Failure::InIo(_, below)
        | Failure::Shared(below)
        | Failure::Closed(below) => has_denial(below),
    }
}

/// Whether a response in it is one that a client can cause.
fn has_status_about_request(failure: &Failure) -> bool {
    match failure {
        Failure::Io(_) | Failure::Unknown => false,
        Failure::Response((status, _)) | Failure::InBox(_, (status, _)) => {
            is_about_request(*status)
        }
        Failure::Token(_, _, below) => below.as_deref().is_some_and(has_status_about_request),
        Failure::Wrapped(below)
        | Failure::InIo(_, below)
        | Failure::Shared(below)
        | Failure::Closed(below) => has_status_about_request(below),
    }
}

/// Whether the layer's own reader treats a response in it as a denial, and so may fail closed.
fn is_read_as_denial(failure: &Failure, reader: Reader) -> bool {
    match failure {
        Failure::Io(_) | Failure::Unknown => false,
        Failure::Response((status, headers)) | Failure::InBox(_, (status, headers)) => {
            let read = match reader {
                Reader::Always(class) => Some(class),
                Reader::Preset(preset) => {
                    let response = response_of(&(*status, headers.clone()));
                    let now = std::time::UNIX_EPOCH;
                    Classification::of_response(&preset, response.status(), response.headers(), now)
                        .map(|found| found.class())
                }
            };
            matches!(read, Some(Class::Unauthenticated | Class::Forbidden))
        }
        Failure::Token(_, _, below) => {
            below.as_deref().is_some_and(|below| is_read_as_denial(below, reader))
        }
        Failure::Wrapped(below)
        | Failure::InIo(_, below)
        | Failure::Shared(below)
        | Failure::Closed(below) => is_read_as_denial(below, reader),
    }
}

/// Whether a token could not be had because of an error that may be of unknown meaning.
fn has_source_of_its_own(failure: &Failure) -> bool {
    match failure {
        Failure::Io(_) | Failure::Unknown | Failure::Response(_) | Failure::InBox(..) => false,
        Failure::Token(_, _, below) => below.is_some(),
        Failure::Wrapped(below)
        | Failure::InIo(_, below)
        | Failure::Shared(below)
        | Failure::Closed(below) => has_source_of_its_own(below),
    }
}

fn run<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_response_about_credentials_fails_open(
        head in head(),
        left in weighted(0.5, select(&CLASSES[..])),
        reader in reader(),
        inside in any::<bool>(),
    ) {
        let mut upstream = response_of(&head);
        if let Some(class) = left {
            upstream.extensions_mut().insert(Classification::of_class(class));
        } else if inside {
            // As `ErrorClassifyLayer` reads it.
            let standard = Classification::of_response(
                &Preset::Standard, upstream.status(), upstream.headers(), std::time::UNIX_EPOCH,
            );
            if let Some(standard) = standard {
                upstream.extensions_mut().insert(standard);
            }
        }
        let meant = upstream.extensions().get::<Classification>().map(Classification::class);
        let read = match reader {
            Reader::Always(class) => (!is_success(head.0)).then_some(class),
            Reader::Preset(preset) => Classification::of_response(
                &preset, upstream.status(), upstream.headers(), std::time::UNIX_EPOCH,
            ).map(|found| found.class()),
        };
        let read = if head.0 == 429 && read == Some(Class::Unauthenticated) { Some(Class::RateLimited) } else { read };
        let denies = |class: Option<ErrorClass>| matches!(class, Some(Class::Unauthenticated | Class::Forbidden));
        let denied = is_denial(&head) || denies(meant) || denies(read);

        let closed = reads(FallbackLayer::fail_closed(), reader);
        let closed = run(outcome_of(&closed, "/", Ok(upstream.clone())));
        prop_assert!(ended(&closed) != Ended::Open);
        if matches!(head.0, 401 | 407 | 429 | 511) {
            prop_assert_eq!(ended(&closed), Ended::Closed);
        }

        let outcome = run(outcome_of(&layer(reader), "/", Ok(upstream)));
        if denied {
            prop_assert_eq!(ended(&outcome), Ended::Passed);
        } else {
            // The negative: everything else that is open by default is open.
            let class = meant.or(read);
            let is_clients = matches!(class, Some(Class::Unavailable | Class::Timeout | Class::Connect | Class::Interrupted))
                && is_about_request(head.0)
                // gRPC's `DEADLINE_EXCEEDED`.
                || class == Some(Class::Timeout) && head.0 == 200;
            let open = !is_clients && class.is_some_and(|class| OUT.contains(&class));
            prop_assert_eq!(ended(&outcome), if open { Ended::Open } else { Ended::Passed });
        }
    }

    #[test]
    fn no_error_about_credentials_fails_open(failure in failure(), reader in reader()) {
        let (meant, outcome) = run(async {
            let error = build(&failure).await;
            let meant = Classification::of_error(error.as_ref()).map(|found| found.class());
            (meant, outcome_of(&layer(reader), "/", Err(error)).await)
        });
        if has_denial(&failure) {
            let expected = if is_closed(&failure) { Ended::Closed } else { Ended::Passed };
            prop_assert_eq!(ended(&outcome), expected);
        } else if !has_source_of_its_own(&failure)
            && !is_read_as_denial(&failure, reader)
            && !has_status_about_request(&failure)
        {
            // The negative.
            let open = meant.is_some_and(|class| OUT.contains(&class));
            let expected = if open { Ended::Open } else { Ended::Passed };
            prop_assert!(ended(&outcome) == expected || (!open && is_closed(&failure)));
        }
    }
}

/// A layer that fails closed inside has made an error of it, which passes.
fn is_closed(failure: &Failure) -> bool {
    let Failure::Closed(below) = failure else { return false };
    run(async {
        let error = build(below).await;
        ended(&outcome_of(&FallbackLayer::fail_closed(), "/", Err(error)).await) == Ended::Closed
    })
}

/// As a response it is one to this layer, so it is as the error that a layer inside has made of it.
#[tokio::test(start_paused = true)]
async fn an_error_made_of_a_response_is_classified_by_the_layers_own_classifier_too() {
    let reader = Reader::Always(Class::Unauthenticated);
    let error = build(&Failure::Response((503, Vec::new()))).await;
    assert_eq!(ended(&outcome_of(&layer(reader), "/", Err(error)).await), Ended::Passed);
    let reader = Reader::Always(Class::Unavailable);
    let error = build(&Failure::Response((503, Vec::new()))).await;
    assert_eq!(ended(&outcome_of(&layer(reader), "/", Err(error)).await), Ended::Open);
}

/// A user on the last request of a limit is denied with a 403 that looks like a limit, also to `ErrorClassifyLayer`.
#[tokio::test(start_paused = true)]
async fn a_forbidden_request_is_not_let_in_because_a_limit_is_used_up() {
    let forbidden = || response(403, &[("x-ratelimit-remaining", "0"), ("retry-after", "30")]);
    let open = FallbackLayer::fail_open(|_| Response::new("come in"));
    let outcome = outcome_of(&open, "/", Ok(forbidden())).await;
    assert_eq!((ended(&outcome), outcome.unwrap().status().as_u16()), (Ended::Passed, 403));

    let layers = |response: Response<Body>| {
        use tower::{Layer, ServiceExt};
        let http = crate::support::scripted::scripted(move |_| response.clone());
        open.layer(ErrorClassifyLayer::new().layer(http))
            .oneshot(crate::support::scripted::get("/"))
    };
    let outcome = layers(forbidden()).await;
    let meant = outcome.as_ref().unwrap().extensions().get::<Classification>().unwrap().class();
    assert_eq!((ended(&outcome), meant), (Ended::Passed, Class::RateLimited));

    let lenient = open.clone().dangerously_let_in_forbidden();
    assert_eq!(ended(&outcome_of(&lenient, "/", Ok(forbidden())).await), Ended::Open);
    let unauthenticated = outcome_of(&lenient, "/", Ok(response(401, &[]))).await;
    assert_eq!(ended(&unauthenticated), Ended::Passed, "one door is not the other");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_error_of_a_source_may_be_about_credentials() {
    let open = FallbackLayer::fail_open(|_| Response::new("come in"));
    let unknown = TokenError::of_source(ProbeError("wrong password"));
    assert_eq!(unknown.kind(), TokenErrorKind::Unavailable);
    assert_eq!(ended(&outcome_of(&open, "/", Err(unknown.into())).await), Ended::Passed);
    let refused = TokenError::of_source(io::Error::from(ErrorKind::ConnectionRefused));
    assert_eq!(ended(&outcome_of(&open, "/", Err(refused.into())).await), Ended::Open);
}
