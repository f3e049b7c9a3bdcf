//! The servers that may get the token.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Scheme};

use crate::{
    error::{ErrorKind, InvalidConfig},
    origin::Origin,
};

/// A server that may get the token: a scheme, a host and a port, parsed from `https://host` or `https://host:port`.
///
/// An `http` origin is allowed on a loopback address; for others there is [`clear_text`](Self::clear_text). Two are equal
/// however their hosts are spelled, and whether or not they name the default port.
///
/// ```
/// use tower_heed::token_cache::AllowedOrigin;
///
/// let api: AllowedOrigin = "https://api.example.com".parse()?;
/// assert_eq!(api, "https://API.example.com:443".parse()?);
/// assert!("http://api.example.com".parse::<AllowedOrigin>().is_err());
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct AllowedOrigin {
    https: bool,
    host: String,
    port: u16,
    /// The host and port as they were parsed, most often exactly as requests have them: the fast comparison.
    authority: String,
}

/// The servers that may get the tokens of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedOrigins {
    named: Vec<AllowedOrigin>,
    any_https: bool,
}

// === impl AllowedOrigin ===

impl AllowedOrigin {
    /// An `http` origin beyond this machine, for example `http://api.internal:8080` within a mesh that encrypts by itself.
    /// Anyone on the network path can read the token and use it.
    ///
    /// # Errors
    ///
    /// It is no `http://host[:port]` or `https://host[:port]`.
    pub fn clear_text(origin: &str) -> Result<Self, InvalidConfig> {
        // An address with a password in it is not repeated.
        let what =
            if origin.contains('@') { "origin".into() } else { format!("origin `{origin}`") };
        let expected = "expected `https://host` or `https://host:port` and nothing else";
        if origin.contains('*') {
            let why = "a `*` stands for no other text: name each origin, or allow every one by \
                       `TokenCacheLayer::allow_any_https_origin`";
            return Err(InvalidConfig::new(what, why));
        }
        let uri: Option<Uri> = origin.parse().ok();
        // `Uri` drops a fragment, and whatever else was meant with it.
        let uri = uri.filter(|uri| is_bare(uri) && !origin.contains('#'));
        let uri = uri.ok_or_else(|| InvalidConfig::new(what.clone(), expected))?;
        match (Origin::of(&uri), uri.authority()) {
            (Some(origin), Some(authority)) => Ok(Self {
                https: origin.is_https(),
                host: origin.host().to_owned(),
                port: origin.port(),
                authority: authority.as_str().to_owned(),
            }),
            _ => Err(InvalidConfig::new(what, expected)),
        }
    }

    /// Whether `uri` spells the origin as it was parsed.
    fn is_spelled_by(&self, uri: &Uri) -> bool {
        uri.authority().is_some_and(|authority| authority.as_str() == self.authority)
            && uri.scheme() == Some(if self.https { &Scheme::HTTPS } else { &Scheme::HTTP })
    }

    fn origin(&self) -> Origin<'_> {
        Origin::new(self.https, &self.host, self.port)
    }
}

impl FromStr for AllowedOrigin {
    type Err = InvalidConfig;

    /// Parses `https://host[:port]`, or `http://` and a loopback address.
    ///
    /// # Errors
    ///
    /// It is neither.
    fn from_str(text: &str) -> Result<Self, InvalidConfig> {
        let origin = Self::clear_text(text)?;
        if origin.origin().is_confidential() {
            return Ok(origin);
        }
        let why = "a token sent there can be read on the way; if that is meant, use \
                   `AllowedOrigin::clear_text`";
        Err(InvalidConfig::new(format!("origin `{origin}`"), why))
    }
}

impl TryFrom<&str> for AllowedOrigin {
    type Error = InvalidConfig;

    fn try_from(text: &str) -> Result<Self, InvalidConfig> {
        text.parse()
    }
}

impl PartialEq for AllowedOrigin {
    fn eq(&self, other: &Self) -> bool {
        self.origin() == other.origin()
    }
}

impl Eq for AllowedOrigin {}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin().fmt(f)
    }
}

impl fmt::Debug for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AllowedOrigin({self})")
    }
}

// === impl AllowedOrigins ===

impl AllowedOrigins {
    pub(super) fn allow(&mut self, origin: AllowedOrigin) {
        self.named.push(origin);
    }

    pub(super) fn allow_any_https(&mut self) {
        self.any_https = true;
    }

    /// Whether a token may be sent to `uri`.
    #[inline]
    pub(super) fn allow_sending_to(&self, uri: &Uri) -> bool {
        self.named.iter().any(|origin| origin.is_spelled_by(uri)) || self.check(uri).is_ok()
    }

    /// Whether a token may be sent to `uri`, and why not.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), ErrorKind> {
        let target = Origin::of(uri);
        let allows = |target: Origin<'_>| {
            self.named.iter().any(|named| named.origin() == target)
                || (self.any_https && target.is_confidential())
        };
        if target.is_some_and(allows) { Ok(()) } else { Err(self.rejection(target)) }
    }

    #[cold]
    fn rejection(&self, target: Option<Origin<'_>>) -> ErrorKind {
        let reason = match target {
            None => "the address names no http or https server",
            Some(target) if !target.is_confidential() => {
                "it could be read on the way; if that is meant, use `AllowedOrigin::clear_text`"
            }
            Some(_) if self.named.is_empty() && !self.any_https => {
                "no origin is allowed yet, name it with `TokenCacheLayer::allow_origin`"
            }
            Some(_) => "this origin is not among those allowed",
        };
        let origin = target.map(|origin| origin.to_string().into());
        ErrorKind::OriginNotAllowed { origin, reason }
    }
}

fn is_bare(uri: &Uri) -> bool {
    let without_user = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    without_user && matches!(uri.path(), "" | "/") && uri.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(origins: &mut AllowedOrigins, origin: &str) {
        origins.allow(origin.parse().unwrap());
    }

    fn allowed(origins: &AllowedOrigins, uri: &str) -> bool {
        origins.check(&uri.parse().unwrap()).is_ok()
    }

    #[test]
    fn rule_26_scheme_host_and_effective_port_decide() {
        let mut origins = AllowedOrigins::default();
        allow(&mut origins, "https://Tenant.example");
        allow(&mut origins, "https://other.example:8443/");
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
        let rejected =
            AllowedOrigins::default().check(&"https://id.example/a?token=1".parse().unwrap());
        let rejected = rejected.unwrap_err().to_string();
        assert!(rejected.contains("https://id.example:443"), "{rejected}");
        assert!(rejected.contains("allow_origin") && !rejected.contains("token=1"), "{rejected}");
    }

    #[test]
    fn rule_26_clear_text_is_for_loopback_or_by_an_option_that_says_so() {
        let mut origins = AllowedOrigins::default();
        for loopback in [
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "http://127.8.8.8",
            "http://[::1]:3000",
        ] {
            allow(&mut origins, loopback);
            assert!(allowed(&origins, loopback), "{loopback}");
        }
        for clear in
            ["http://id.internal", "http://128.0.0.1", "http://localhost.example", "http://[::2]"]
        {
            let rejected = clear.parse::<AllowedOrigin>().unwrap_err();
            assert!(rejected.to_string().contains("AllowedOrigin::clear_text"), "{rejected}");
        }
        assert!(!allowed(&origins, "http://id.internal/"));
        origins.allow(AllowedOrigin::clear_text("http://id.internal").unwrap());
        assert!(allowed(&origins, "http://id.internal/"));
    }

    /// Addresses that look like an allowed one, or like this machine.
    #[test]
    fn rule_26_what_only_looks_like_an_allowed_origin_is_rejected() {
        let mut origins = AllowedOrigins::default();
        allow(&mut origins, "https://tenant.example");
        for uri in [
            "https://tenant.example./",
            "https://tenant.example:99999/",
            "https://tenant.example:8a/",
            "https://tenant.example:@evil.example/",
            "https://tenant.example:443@evil.example/",
            "https://tenant.example%2eevil.example/",
            "https://evil.example/?https://tenant.example/",
            "http://tenant.example:443/",
            "ws://tenant.example/",
            "//tenant.example/",
            "*",
            "http://127.0.0.1./",
            "http://127.1/",
            "http://0.0.0.0/",
            "http://localhost./",
            "http://localhost@evil.example/",
            "http://[::1%25eth0]/",
            "http://[::ffff:127.0.0.1]/",
            "http://evil.localhost/",
        ] {
            // What is no address at all cannot be sent anywhere.
            let Ok(uri) = uri.parse::<Uri>() else { continue };
            assert!(!origins.allow_sending_to(&uri), "{uri}");
            let mut any = AllowedOrigins::default();
            any.allow_any_https();
            assert!(uri.scheme() != Some(&Scheme::HTTP) || !any.allow_sending_to(&uri), "{uri}");
        }
    }

    #[test]
    fn any_https_is_not_any_http() {
        let mut origins = AllowedOrigins::default();
        origins.allow_any_https();
        assert!(allowed(&origins, "https://any.example/"));
        assert!(allowed(&origins, "http://127.0.0.1:9/"));
        assert!(!allowed(&origins, "http://any.example/"));
    }

    #[test]
    fn what_is_no_origin_is_an_invalid_setting_that_names_it() {
        for text in [
            "",
            "https://*.a.example",
            "https://*",
            "https://a.example:*",
            "tenant.example",
            "/api",
            "ftp://a.example",
            "https://a.example/api/v2/",
            "https://a.example?x",
            "https://a.example#x",
            "https://a.example:99999",
            "https://a.example:8a",
        ] {
            let rejected = text.parse::<AllowedOrigin>().unwrap_err();
            assert!(rejected.what().contains(text), "{rejected}");
        }
        let rejected = "https://user:secret@a.example".parse::<AllowedOrigin>().unwrap_err();
        assert!(!rejected.to_string().contains("secret"), "{rejected}");
    }
}
