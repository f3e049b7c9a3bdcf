//! What the server knows, remembers and decides.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::request::Parts;
use serde_json::json;

use super::{
    builder::Builder,
    denied,
    faults::Fault,
    flavour::Flavour,
    headers::Headers,
    limits::{Limit, Quota},
    mint,
    responses::{self, BufferedResponse},
    routes::{Action, Endpoint, Routes},
    seen::Seen,
    tokens::{Families, Grant, Invalid, Tokens},
    users,
    wall::Wall,
};

/// One tenant of the provider.
#[derive(Debug)]
pub struct Tenant {
    pub settings: Builder,
    /// `http://127.0.0.1:port`.
    pub base: String,
    pub routes: Routes,
    pub wall: Wall,
    state: Mutex<State>,
}

/// What changes.
#[derive(Debug, Default)]
pub struct State {
    pub client_secret: String,
    pub tokens: Tokens,
    pub families: Families,
    pub seen: Seen,
    /// Taken from one request after the other.
    pub scripts: HashMap<&'static str, VecDeque<Fault>>,
    /// What happens when the script is over.
    pub always: HashMap<&'static str, Fault>,
    pub limits: HashMap<&'static str, Limit>,
    pub api_limit: Option<Limit>,
    /// How many were created.
    pub users: usize,
}

/// One request, read to its end.
#[derive(Debug)]
pub struct Call {
    pub endpoint: Endpoint,
    /// The variable part of the path.
    pub parameter: String,
    pub head: Parts,
    pub body: Bytes,
}

// === impl Tenant ===

impl Tenant {
    pub fn new(mut settings: Builder, base: String) -> Self {
        let routes = Routes::of(settings.flavour);
        let wall = Wall::start(settings.clock_skew, settings.date_skew);
        if settings.audience.is_empty() {
            settings.audience = format!("{base}/api/v2/");
        }
        let mut state = State {
            client_secret: settings.client_secret.clone(),
            limits: settings
                .limits
                .iter()
                .map(|(name, limit)| (routes.name(name), limit.clone()))
                .collect(),
            api_limit: settings.api_limit.clone(),
            ..State::default()
        };
        if let Some(limit) = &settings.token_limit {
            state.limits.insert(routes.token_endpoint(), limit.clone());
        }
        if settings.flavour == Flavour::Clerk {
            let grant = Grant { scopes: settings.granted(), ..Grant::default() };
            state.tokens.issue(settings.api_key.clone(), grant, wall.now());
        }
        Self { settings, base, routes, wall, state: Mutex::new(state) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to the next request to `endpoint`: the script, then what is always so, then
    /// what the endpoint is there for.
    pub fn next_fault(&self, endpoint: Endpoint, parameter: &str) -> Fault {
        let mut state = self.state();
        let scripted = state.scripts.get_mut(endpoint.name).and_then(VecDeque::pop_front);
        let fault = scripted.or_else(|| state.always.get(endpoint.name).cloned());
        fault.unwrap_or_else(|| match endpoint.action {
            Action::HangHead => Fault::HangHead,
            Action::HangBody => Fault::HangBody,
            Action::Slow => {
                Fault::Delay(Duration::from_millis(parameter.parse().unwrap_or_default()))
            }
            _ => Fault::Pass,
        })
    }

    /// The usual response: first the limit, which counts requests with a bad token too, then the
    /// endpoint.
    pub fn response(&self, call: &Call) -> BufferedResponse {
        let state = &mut *self.state();
        let Endpoint { action, .. } = call.endpoint;
        let limit = self.limit(state, call.endpoint);
        let style = self.style(action, limit.as_deref());
        let quota = limit.and_then(|limit| limit.take(self.wall.now()));
        if let Some(quota) = quota.filter(|quota| !quota.allowed) {
            return self.reject(call.endpoint, style, &quota);
        }
        let mut response = match (action, action.scope(self.settings.flavour)) {
            (_, Some(scope)) => users::response(self, state, call, scope),
            (Action::Token, _) => mint::token(self, state, call),
            (Action::MachineToken, _) => mint::machine_token(self, state, call),
            (Action::NotFound, _) => self.settings.flavour.error(404),
            _ => responses::json(200, &json!({ "ok": true })),
        };
        if let Some(quota) = quota {
            style.write(&quota, &self.wall, response.headers_mut());
        }
        response
    }

    /// What `endpoint` says when it fails with that status.
    pub fn failure(&self, endpoint: Endpoint, status: u16) -> BufferedResponse {
        let flavour = self.settings.flavour;
        match (endpoint.action, status) {
            (Action::Token, _) => denied::failure(flavour, status),
            (_, 401) => flavour.unauthorized(Invalid::Unknown, &self.base),
            (action, 403) => {
                flavour.forbidden(action.scope(flavour).unwrap_or_default(), &self.base)
            }
            (_, _) => flavour.error(status),
        }
    }

    /// A 429 that tells the client to wait that long.
    pub fn rate_limited(&self, endpoint: Endpoint, wait: Duration) -> BufferedResponse {
        let now = self.wall.now();
        let style = self.style(endpoint.action, self.limit(&mut self.state(), endpoint).as_deref());
        self.reject(endpoint, style, &Quota::spent(10, now, now + wait))
    }

    /// The endpoint's own limit, else the one that user endpoints share.
    fn limit<'a>(&self, state: &'a mut State, endpoint: Endpoint) -> Option<&'a mut Limit> {
        let shares = endpoint.action.scope(self.settings.flavour).is_some();
        let shared = state.api_limit.as_mut().filter(|_| shares);
        state.limits.get_mut(endpoint.name).or(shared)
    }

    fn style(&self, action: Action, limit: Option<&Limit>) -> Headers {
        let flavour = self.settings.flavour;
        let own =
            if action.gives_tokens() { flavour.token_headers() } else { flavour.api_headers() };
        limit.and_then(Limit::style).unwrap_or(own)
    }

    fn reject(&self, endpoint: Endpoint, style: Headers, quota: &Quota) -> BufferedResponse {
        let mut response = match (endpoint.action, style) {
            (Action::Token, Headers::Auth0Quota) => {
                denied::error(429, "too_many_requests", "Client quota exceeded")
            }
            _ => self.failure(endpoint, 429),
        };
        style.write(quota, &self.wall, response.headers_mut());
        response
    }
}
