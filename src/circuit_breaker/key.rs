//! Which circuit a request belongs to.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use http::{
    HeaderValue, Request,
    header::HOST,
    uri::{Authority, Scheme},
};

use crate::origin::usual_port;

/// The longest name that is shown. Longer ones are still told apart.
const MAX_SHOWN: usize = 256;

/// An origin, and the endpoint if that has a circuit of its own.
#[derive(Clone, Debug)]
pub(super) struct Key {
    scheme: Option<Scheme>,
    server: Server,
    endpoint: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
enum Server {
    Authority(Authority),
    /// Of a request whose URI is only a path.
    Host(HeaderValue),
    Unknown,
}

// === impl Key ===

impl Key {
    pub(super) fn of<B>(request: &Request<B>, endpoint: Option<Arc<str>>) -> Self {
        let uri = request.uri();
        let server = match (uri.authority(), request.headers().get(HOST)) {
            (Some(authority), _) => Server::Authority(authority.clone()),
            (None, Some(host)) => Server::Host(host.clone()),
            (None, None) => Server::Unknown,
        };
        Self { scheme: uri.scheme().cloned(), server, endpoint }
    }

    /// The hash that identifies a key: with a random state, two keys collide in one of 2⁶⁴ cases.
    pub(super) fn hash(&self, random: &impl BuildHasher) -> u64 {
        let mut hasher = random.build_hasher();
        let (host, port) = self.host_and_port();
        self.scheme.as_ref().map(Scheme::as_str).hash(&mut hasher);
        for byte in host.bytes() {
            byte.to_ascii_lowercase().hash(&mut hasher);
        }
        (0xff_u8, port, &self.endpoint).hash(&mut hasher);
        hasher.finish()
    }

    fn host_and_port(&self) -> (&str, Option<&str>) {
        let server = match &self.server {
            Server::Authority(authority) => authority.as_str(),
            Server::Host(host) => host.to_str().unwrap_or_default(),
            Server::Unknown => "",
        };
        let server = server.rsplit('@').next().unwrap_or_default();
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (server, None),
        };
        let usual = self.scheme.as_ref().and_then(|scheme| usual_port(scheme.as_str()));
        let is_usual =
            |port: &&str| port.is_empty() || port.parse().ok() == usual && usual.is_some();
        (host, port.filter(|port| !is_usual(port)))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.host_and_port();
        let mut name = match &self.scheme {
            Some(scheme) => format!("{scheme}://"),
            None => String::new(),
        };
        if host.is_empty() {
            name.push_str("no origin");
        }
        name.push_str(&host.to_ascii_lowercase());
        if let Some(port) = port {
            name.push(':');
            name.push_str(port);
        }
        if let Some(endpoint) = &self.endpoint {
            name.push(' ');
            name.push_str(endpoint);
        }
        name.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).try_for_each(|c| write!(f, "{c}"))
    }
}
