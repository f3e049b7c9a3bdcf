//! Servers that misbehave: they shed load, close, lie in their headers, count by user, are slow or never respond.
//!
//! A [`Server`] is a composition of limits and of phases, each with its trouble. Times are nanoseconds since the server started.

mod random;
mod refusal;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use http::{HeaderMap, HeaderName, HeaderValue};

pub use self::{
    random::{Composition, Kind},
    refusal::{Form, Refusal, Wait},
};
use super::{Chance, Headers, Left, Limiter, MILLI, Nanos, Rule, SECOND};

/// The wall time at which every server starts.
pub const EPOCH: Nanos = 1_700_000_000 * SECOND + 3 * SECOND / 10;

/// How long a refusal takes.
const REFUSAL: Nanos = MILLI;

/// What a server counts by.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub path: &'a str,
    pub user: &'a str,
}

/// What a server responds, and how long it takes; without a time it never does.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub takes: Option<Nanos>,
    /// Refused because of a limit or of load. A 401 or 403 is no refusal here.
    pub refused: bool,
}

/// Which requests share a limit.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    Origin,
    Path,
    User,
}

/// An honest limit on the paths that begin with a prefix.
#[derive(Clone, Debug)]
pub struct Limit {
    prefix: &'static str,
    scope: Scope,
    rule: Rule,
    headers: Headers,
    extra: Vec<(&'static str, &'static str)>,
    /// How long a key is closed once it has exceeded the limit.
    lock_out: Option<Nanos>,
    keys: HashMap<String, (Limiter, Nanos)>,
}

/// A trouble, and when and for which requests it is there.
#[derive(Clone, Debug)]
pub struct Phase {
    pub from: Nanos,
    pub until: Nanos,
    prefix: &'static str,
    /// For how many more responses.
    times: u64,
    pub trouble: Trouble,
}

#[derive(Clone, Debug)]
pub enum Trouble {
    /// Refuses a random share of the requests, whatever their rate is.
    Shed { share: f64, refusal: Refusal },
    /// Responds within these times.
    Slow(Nanos, Nanos),
    /// Never responds to a random share.
    Hang { share: f64 },
    /// Shows these fields in place of the true ones, and another status on what would be a success.
    Show { status: Option<u16>, fields: Vec<(&'static str, Value)> },
    /// Shows no rate-limit headers on a random share of the responses, or of the accepted ones alone.
    Hide { share: f64, on_refusals: bool },
}

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    Is(i64),
    /// Seconds since 1970, so many from now.
    Epoch(i64),
}

/// A limit on requests in flight, told as Okta does: limit 0, remaining 0, and a reset without a meaning.
#[derive(Clone, Debug)]
struct Concurrency {
    limit: usize,
    ends: BinaryHeap<Reverse<Nanos>>,
}

#[derive(Clone, Debug)]
pub struct Server {
    limits: Vec<Limit>,
    phases: Vec<Phase>,
    takes: (Nanos, Nanos),
    concurrency: Option<Concurrency>,
    /// When the limits are lifted.
    limited_until: Nanos,
    chance: Chance,
}

// === impl Limit ===

impl Limit {
    pub fn new(rule: Rule, headers: Headers) -> Self {
        Self {
            prefix: "",
            scope: Scope::Origin,
            rule,
            headers,
            extra: Vec::new(),
            lock_out: None,
            keys: HashMap::new(),
        }
    }

    #[must_use]
    pub fn on(mut self, prefix: &'static str, scope: Scope) -> Self {
        (self.prefix, self.scope) = (prefix, scope);
        self
    }

    /// Fields that are the same on each response.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.extra.push((name, value));
        self
    }

    #[must_use]
    pub fn lock_out(mut self, span: Nanos) -> Self {
        self.lock_out = Some(span);
        self
    }

    fn arrive(&mut self, now: Nanos, request: &Request<'_>) -> (bool, HeaderMap) {
        let key = match self.scope {
            Scope::Origin => "",
            Scope::Path => request.path,
            Scope::User => request.user,
        };
        let rule = self.rule;
        if !self.keys.contains_key(key) {
            self.keys.insert(key.to_owned(), (Limiter::new(rule), 0));
        }
        let (limiter, locked) = self.keys.get_mut(key).expect("it was inserted");
        let left = if now < *locked {
            Left { accepted: false, limit: 0, remaining: 0, reset: *locked, next: *locked }
        } else {
            limiter.arrive(now)
        };
        if let (false, true, Some(span)) = (left.accepted, now >= *locked, self.lock_out) {
            *locked = now + span;
        }
        let mut headers = self.headers.fields(&left, now);
        for (name, value) in &self.extra {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        (left.accepted, headers)
    }
}

// === impl Phase ===

impl Phase {
    pub fn new(from: Nanos, until: Nanos, trouble: Trouble) -> Self {
        Self { from, until, prefix: "", times: u64::MAX, trouble }
    }

    /// A server that refuses everything.
    pub fn closed(from: Nanos, until: Nanos, refusal: Refusal) -> Self {
        Self::new(from, until, Trouble::Shed { share: 1.0, refusal })
    }

    /// Only for the paths that begin with this.
    #[must_use]
    pub fn on(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    /// Only for so many responses.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Whether it is there for all paths.
    pub fn is_everywhere(&self) -> bool {
        self.prefix.is_empty()
    }

    fn is_on(&self, at: Nanos, path: &str) -> bool {
        (self.from..self.until).contains(&at) && self.times > 0 && path.starts_with(self.prefix)
    }
}

// === impl Server ===

impl Server {
    /// A server that accepts everything, says nothing, and responds within 20 ms.
    pub fn new(seed: u64) -> Self {
        Self {
            limits: Vec::new(),
            phases: Vec::new(),
            takes: (20 * MILLI, 20 * MILLI),
            concurrency: None,
            limited_until: Nanos::MAX,
            chance: Chance::new(seed),
        }
    }

    /// Adds a limit. Of those whose prefix fits, the first counts a request.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    #[must_use]
    pub fn phase(mut self, phase: Phase) -> Self {
        self.phases.push(phase);
        self
    }

    /// The shortest and the longest time that an accepted request takes.
    #[must_use]
    pub fn takes(mut self, low: Nanos, high: Nanos) -> Self {
        self.takes = (low, high);
        self
    }

    /// The most requests in flight.
    #[must_use]
    pub fn concurrency(mut self, limit: usize) -> Self {
        self.concurrency = Some(Concurrency { limit, ends: BinaryHeap::new() });
        self
    }

    /// Lifts all limits at this time.
    #[must_use]
    pub fn limits_until(mut self, at: Nanos) -> Self {
        self.limited_until = at;
        self
    }

    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// A request arrives.
    pub fn arrive(&mut self, at: Nanos, request: &Request<'_>) -> Reply {
        let now = EPOCH + at;
        let mut reply =
            Reply { status: 200, headers: HeaderMap::new(), takes: None, refused: false };
        let mut takes = self.takes;
        let mut hangs = false;
        for phase in self.phases.iter().filter(|phase| phase.is_on(at, request.path)) {
            match &phase.trouble {
                Trouble::Shed { share, refusal } if self.chance.is_under(*share) => {
                    reply.refused = true;
                    reply.status = refusal.status;
                    reply.headers = refusal.fields(now, EPOCH + phase.until);
                }
                Trouble::Slow(low, high) => takes = (*low, *high),
                Trouble::Hang { share } => hangs |= self.chance.is_under(*share),
                Trouble::Shed { .. } | Trouble::Show { .. } | Trouble::Hide { .. } => {}
            }
        }
        let takes = self.chance.between(takes.0, takes.1);
        let is_limited = !reply.refused && at < self.limited_until;
        if is_limited && self.is_crowded(at, takes) {
            reply.refused = true;
            reply.status = 429;
            let fields = [
                ("x-rate-limit-limit", Value::Is(0)),
                ("x-rate-limit-remaining", Value::Is(0)),
                ("x-rate-limit-reset", Value::Epoch(60)),
            ];
            show(&mut reply.headers, &fields, now);
        } else if is_limited {
            let limit = self.limits.iter_mut().find(|limit| request.path.starts_with(limit.prefix));
            if let Some(limit) = limit {
                let (is_accepted, headers) = limit.arrive(now, request);
                reply.refused = !is_accepted;
                reply.status = if is_accepted { 200 } else { 429 };
                reply.headers = headers;
            }
        }
        for phase in self.phases.iter_mut().filter(|phase| phase.is_on(at, request.path)) {
            match &phase.trouble {
                Trouble::Show { status, fields } => {
                    show(&mut reply.headers, fields, now);
                    if let (false, Some(status)) = (reply.refused, status) {
                        reply.status = *status;
                        reply.refused = *status == 429;
                    }
                    phase.times = phase.times.saturating_sub(1);
                }
                Trouble::Hide { share, on_refusals } => {
                    if (!reply.refused || *on_refusals) && self.chance.is_under(*share) {
                        reply.headers.clear();
                    }
                }
                Trouble::Shed { .. } | Trouble::Slow(..) | Trouble::Hang { .. } => {}
            }
        }
        reply.takes = match (hangs, reply.refused) {
            (true, _) => None,
            (false, true) => Some(REFUSAL),
            (false, false) => Some(takes),
        };
        reply
    }

    /// Whether there are too many in flight for one more, which would take this long.
    fn is_crowded(&mut self, at: Nanos, takes: Nanos) -> bool {
        let Some(Concurrency { limit, ends }) = &mut self.concurrency else { return false };
        while ends.peek().is_some_and(|Reverse(end)| *end <= at) {
            ends.pop();
        }
        let is_crowded = ends.len() >= *limit;
        if !is_crowded {
            ends.push(Reverse(at + takes));
        }
        is_crowded
    }
}

fn show(headers: &mut HeaderMap, fields: &[(&'static str, Value)], now: Nanos) {
    for (name, value) in fields {
        let value = match value {
            Value::Is(number) => *number,
            Value::Epoch(wait) => (now / SECOND) as i64 + wait,
        };
        headers.insert(HeaderName::from_static(name), value.into());
    }
}
