//! Classes of errors below HTTP: of `std::io`, tokio, tower, and by feature of hyper, hyper-util, h2 and reqwest.

use std::{error::Error, io};

use super::ErrorClass;
use crate::error::as_a;

/// The class of this error alone, without its sources.
pub(super) fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    if let Some(error) = as_a::<io::Error>(error) {
        return of_io(error.kind());
    }
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(ErrorClass::Timeout);
    }
    #[cfg(feature = "hyper")]
    if let Some(class) = of_hyper(error) {
        return Some(class);
    }
    #[cfg(feature = "http2")]
    if let Some(error) = as_a::<h2::Error>(error) {
        return of_h2(error);
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = as_a::<reqwest::Error>(error) {
        return of_reqwest(error);
    }
    None
}

/// Whether the server asks for calm: `ENHANCE_YOUR_CALM`, "excessive load" ([RFC 9113 section 7]).
///
/// [RFC 9113 section 7]: https://www.rfc-editor.org/rfc/rfc9113#section-7
pub(super) fn asks_for_calm(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "http2")]
    if let Some(error) = as_a::<h2::Error>(error) {
        return error.is_remote() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    }
    #[cfg(not(feature = "http2"))]
    let _ = error;
    false
}

/// Whether this is an error of the connection without its own class.
pub(super) fn is_transport(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "hyper")]
    if let Some(error) = as_a::<hyper::Error>(error) {
        // A user error is the caller's: its request body failed, or a header was wrong.
        return !error.is_user();
    }
    #[cfg(not(feature = "hyper"))]
    let _ = error;
    false
}

fn of_io(kind: io::ErrorKind) -> Option<ErrorClass> {
    use io::ErrorKind as Kind;
    match kind {
        Kind::ConnectionRefused | Kind::AddrNotAvailable => Some(ErrorClass::Connect),
        // The first three also end established connections.
        Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof => Some(ErrorClass::Interrupted),
        Kind::TimedOut => Some(ErrorClass::Timeout),
        _ => None,
    }
}

#[cfg(feature = "hyper")]
fn of_hyper(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    if let Some(error) = as_a::<hyper_util::client::legacy::Error>(error) {
        // Any failure before the connection is established, name resolution included.
        return error.is_connect().then_some(ErrorClass::Connect);
    }
    let error = as_a::<hyper::Error>(error)?;
    if error.is_timeout() {
        return Some(ErrorClass::Timeout);
    }
    // This connection was established. A router may end it with `HostUnreachable` and the like, after the request was carried out.
    if let Some(io) = error.source().and_then(<dyn Error>::downcast_ref::<io::Error>) {
        return of_io(io.kind()).map(|class| match class {
            ErrorClass::Connect => ErrorClass::Interrupted,
            class => class,
        });
    }
    let interrupted = error.is_incomplete_message()
        || error.is_canceled()
        || error.is_closed()
        || error.is_body_write_aborted();
    interrupted.then_some(ErrorClass::Interrupted)
}

#[cfg(feature = "http2")]
fn of_h2(error: &h2::Error) -> Option<ErrorClass> {
    // RFC 9113 section 8.7: after REFUSED_STREAM the request has not been processed.
    if error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM) {
        return Some(ErrorClass::Connect);
    }
    (error.is_io() || error.is_reset() || error.is_go_away()).then_some(ErrorClass::Interrupted)
}

/// What the errors below it do not say: reqwest's error of a time limit is private.
#[cfg(feature = "reqwest")]
fn of_reqwest(error: &reqwest::Error) -> Option<ErrorClass> {
    // Comes first: a timeout while connecting is both.
    if error.is_connect() {
        return Some(ErrorClass::Connect);
    }
    error.is_timeout().then_some(ErrorClass::Timeout)
}
