//! Which quota a request counts against.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use http::{HeaderMap, Uri, header::HOST};

use super::{Config, config::Sharing};
use crate::{policy::Endpoint, wire::usual_port};

/// Of a name from outside, no more than this is kept to be shown. Longer ones are told apart all the same.
const MAX_SHOWN: usize = 256;

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

/// The address of a quota, as it is kept.
#[derive(Debug)]
pub(super) struct Name {
    hash: u64,
    shown: Arc<str>,
    spelling: Option<Spelling>,
}

/// How an address was written when it was first seen, most often exactly as the next request has it: compared first, because
/// that takes less than to take it apart.
#[derive(Debug)]
struct Spelling {
    scheme: Option<Box<str>>,
    owner: Box<str>,
    part: Option<(u8, Box<str>)>,
}

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

    pub(super) fn to_name(&self, hash: u64) -> Name {
        Name { hash, shown: shorten(self.to_string()).into(), spelling: Spelling::of(self) }
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

// === impl Name ===

impl Name {
    /// That of one of its buckets.
    pub(super) fn bucket(&self, hash: u64, bucket: &str) -> Self {
        let shown = shorten(format!("{} [{bucket}]", self.shown)).into();
        Self { hash, shown, spelling: None }
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) const fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    /// Whether this address is written just like the one that was first seen. If not, it may be the same all the same.
    #[inline]
    pub(super) fn is_spelled(&self, address: &Address<'_>) -> bool {
        self.spelling.as_ref().is_some_and(|spelling| spelling.is(address))
    }
}

// === impl Spelling ===

impl Spelling {
    fn of(address: &Address<'_>) -> Option<Self> {
        let (scheme, owner) = parts(address);
        // Neither a password nor a novel is kept.
        if owner.len() > MAX_SHOWN || owner.contains('@') {
            return None;
        }
        let part = address.part.tagged().map(|(tag, part)| (tag, part.into()));
        Some(Self { scheme: scheme.map(Into::into), owner: owner.into(), part })
    }

    fn is(&self, address: &Address<'_>) -> bool {
        let (scheme, owner) = parts(address);
        *self.owner == *owner
            && self.scheme.as_deref() == scheme
            && self.part.as_ref().map(|(tag, part)| (*tag, &**part)) == address.part.tagged()
    }
}

fn parts<'a>(address: &'a Address<'_>) -> (Option<&'a str>, &'a str) {
    match &address.owner {
        Owner::Origin { scheme, authority } => (Some(scheme), authority),
        Owner::Named(name) => (None, name),
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

fn shorten(mut name: String) -> String {
    if name.len() > MAX_SHOWN {
        let end = (0..=MAX_SHOWN).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(end);
        // Writing to a string does not fail.
        let _ = name.write_char('…');
    }
    name
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

    #[test]
    fn a_long_name_is_shown_in_part_and_told_apart_all_the_same() {
        let random = RandomState::new();
        let long = |end: &str| Address::of_owner(("é".repeat(500) + end).into(), Part::Whole);
        let (one, other) = (long("a"), long("b"));
        assert_ne!(one.hash(&random), other.hash(&random));
        assert!(one.to_name(1).shown().len() <= MAX_SHOWN + 3);
        assert!(!one.to_name(1).is_spelled(&one));
    }
}
