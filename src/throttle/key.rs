//! Which quota a request counts against.

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use http::{HeaderMap, Uri, header::HOST, request::Parts};

use super::{Config, config::Sharing};
use crate::{endpoint::Endpoint, origin::usual_port};

/// Which quota a request counts against: whose it is, and which part of it.
#[derive(Debug)]
pub(super) struct Address<'a> {
    owner: Owner<'a>,
    part: Part<'a>,
}

#[derive(Debug)]
enum Owner<'a> {
    Origin { scheme: &'a str, authority: &'a str },
    Named(Cow<'a, str>),
}

/// Which part of an owner's quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part<'a> {
    Whole,
    Endpoint(&'a str),
    Shared(&'a str),
}

/// Says whose quota a request counts against; where it says nothing, its origin's.
pub(super) type Key = Arc<dyn Fn(&Parts) -> Option<Cow<'_, str>> + Send + Sync>;

/// Scheme, host and port; the host in lower case.
struct Origin<'a> {
    scheme: &'a str,
    host: Cow<'a, str>,
    port: Option<u16>,
}

// === impl Address ===

impl<'a> Address<'a> {
    /// The origin that a request goes to. Where its address is a path alone, its `Host` names it.
    #[inline]
    pub(super) fn of_origin(uri: &'a Uri, headers: &'a HeaderMap, part: Part<'a>) -> Self {
        let authority = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
        };
        let scheme = uri.scheme_str().unwrap_or_default();
        Self { owner: Owner::Origin { scheme, authority }, part }
    }

    pub(super) const fn of_owner(name: Cow<'a, str>, part: Part<'a>) -> Self {
        Self { owner: Owner::Named(name), part }
    }

    /// With keyed chance, two addresses have the same in one of 2⁶⁴ cases, and would share a quota.
    pub(super) fn hash(&self, random: &impl BuildHasher) -> u64 {
        let mut hasher = random.build_hasher();
        match &self.owner {
            Owner::Origin { scheme, authority } => {
                let Origin { scheme, host, port } = Origin::of(scheme, authority);
                (0_u8, scheme, host, port).hash(&mut hasher);
            }
            Owner::Named(name) => (1_u8, name).hash(&mut hasher),
        }
        self.part.hash(&mut hasher);
        hasher.finish()
    }

    /// Its scheme, if it is an origin, and its owner, as they are written.
    #[inline]
    pub(super) fn owner(&self) -> (Option<&str>, &str) {
        match &self.owner {
            Owner::Origin { scheme, authority } => (Some(scheme), authority),
            Owner::Named(name) => (None, name),
        }
    }

    /// Which part of the owner's quotas, as it is written.
    #[inline]
    pub(super) fn part(&self) -> Option<(u8, &'a str)> {
        self.part.tagged()
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Owner::Origin { authority: "", .. } => f.write_str("no origin")?,
            Owner::Origin { scheme, authority } => {
                let Origin { scheme, host, port } = Origin::of(scheme, authority);
                if !scheme.is_empty() {
                    write!(f, "{scheme}://")?;
                }
                f.write_str(&host)?;
                if let Some(port) = port.filter(|port| Some(*port) != usual_port(scheme)) {
                    write!(f, ":{port}")?;
                }
            }
            Owner::Named(name) => f.write_str(name)?,
        }
        match self.part {
            Part::Whole => Ok(()),
            Part::Endpoint(pattern) => write!(f, " {pattern}"),
            Part::Shared(name) => write!(f, " ({name})"),
        }
    }
}

// === impl Part ===

impl<'a> Part<'a> {
    /// What of an owner's quotas the requests to an endpoint count against.
    #[inline]
    pub(super) fn of(endpoint: &Endpoint<'a, Config>) -> Self {
        match endpoint.config().sharing() {
            Sharing::Whole => Self::Whole,
            Sharing::Own => endpoint.pattern().map_or(Self::Whole, Self::Endpoint),
            Sharing::Named(name) => Self::Shared(name),
        }
    }

    const fn tagged(self) -> Option<(u8, &'a str)> {
        match self {
            Self::Whole => None,
            Self::Endpoint(pattern) => Some((0, pattern)),
            Self::Shared(name) => Some((1, name)),
        }
    }
}

// === impl Origin ===

impl<'a> Origin<'a> {
    fn of(scheme: &'a str, authority: &'a str) -> Self {
        let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, port.parse().ok())
            }
            // An address of version 6 in brackets.
            _ => (address, None),
        };
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        Self { scheme, host, port: port.or_else(|| usual_port(scheme)) }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;

    #[test]
    fn spellings_of_one_origin_are_one_address_and_show_no_password() {
        let (random, headers) = (RandomState::new(), HeaderMap::new());
        let address = |uri: &'static str| {
            let uri: &'static Uri = Box::leak(Box::new(Uri::from_static(uri)));
            let address =
                Address::of_origin(uri, Box::leak(Box::new(headers.clone())), Part::Whole);
            (address.hash(&random), address.to_string())
        };
        let plain = address("https://id.example/users");
        assert_eq!(plain.1, "https://id.example");
        for same in ["https://ID.example/", "https://id.example:443/", "https://u:pw@id.example/"] {
            assert_eq!(address(same), plain, "{same}");
        }
        for other in ["http://id.example/", "https://id.example:8443/", "https://[::1]/", "/users"]
        {
            assert_ne!(address(other).0, plain.0, "{other}");
        }
        assert_eq!(address("https://[::1]:8443/").1, "https://[::1]:8443");
        assert_eq!(address("/users").1, "no origin");
    }
}
