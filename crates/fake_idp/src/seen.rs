//! What the server saw.

use std::{collections::BTreeMap, fmt, time::Duration};

use bytes::Bytes;
use http::HeaderMap;

/// Everything so far. Times are since the server's start.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Connections accepted.
    pub connections: usize,
    /// Connections open now.
    pub open_connections: usize,
    /// The most that were open at one time.
    pub max_connections: usize,
    /// Tokens given out by the token endpoint.
    pub tokens_granted: usize,
    /// Token requests that got a 4xx or 5xx, 429 among them.
    pub tokens_rejected: usize,
    /// Every request, in the order of arrival.
    pub requests: Vec<Request>,
    /// Every event, in the order in which it happened.
    pub log: Vec<Event>,
}

/// One request that arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Duration,
    /// Which connection it came on, counted from 1.
    pub connection: usize,
    /// Method and pattern: `GET /api/v2/users/{id}`; [`Seen::UNKNOWN`] for all others.
    pub endpoint: &'static str,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No response yet.
    Open,
    Responded(u16),
    /// The connection was made to break or to stall, in this way.
    Broken(&'static str),
    /// The client left before the response.
    Abandoned,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub at: Duration,
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Connected { connection: usize },
    Disconnected { connection: usize },
    Finished { endpoint: &'static str, outcome: Outcome },
    TokenIssued { serial: usize },
    Revoked { tokens: usize },
}

// === impl Seen ===

impl Seen {
    /// The endpoint of a request that no route fits.
    pub const UNKNOWN: &'static str = "(unknown)";

    /// Requests that arrived at `endpoint`, answered or not.
    pub fn requests_to(&self, endpoint: &str) -> usize {
        self.requests.iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// Requests to `endpoint` that got `status`.
    pub fn responded(&self, endpoint: &str, status: u16) -> usize {
        self.by_endpoint().get(&(endpoint, status)).copied().unwrap_or_default()
    }

    /// Responses with `status`, over all endpoints.
    pub fn status(&self, status: u16) -> usize {
        self.requests.iter().filter(|request| request.outcome == Outcome::Responded(status)).count()
    }

    /// Responses with 429.
    pub fn rate_limited(&self) -> usize {
        self.status(429)
    }

    /// The number of responses by endpoint and status.
    pub fn by_endpoint(&self) -> BTreeMap<(&'static str, u16), usize> {
        let mut counts = BTreeMap::new();
        for request in &self.requests {
            if let Outcome::Responded(status) = request.outcome {
                *counts.entry((request.endpoint, status)).or_default() += 1;
            }
        }
        counts
    }

    pub(super) fn connected(&mut self, at: Duration) -> usize {
        self.connections += 1;
        self.open_connections += 1;
        self.max_connections = self.max_connections.max(self.open_connections);
        self.note(at, What::Connected { connection: self.connections });
        self.connections
    }

    pub(super) fn disconnected(&mut self, at: Duration, connection: usize) {
        self.open_connections -= 1;
        self.note(at, What::Disconnected { connection });
    }

    /// Gives the request's place in the list.
    pub(super) fn arrived(&mut self, request: Request) -> usize {
        self.requests.push(request);
        self.requests.len() - 1
    }

    /// The first outcome stands.
    pub(super) fn finished(&mut self, at: Duration, index: usize, outcome: Outcome) {
        let request = &mut self.requests[index];
        if request.outcome == Outcome::Open {
            request.outcome = outcome;
            let endpoint = request.endpoint;
            self.note(at, What::Finished { endpoint, outcome });
        }
    }

    pub(super) fn note(&mut self, at: Duration, what: What) {
        self.log.push(Event { at, what });
    }
}

// === impl Event ===

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.3} s  {}", self.at.as_secs_f64(), self.what)
    }
}

// === impl What ===

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { connection } => write!(f, "connection {connection} opened"),
            Self::Disconnected { connection } => write!(f, "connection {connection} closed"),
            Self::Finished { endpoint, outcome: Outcome::Responded(status) } => {
                write!(f, "{endpoint}: {status}")
            }
            Self::Finished { endpoint, outcome: Outcome::Broken(how) } => {
                write!(f, "{endpoint}: {how}")
            }
            Self::Finished { endpoint, .. } => write!(f, "{endpoint}: the client left"),
            Self::TokenIssued { serial } => write!(f, "token {serial} issued"),
            Self::Revoked { tokens } => write!(f, "{tokens} token(s) revoked"),
        }
    }
}
