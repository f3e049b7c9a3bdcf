//! What a span says of its request.

use std::fmt;

use http::{HeaderMap, Uri, Version, header::HOST};

use crate::origin::usual_port;

const REDACTED: &str = "REDACTED";

/// The name of a span: `{method} {template}`, or the method alone.
pub(super) struct Name<'a> {
    pub(super) method: Option<&'a str>,
    pub(super) template: Option<&'a str>,
}

/// A URI without credentials and without the values of its query.
pub(super) struct FullUrl<'a>(pub(super) &'a Uri);

/// The path of an endpoint's pattern.
pub(super) fn template(pattern: Option<&str>) -> Option<&str> {
    pattern.map(|pattern| pattern.split_once(' ').map_or(pattern, |(_, path)| path))
}

/// The host that the request is for, an IPv6 address without its brackets, and the port.
pub(super) fn server<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> (Option<&'a str>, Option<i64>) {
    let (host, port) = match uri.host() {
        Some(host) => (Some(host), uri.port_u16()),
        // A service that is bound to one server may be asked for a path alone.
        None => named_by(headers),
    };
    let address = host.map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    (address, port.or_else(|| usual_port(uri.scheme_str()?)).map(i64::from))
}

fn named_by(headers: &HeaderMap) -> (Option<&str>, Option<u16>) {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return (None, None);
    };
    match host.rsplit_once(':') {
        // Of an IPv6 address without a port, the last colon is inside of the brackets.
        Some((host, port)) if !port.ends_with(']') => (Some(host), port.parse().ok()),
        Some(_) | None => (Some(host), None),
    }
}

/// The version as the conventions write it.
pub(super) fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_09 => Some("0.9"),
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}

// === impl Name ===

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method.unwrap_or("HTTP"))?;
        match self.template {
            Some(template) => write!(f, " {template}"),
            None => Ok(()),
        }
    }
}

// === impl FullUrl ===

impl fmt::Display for FullUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.0.scheme_str() {
            write!(f, "{scheme}:")?;
        }
        if let Some(authority) = self.0.authority() {
            let authority = authority.as_str();
            match authority.rsplit_once('@') {
                Some((_, place)) => write!(f, "//{REDACTED}:{REDACTED}@{place}")?,
                None => write!(f, "//{authority}")?,
            }
        }
        f.write_str(self.0.path())?;
        let pairs = self.0.query().into_iter().flat_map(|query| query.split('&'));
        for (index, pair) in pairs.enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match pair.split_once('=') {
                Some((name, _)) => write!(f, "{name}={REDACTED}")?,
                None if pair.is_empty() => {}
                // What has no name may be the secret itself.
                None => f.write_str(REDACTED)?,
            }
        }
        Ok(())
    }
}
