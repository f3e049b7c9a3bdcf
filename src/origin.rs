//! The server that an address names.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use http::{Uri, uri::Scheme};

/// Scheme, host and effective port of an `http` or `https` address
/// ([RFC 6454 §4](https://www.rfc-editor.org/rfc/rfc6454#section-4)). Two are equal however their hosts are spelled, and whether or
/// not they name the usual port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    https: bool,
    host: &'a str,
    port: u16,
}

// === impl Origin ===

impl<'a> Origin<'a> {
    pub(crate) const fn new(https: bool, host: &'a str, port: u16) -> Self {
        Self { https, host, port }
    }

    /// That of an address; none if it names no `http` or `https` server.
    pub(crate) fn of(uri: &'a Uri) -> Option<Self> {
        let scheme = uri.scheme()?;
        let usual = usual_port(scheme.as_str())?;
        let host = uri.host().filter(|host| !host.is_empty())?;
        let after_user = uri.authority()?.as_str().rsplit('@').next()?;
        let port = match after_user.strip_prefix(host)? {
            "" | ":" => usual,
            // What is no port is not the usual one: clients differ in what they make of it.
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        Some(Self { https: *scheme == Scheme::HTTPS, host, port })
    }

    pub(crate) const fn is_https(self) -> bool {
        self.https
    }

    pub(crate) const fn host(self) -> &'a str {
        self.host
    }

    pub(crate) const fn port(self) -> u16 {
        self.port
    }

    /// Whether what is sent there cannot be read on the network: it is encrypted, or does not leave the machine.
    pub(crate) fn is_confidential(self) -> bool {
        self.https || is_loopback(self.host)
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.https == other.https
            && self.port == other.port
            && self.host.eq_ignore_ascii_case(other.host)
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// The port of an address that names none.
pub(crate) fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// Whether a host is this machine itself.
fn is_loopback(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback()),
        None => host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback()),
    }
}
