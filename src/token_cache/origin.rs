//! To which servers a token may be sent.

use std::{
    error::Error,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use http::{Uri, uri::Scheme};

use crate::error::InvalidConfig;

/// A request was not sent, because the token is not for the server it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRefused {
    origin: Option<String>,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NotAbsolute,
    NoneAllowed,
    ClearText,
    NotAllowed,
}

/// The servers to which a token may be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    named: Vec<Origin>,
    any_https: bool,
}

/// Scheme, host and effective port ([RFC 6454 §4](https://www.rfc-editor.org/rfc/rfc6454#section-4)).
#[derive(Clone, Debug)]
struct Origin {
    https: bool,
    host: String,
    port: u16,
    /// The address as it was named, most often exactly as requests have it: compared first, because it takes less.
    authority: String,
}

/// An origin, borrowed from an address.
#[derive(Clone, Copy)]
struct Parts<'a> {
    https: bool,
    host: &'a str,
    port: u16,
}

// === impl OriginRefused ===

impl OriginRefused {
    /// The origin that the request was for; none if its address names no server.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }
}

impl fmt::Display for OriginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(origin) = &self.origin else {
            return f.write_str("token not sent: the address names no http or https server");
        };
        write!(f, "token not sent to {origin}: ")?;
        f.write_str(match self.why {
            Why::NoneAllowed => {
                "no origin is allowed yet, name it with `TokenCacheLayer::allow_origin`"
            }
            Why::ClearText => {
                "it could be read on the way; if that is meant, use \
                 `TokenCacheLayer::allow_clear_text_origin`"
            }
            Why::NotAllowed | Why::NotAbsolute => "this origin is not among those allowed",
        })
    }
}

impl Error for OriginRefused {}

// === impl Origins ===

impl Origins {
    pub(super) fn allow(&mut self, origin: &str) -> Result<(), InvalidConfig> {
        let origin = Origin::parse(origin)?;
        if !origin.parts().is_private_on_the_way() {
            let why = "a token sent there can be read on the way; if that is meant, use \
                       `allow_clear_text_origin`";
            return Err(InvalidConfig::new(format!("origin `{}`", origin.parts()), why));
        }
        self.named.push(origin);
        Ok(())
    }

    pub(super) fn allow_clear_text(&mut self, origin: &str) -> Result<(), InvalidConfig> {
        self.named.push(Origin::parse(origin)?);
        Ok(())
    }

    pub(super) fn allow_any_https(&mut self) {
        self.any_https = true;
    }

    /// Whether a token may be sent to `uri`.
    pub(super) fn allow_sending_to(&self, uri: &Uri) -> bool {
        self.named.iter().any(|origin| origin.is_named_by(uri)) || self.check(uri).is_ok()
    }

    /// Whether a token may be sent to `uri`, and why not.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), OriginRefused> {
        let Some(parts) = Parts::of(uri) else {
            return Err(OriginRefused { origin: None, why: Why::NotAbsolute });
        };
        let allowed = self.named.iter().any(|origin| origin.parts().equals(parts))
            || (self.any_https && parts.is_private_on_the_way());
        if allowed { Ok(()) } else { Err(self.refusal(parts)) }
    }

    #[cold]
    fn refusal(&self, parts: Parts<'_>) -> OriginRefused {
        let why = if !parts.is_private_on_the_way() {
            Why::ClearText
        } else if self.named.is_empty() && !self.any_https {
            Why::NoneAllowed
        } else {
            Why::NotAllowed
        };
        OriginRefused { origin: Some(parts.to_string()), why }
    }
}

// === impl Origin ===

impl Origin {
    fn parse(text: &str) -> Result<Self, InvalidConfig> {
        // An address with a password in it is not repeated.
        let what = if text.contains('@') { "origin".into() } else { format!("origin `{text}`") };
        let expected = "expected `https://host` or `https://host:port` and nothing else";
        let uri: Option<Uri> = text.parse().ok();
        let uri = uri.filter(is_bare).ok_or_else(|| InvalidConfig::new(what.clone(), expected))?;
        match (Parts::of(&uri), uri.authority()) {
            (Some(Parts { https, host, port }), Some(authority)) => {
                let authority = authority.as_str().to_owned();
                Ok(Self { https, host: host.to_owned(), port, authority })
            }
            _ => Err(InvalidConfig::new(what, expected)),
        }
    }

    /// Whether `uri` spells the origin as it was named.
    fn is_named_by(&self, uri: &Uri) -> bool {
        let scheme = if self.https { &Scheme::HTTPS } else { &Scheme::HTTP };
        uri.scheme() == Some(scheme)
            && uri.authority().is_some_and(|authority| authority.as_str() == self.authority)
    }

    fn parts(&self) -> Parts<'_> {
        Parts { https: self.https, host: &self.host, port: self.port }
    }
}

// === impl Parts ===

impl<'a> Parts<'a> {
    fn of(uri: &'a Uri) -> Option<Self> {
        let scheme = uri.scheme()?;
        let https = *scheme == Scheme::HTTPS;
        if !https && *scheme != Scheme::HTTP {
            return None;
        }
        let host = uri.host().filter(|host| !host.is_empty())?;
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        Some(Self { https, host, port })
    }

    fn equals(self, other: Parts<'_>) -> bool {
        self.https == other.https
            && self.port == other.port
            && self.host.eq_ignore_ascii_case(other.host)
    }

    /// Whether nobody on the way can read what is sent: it is encrypted, or does not leave the machine.
    fn is_private_on_the_way(self) -> bool {
        self.https || is_loopback(self.host)
    }
}

impl fmt::Display for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

fn is_bare(uri: &Uri) -> bool {
    let without_user = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    without_user && matches!(uri.path(), "" | "/") && uri.query().is_none()
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

/// Whether what is sent to `uri` cannot be read on the way. None if it names no http or https server.
#[cfg(feature = "client-credentials")]
pub(super) fn is_private_on_the_way(uri: &Uri) -> Option<bool> {
    Some(Parts::of(uri)?.is_private_on_the_way())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &Origins, uri: &str) -> bool {
        origins.check(&uri.parse().unwrap()).is_ok()
    }

    #[test]
    fn rule_26_scheme_host_and_effective_port_decide() {
        let mut origins = Origins::default();
        origins.allow("https://Tenant.example").unwrap();
        origins.allow("https://other.example:8443/").unwrap();
        for uri in [
            "https://tenant.example/api",
            "https://TENANT.example:443/?q=1",
            "https://other.example:8443/a",
        ] {
            assert!(allowed(&origins, uri), "{uri}");
        }
        for uri in [
            "http://tenant.example/api",
            "https://tenant.example:8443/",
            "https://tenant.example.evil.example/",
            "https://tenant.example@evil.example/",
            "https://eviltenant.example/",
            "https://other.example/",
            "http://localhost/",
            "/api",
            "tenant.example:443",
        ] {
            assert!(!allowed(&origins, uri), "{uri}");
        }
    }

    #[test]
    fn rule_26_nothing_is_allowed_until_it_is_named() {
        let refused = Origins::default().check(&"https://id.example/a?token=1".parse().unwrap());
        let refused = refused.unwrap_err();
        assert_eq!(refused.origin(), Some("https://id.example:443"));
        assert!(refused.to_string().contains("allow_origin"), "{refused}");
    }

    #[test]
    fn rule_26_clear_text_is_for_loopback_or_by_an_option_that_says_so() {
        let mut origins = Origins::default();
        for loopback in [
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "http://127.8.8.8",
            "http://[::1]:3000",
        ] {
            origins.allow(loopback).unwrap();
            assert!(allowed(&origins, loopback), "{loopback}");
        }
        for clear in
            ["http://id.internal", "http://128.0.0.1", "http://localhost.example", "http://[::2]"]
        {
            let refused = origins.allow(clear).unwrap_err();
            assert!(refused.to_string().contains("allow_clear_text_origin"), "{refused}");
        }
        assert!(!allowed(&origins, "http://id.internal/"));
        origins.allow_clear_text("http://id.internal").unwrap();
        assert!(allowed(&origins, "http://id.internal/"));
    }

    #[test]
    fn any_https_is_not_any_http() {
        let mut origins = Origins::default();
        origins.allow_any_https();
        assert!(allowed(&origins, "https://any.example/"));
        assert!(allowed(&origins, "http://127.0.0.1:9/"));
        assert!(!allowed(&origins, "http://any.example/"));
    }

    #[test]
    fn what_is_no_origin_is_an_invalid_setting_that_names_it() {
        for text in [
            "",
            "tenant.example",
            "/api",
            "ftp://a.example",
            "https://a.example/api/v2/",
            "https://a.example?x",
        ] {
            let refused = Origins::default().allow(text).unwrap_err();
            assert!(refused.what().contains(text), "{refused}");
        }
        let refused = Origins::default().allow("https://user:secret@a.example").unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}
