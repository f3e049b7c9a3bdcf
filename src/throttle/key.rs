//! Which quota a request counts against.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use http::{HeaderMap, Uri, header::HOST, request::Parts};

use super::{ThrottleConfig, config::Sharing};
use crate::{endpoint::Endpoint, origin::usual_port};

/// The longest name from outside that is kept for display. Longer ones are still distinguished.
const MAX_SHOWN: usize = 256;

/// Which quota a request counts against: whose it is, and which part of it.
#[derive(Debug)]
pub(super) struct Key<'a> {
    owner: Owner<'a>,
    part: Part<'a>,
}

#[derive(Debug)]
enum Owner<'a> {
    Origin { scheme: &'a str, authority: &'a str },
    Named(Cow<'a, str>),
}

/// A part of an owner's quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part<'a> {
    Whole,
    Endpoint(&'a str),
    Shared(&'a str),
}

/// Names the owner of the quota that a request counts against; `None` for its origin.
pub(super) type KeyFn = Arc<dyn Fn(&Parts) -> Option<Cow<'_, str>> + Send + Sync>;

/// A key, as it is kept and shown.
#[derive(Clone, Debug)]
pub(super) struct KeyName {
    hash: u64,
    shown: Arc<str>,
    spelling: Option<Spelling>,
}

/// How a key was spelled when it was first seen. The next request mostly spells it the same, and comparing text is cheaper than
/// parsing it.
#[derive(Clone, Debug)]
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

// === impl Key ===

impl<'a> Key<'a> {
    /// The origin of a request. Where its URI is a path, its `Host` names it.
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

    /// The hash that identifies a key: with a random state, two keys collide in one of 2⁶⁴ cases, and would share a quota.
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

    /// Whether it was configured for some endpoints.
    pub(super) fn is_part(&self) -> bool {
        self.part != Part::Whole
    }

    /// The scheme, if the owner is an origin, and the owner, as they are spelled.
    #[inline]
    fn owner(&self) -> (Option<&str>, &str) {
        match &self.owner {
            Owner::Origin { scheme, authority } => (Some(scheme), authority),
            Owner::Named(name) => (None, name),
        }
    }
}

impl fmt::Display for Key<'_> {
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
    #[inline]
    pub(super) fn of(endpoint: &Endpoint<'a, ThrottleConfig>) -> Self {
        match endpoint.config().sharing() {
            Sharing::Whole | Sharing::Own => Self::Whole,
            Sharing::Endpoint(pattern) => Self::Endpoint(pattern),
            Sharing::Named(name) => Self::Shared(name),
        }
    }

    #[inline]
    const fn tagged(self) -> Option<(u8, &'a str)> {
        match self {
            Self::Whole => None,
            Self::Endpoint(pattern) => Some((0, pattern)),
            Self::Shared(name) => Some((1, name)),
        }
    }
}

// === impl KeyName ===

impl KeyName {
    pub(super) fn of(key: &Key<'_>, hash: u64) -> Self {
        Self { hash, shown: shorten(key.to_string()).into(), spelling: Spelling::of(key) }
    }

    /// The name of one of its buckets.
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

    /// Whether this key is spelled like the one that was first seen. If not, it may still be the same.
    #[inline]
    pub(super) fn is_spelled(&self, key: &Key<'_>) -> bool {
        self.spelling.as_ref().is_some_and(|spelling| spelling.is(key))
    }
}

// === impl Spelling ===

impl Spelling {
    /// `None` for a key with a password, or one that is long.
    fn of(key: &Key<'_>) -> Option<Self> {
        let (scheme, owner) = key.owner();
        if owner.len() > MAX_SHOWN || owner.contains('@') {
            return None;
        }
        let part = key.part.tagged().map(|(tag, part)| (tag, part.into()));
        Some(Self { scheme: scheme.map(Into::into), owner: owner.into(), part })
    }

    #[inline]
    fn is(&self, key: &Key<'_>) -> bool {
        let (scheme, owner) = key.owner();
        *self.owner == *owner
            && self.scheme.as_deref() == scheme
            && self.part.as_ref().map(|(tag, part)| (*tag, &**part)) == key.part.tagged()
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

// === impl Origin ===

impl<'a> Origin<'a> {
    fn of(scheme: &'a str, authority: &'a str) -> Self {
        let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, port.parse().ok())
            }
            // An IPv6 address in brackets.
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
    fn spellings_of_one_origin_are_one_key_and_show_no_password() {
        let (random, headers) = (RandomState::new(), HeaderMap::new());
        let key = |uri: &'static str| {
            let uri = Uri::from_static(uri);
            let key = Key::of_origin(&uri, &headers, Part::Whole);
            (key.hash(&random), key.to_string())
        };
        let plain = key("https://id.example/users");
        assert_eq!(plain.1, "https://id.example");
        for same in ["https://ID.example/", "https://id.example:443/", "https://u:pw@id.example/"] {
            assert_eq!(key(same), plain, "{same}");
        }
        for other in ["http://id.example/", "https://id.example:8443/", "https://[::1]/", "/users"]
        {
            assert_ne!(key(other).0, plain.0, "{other}");
        }
        assert_eq!(key("https://[::1]:8443/").1, "https://[::1]:8443");
        assert_eq!(key("/users").1, "no origin");
    }

    #[test]
    fn a_long_name_is_shown_in_part_and_told_apart_all_the_same() {
        let random = RandomState::new();
        let long = |end: &str| Key::of_owner(("é".repeat(500) + end).into(), Part::Whole);
        let (one, other) = (long("a"), long("b"));
        assert_ne!(one.hash(&random), other.hash(&random));
        assert!(KeyName::of(&one, 1).shown().len() <= MAX_SHOWN + 3);
        assert!(!KeyName::of(&one, 1).is_spelled(&one));
    }
}
