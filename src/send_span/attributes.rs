//! What a span says of its request.

use std::fmt;

use http::{Method, Uri};

const REDACTED: &str = "REDACTED";

/// The name of a span: `{method} {template}`, or the method alone.
pub(super) struct Name<'a> {
    pub(super) method: Option<&'a str>,
    pub(super) template: Option<&'a str>,
}

/// A URI without credentials and without the values of its query.
pub(super) struct FullUrl<'a>(pub(super) &'a Uri);

/// The method, if it is one of those that the conventions know: a server's, or a mistake's, would be names without end.
pub(super) fn known(method: &Method) -> Option<&str> {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::PATCH,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    KNOWN.contains(method).then(|| method.as_str())
}

/// The path of an endpoint's pattern.
pub(super) fn template(pattern: Option<&str>) -> Option<&str> {
    pattern.map(|pattern| pattern.split_once(' ').map_or(pattern, |(_, path)| path))
}

/// The host that the request is for, an IPv6 address without its brackets.
pub(super) fn address(uri: &Uri) -> Option<&str> {
    uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']'))
}

/// The port that the request is for.
pub(super) fn port(uri: &Uri) -> Option<i64> {
    let usual = match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        Some(_) | None => None,
    };
    uri.port_u16().map(i64::from).or(usual)
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
        if let (Some(scheme), Some(authority)) = (self.0.scheme_str(), self.0.authority()) {
            let authority = authority.as_str();
            let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
            write!(f, "{scheme}://{place}")?;
        }
        f.write_str(self.0.path())?;
        let pairs = self.0.query().into_iter().flat_map(|query| query.split('&'));
        for (index, pair) in pairs.enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            // What has no name may be the secret itself.
            if let Some((name, _)) = pair.split_once('=') {
                write!(f, "{name}=")?;
            }
            f.write_str(REDACTED)?;
        }
        Ok(())
    }
}
