//! Classes of errors below HTTP: of `std::io`, tokio, tower, and by feature of hyper, hyper-util, h2, reqwest and tower-http.

use std::{error::Error, io};

use super::ErrorClass;
use crate::error::as_a;

/// What an error of the transport means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) class: ErrorClass,
    pub(super) resend: Resend,
}

/// When a request that failed may be sent once more, as far as the error tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "http2"),
    allow(dead_code, reason = "some are said by the errors of HTTP clients alone")
)]
pub(crate) enum Resend {
    /// After the backoff of its class.
    #[default]
    Later,
    /// Once without a wait: the connection was closed, as a pooled one may be at any time, or the server refused one stream.
    Once,
    /// Without a wait, on the next connection: the server is about to close this one, and did not process the request.
    OnNextConnection,
    /// Never: it would fail in the same way.
    Never,
}

// === impl Resend ===

impl Resend {
    /// Whether it was the connection that failed, while another may do well.
    pub(crate) const fn is_on_another_connection(self) -> bool {
        matches!(self, Self::Once | Self::OnNextConnection)
    }
}

// === impl Verdict ===

impl Verdict {
    const fn new(class: ErrorClass, resend: Resend) -> Self {
        Self { class, resend }
    }

    const fn later(class: ErrorClass) -> Self {
        Self::new(class, Resend::Later)
    }
}

/// Whether the caller's own request failed, and not the server or the way to it: its body broke off, or the client does not accept it.
/// What is below such an error belongs to the caller's side as well.
pub(super) fn is_callers_own(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "hyper")]
    if let Some(error) = as_a::<hyper::Error>(error) {
        return error.is_user() || is_reset_by_us(error);
    }
    #[cfg(feature = "http2")]
    if let Some(error) = as_a::<h2::Error>(error) {
        return is_ours(error);
    }
    let _ = error;
    false
}

/// The meaning of this error alone, without its sources.
pub(super) fn verdict(error: &(dyn Error + 'static)) -> Option<Verdict> {
    if let Some(error) = as_a::<io::Error>(error) {
        return of_io(error.kind());
    }
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(Verdict::later(ErrorClass::Timeout));
    }
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some(Verdict::later(ErrorClass::Throttled));
    }
    #[cfg(feature = "tower-http")]
    if error.is::<tower_http::timeout::TimeoutError>() {
        return Some(Verdict::later(ErrorClass::Timeout));
    }
    #[cfg(feature = "hyper")]
    if let Some(verdict) = of_hyper(error) {
        return Some(verdict);
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

/// Whether this is an error of the connection without its own class.
pub(super) fn is_transport(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "hyper")]
    if as_a::<hyper::Error>(error).is_some() {
        return true;
    }
    #[cfg(not(feature = "hyper"))]
    let _ = error;
    false
}

fn of_io(kind: io::ErrorKind) -> Option<Verdict> {
    use io::ErrorKind as Kind;
    Some(match kind {
        Kind::ConnectionRefused | Kind::AddrNotAvailable => Verdict::later(ErrorClass::Connect),
        // They also end established connections.
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            Verdict::later(ErrorClass::Interrupted)
        }
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof => Verdict::new(ErrorClass::Interrupted, Resend::Once),
        Kind::TimedOut => Verdict::later(ErrorClass::Timeout),
        _ => return None,
    })
}

#[cfg(feature = "hyper")]
fn of_hyper(error: &(dyn Error + 'static)) -> Option<Verdict> {
    if let Some(error) = as_a::<hyper_util::client::legacy::Error>(error) {
        // Any failure before the connection is established, name resolution included.
        let resend = if never_connects(error) { Resend::Never } else { Resend::Later };
        return error.is_connect().then_some(Verdict::new(ErrorClass::Connect, resend));
    }
    let error = as_a::<hyper::Error>(error)?;
    if error.is_timeout() {
        return Some(Verdict::later(ErrorClass::Timeout));
    }
    // No HTTP, or more header fields than hyper takes.
    if error.is_parse() {
        return Some(Verdict::new(ErrorClass::Interrupted, Resend::Never));
    }
    // The connection was closed before the request was written.
    if error.is_canceled() || error.is_closed() {
        return Some(Verdict::new(ErrorClass::Connect, Resend::Once));
    }
    // This connection was established. A router may end it with `HostUnreachable` and the like, after the request was carried out.
    if let Some(io) = error.source().and_then(<dyn Error>::downcast_ref::<io::Error>) {
        if io.kind() == io::ErrorKind::InvalidData {
            return Some(Verdict::new(ErrorClass::Interrupted, Resend::Never));
        }
        return of_io(io.kind()).map(|found| match found.class {
            ErrorClass::Connect => Verdict { class: ErrorClass::Interrupted, ..found },
            _ => found,
        });
    }
    let incomplete = Verdict::new(ErrorClass::Interrupted, Resend::Once);
    error.is_incomplete_message().then_some(incomplete)
}

/// Whether no further attempt can connect: the address is not one for this connector, or TLS was refused.
#[cfg(feature = "hyper")]
fn never_connects(error: &(dyn Error + 'static)) -> bool {
    crate::error::chain(error).any(|link| {
        if let Some(error) = as_a::<io::Error>(link) {
            // rustls through tokio: a certificate that is not trusted, an alert, no TLS at all.
            if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) {
                return true;
            }
        }
        // The types of these errors of hyper-util and hyper-rustls are private.
        let is_last = link.source().is_none();
        is_last && {
            let text = link.to_string();
            ["invalid URL, ", "unsupported scheme", "missing scheme"]
                .iter()
                .any(|start| text.starts_with(start))
        }
    })
}

/// Whether hyper's client reset an HTTP/2 stream, which it does if the request's body fails.
#[cfg(feature = "http2")]
fn is_reset_by_us(error: &hyper::Error) -> bool {
    error.source().and_then(as_a::<h2::Error>).is_some_and(is_ours)
}

/// Whether hyper's client reset an HTTP/2 stream, which it does if the request's body fails. Without the feature `http2` the type of
/// the error is not known here, and its text has to do.
#[cfg(all(feature = "hyper", not(feature = "http2")))]
fn is_reset_by_us(error: &hyper::Error) -> bool {
    error.source().is_some_and(|source| {
        let text = source.to_string();
        text.starts_with("stream error sent by user") || text.starts_with("user error")
    })
}

/// Whether this side reset the stream or misused the connection.
#[cfg(feature = "http2")]
fn is_ours(error: &h2::Error) -> bool {
    let is_elses = error.is_remote() || error.is_library() || error.is_io();
    !is_elses && (error.is_reset() || error.is_go_away() || error.reason().is_none())
}

#[cfg(feature = "http2")]
fn of_h2(error: &h2::Error) -> Option<Verdict> {
    use h2::Reason;

    if error.is_io() {
        return Some(Verdict::new(ErrorClass::Interrupted, Resend::Once));
    }
    if error.is_library() {
        // What the server sent on this stream is no HTTP/2, or more header fields than h2 takes.
        let resend = if error.is_reset() { Resend::Never } else { Resend::Later };
        return Some(Verdict::new(ErrorClass::Interrupted, resend));
    }
    if !error.is_remote() {
        return None;
    }
    Some(match error.reason() {
        // "Excessive load": RFC 9113 section 7.
        Some(Reason::ENHANCE_YOUR_CALM) => Verdict::later(ErrorClass::RateLimited),
        Some(Reason::HTTP_1_1_REQUIRED | Reason::INADEQUATE_SECURITY) => {
            Verdict::new(ErrorClass::Interrupted, Resend::Never)
        }
        // RFC 9113 section 8.7: the request has not been processed.
        Some(Reason::REFUSED_STREAM) => Verdict::new(ErrorClass::Connect, Resend::Once),
        // The same section. h2 reports a GOAWAY only to requests above its last stream, and to those that are not sent yet.
        _ if error.is_go_away() => Verdict::new(ErrorClass::Connect, Resend::OnNextConnection),
        _ => Verdict::later(ErrorClass::Interrupted),
    })
}

/// What the errors below it do not say: reqwest's error of a time limit is private.
#[cfg(feature = "reqwest")]
fn of_reqwest(error: &reqwest::Error) -> Option<Verdict> {
    // A timeout while connecting is both, and the error below says that it is about connecting.
    let in_time = error.is_connect() || !error.is_timeout();
    (!in_time).then_some(Verdict::later(ErrorClass::Timeout))
}
