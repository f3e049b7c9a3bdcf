//! To which servers a token may be sent.

use http::{Uri, uri::Scheme};

use super::origin_refused::{OriginRefused, Why};
use crate::{error::InvalidConfig, origin::Origin};

/// The servers to which a token may be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    named: Vec<Named>,
    any_https: bool,
}

/// Scheme, host and effective port ([RFC 6454 §4](https://www.rfc-editor.org/rfc/rfc6454#section-4)).
#[derive(Clone, Debug)]
struct Named {
    https: bool,
    host: String,
    port: u16,
    /// The address as it was named, most often exactly as requests have it: compared first, because it takes less.
    authority: String,
}

// === impl Origins ===

impl Origins {
    pub(super) fn allow(&mut self, origin: &str) -> Result<(), InvalidConfig> {
        let named = Named::parse(origin)?;
        if !named.origin().is_private_on_the_way() {
            let why = "a token sent there can be read on the way; if that is meant, use \
                       `allow_clear_text_origin`";
            return Err(InvalidConfig::new(format!("origin `{}`", named.origin()), why));
        }
        self.named.push(named);
        Ok(())
    }

    pub(super) fn allow_clear_text(&mut self, origin: &str) -> Result<(), InvalidConfig> {
        self.named.push(Named::parse(origin)?);
        Ok(())
    }

    pub(super) fn allow_any_https(&mut self) {
        self.any_https = true;
    }

    /// Whether a token may be sent to `uri`.
    #[inline]
    pub(super) fn allow_sending_to(&self, uri: &Uri) -> bool {
        self.named.iter().any(|origin| origin.is_named_by(uri)) || self.check(uri).is_ok()
    }

    /// Whether a token may be sent to `uri`, and why not.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), OriginRefused> {
        let Some(target) = Origin::of(uri) else {
            return Err(OriginRefused::new(None, Why::NotAbsolute));
        };
        let allowed = self.named.iter().any(|named| named.origin() == target)
            || (self.any_https && target.is_private_on_the_way());
        if allowed { Ok(()) } else { Err(self.refusal(target)) }
    }

    #[cold]
    fn refusal(&self, target: Origin<'_>) -> OriginRefused {
        let why = if !target.is_private_on_the_way() {
            Why::ClearText
        } else if self.named.is_empty() && !self.any_https {
            Why::NoneAllowed
        } else {
            Why::NotAllowed
        };
        OriginRefused::new(Some(target), why)
    }
}

// === impl Named ===

impl Named {
    fn parse(text: &str) -> Result<Self, InvalidConfig> {
        // An address with a password in it is not repeated.
        let what = if text.contains('@') { "origin".into() } else { format!("origin `{text}`") };
        let expected = "expected `https://host` or `https://host:port` and nothing else";
        let uri: Option<Uri> = text.parse().ok();
        // A fragment would be cut off, and whatever else was meant with it.
        let uri = uri.filter(|uri| is_bare(uri) && !text.contains('#'));
        let uri = uri.ok_or_else(|| InvalidConfig::new(what.clone(), expected))?;
        match (Origin::of(&uri), uri.authority()) {
            (Some(origin), Some(authority)) => {
                let (https, port) = (origin.is_https(), origin.port());
                let (host, authority) = (origin.host().to_owned(), authority.as_str().to_owned());
                Ok(Self { https, host, port, authority })
            }
            _ => Err(InvalidConfig::new(what, expected)),
        }
    }

    /// Whether `uri` spells the origin as it was named.
    fn is_named_by(&self, uri: &Uri) -> bool {
        uri.authority().is_some_and(|authority| authority.as_str() == self.authority)
            && uri.scheme() == Some(if self.https { &Scheme::HTTPS } else { &Scheme::HTTP })
    }

    fn origin(&self) -> Origin<'_> {
        Origin::new(self.https, &self.host, self.port)
    }
}

fn is_bare(uri: &Uri) -> bool {
    let without_user = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    without_user && matches!(uri.path(), "" | "/") && uri.query().is_none()
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

    /// Addresses that look like an allowed one, or like this machine.
    #[test]
    fn rule_26_what_only_looks_like_an_allowed_origin_is_refused() {
        let mut origins = Origins::default();
        origins.allow("https://tenant.example").unwrap();
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
            let mut any = Origins::default();
            any.allow_any_https();
            assert!(uri.scheme() != Some(&Scheme::HTTP) || !any.allow_sending_to(&uri), "{uri}");
        }
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
            "https://a.example#x",
            "https://a.example:99999",
            "https://a.example:8a",
        ] {
            let refused = Origins::default().allow(text).unwrap_err();
            assert!(refused.what().contains(text), "{refused}");
        }
        let refused = Origins::default().allow("https://user:secret@a.example").unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}
