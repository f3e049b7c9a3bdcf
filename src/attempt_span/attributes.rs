//! The values of a span's attributes.

use std::{fmt, sync::Arc};

use http::{HeaderMap, Method, Uri, Version, header::HOST};

use crate::origin::usual_port;

const REDACTED: &str = "REDACTED";

/// The methods of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-9), `PATCH` and `QUERY`.
const KNOWN_METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY"];

/// The methods that spans name. A mistake or an attack could otherwise create any number of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Methods {
    /// None for [`KNOWN_METHODS`].
    custom: Option<Arc<[Method]>>,
}

/// The name of a span: `{method} {template}`, or the method only.
pub(super) struct Name<'a> {
    pub(super) method: Option<&'a str>,
    pub(super) template: Option<&'a str>,
}

/// A URI with its credentials and query values redacted.
pub(super) struct FullUrl<'a>(pub(super) &'a Uri);

/// The path of an endpoint's pattern.
pub(super) fn template(pattern: Option<&str>) -> Option<&str> {
    pattern.map(|pattern| pattern.split_once(' ').map_or(pattern, |(_, path)| path))
}

/// The host and port of the request's server, an IPv6 address without its brackets.
pub(super) fn server<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> (Option<&'a str>, Option<i64>) {
    let (host, port) = match uri.host() {
        Some(host) => (Some(host), uri.port_u16()),
        // A client that is bound to one server may take URIs that are only a path.
        None => host_field(headers),
    };
    let address = host.map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    (address, port.or_else(|| usual_port(uri.scheme_str()?)).map(i64::from))
}

fn host_field(headers: &HeaderMap) -> (Option<&str>, Option<u16>) {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return (None, None);
    };
    match host.rsplit_once(':') {
        // Without a port, the last colon of an IPv6 address is inside the brackets.
        Some((host, port)) if !port.ends_with(']') => (Some(host), port.parse().ok()),
        Some(_) | None => (Some(host), None),
    }
}

/// The HTTP version as the conventions write it.
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

// === impl Methods ===

impl Methods {
    /// The name of a known method.
    pub(super) fn name<'a>(&self, method: &'a Method) -> Option<&'a str> {
        let is_known = match &self.custom {
            Some(custom) => custom.contains(method),
            None => KNOWN_METHODS.contains(&method.as_str()),
        };
        is_known.then(|| method.as_str())
    }
}

impl FromIterator<Method> for Methods {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        Self { custom: Some(methods.into_iter().collect()) }
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
                Some((_, host)) => write!(f, "//{REDACTED}:{REDACTED}@{host}")?,
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
                // A value without a name may be the secret itself.
                None => f.write_str(REDACTED)?,
            }
        }
        Ok(())
    }
}
