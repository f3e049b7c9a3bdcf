//! A fake identity provider: a real HTTP/1.1 server on loopback with the headers and bodies of
//! Auth0, Clerk and Okta.
//!
//! It limits, expires, revokes, hangs and breaks as scripted, counts what it saw, and logs nothing. The
//! integration tests use it, and so do the examples.
//!
//! ```text
//! let idp = Idp::builder()
//!     .endpoint_limit("GET /api/v2/users/{id}", Limit::fixed_window(10, Duration::from_secs(1)))
//!     .start()
//!     .await;
//! idp.script("GET /api/v2/users/{id}", vec![Fault::Status(503), Fault::CloseConnection]);
//! // requests to idp.url("/api/v2/users/1") ...
//! assert_eq!(idp.seen().rate_limited(), 0);
//! ```
//!
//! Its time is tokio's. Under a paused clock limits and tokens follow `tokio::time::advance`;
//! sockets go on working.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::return_self_not_must_use,
    reason = "tests and examples are its only users, and all may panic"
)]

mod builder;
mod denied;
mod exchange;
mod faults;
mod flavour;
mod headers;
mod limits;
mod mint;
mod pending;
mod responses;
mod routes;
mod seen;
mod server;
mod tenant;
mod tokens;
mod users;
mod wall;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub use self::{
    builder::Builder,
    faults::{Fault, Raw, Then},
    flavour::Flavour,
    headers::Headers,
    limits::{Limit, Quota},
    responses::BufferedResponse,
    seen::{Event, Outcome, Request, Seen, What},
    tokens::Issued,
    users::MISSING,
};
use self::{tenant::Tenant, tokens::Grant};

/// A running provider. Dropped, it stops and closes its connections.
#[derive(Debug)]
pub struct Idp {
    tenant: Arc<Tenant>,
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

// === impl Idp ===

impl Idp {
    /// A provider with Auth0's endpoints and no limits by default.
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn start(settings: Builder) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("the listener is bound");
        let tenant = Arc::new(Tenant::new(settings, format!("http://{addr}")));
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server::serve(Arc::clone(&tenant), listener, stopped));
        Self { tenant, addr, stop, server }
    }

    /// Stops as a drop does, and returns when the port and all connections are closed.
    pub async fn stop(self) {
        drop(self.stop);
        self.server.await.expect("the server does not panic");
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.tenant.base)
    }

    /// The URL at which tokens are to be had.
    pub fn token_url(&self) -> String {
        let name = self.tenant.routes.token_endpoint();
        self.url(name.trim_start_matches("POST "))
    }

    pub fn client_id(&self) -> &str {
        &self.tenant.settings.client_id
    }

    /// The secret that is good now.
    pub fn client_secret(&self) -> String {
        self.tenant.state().client_secret.clone()
    }

    pub fn audience(&self) -> &str {
        &self.tenant.settings.audience
    }

    /// Clerk's static key.
    pub fn api_key(&self) -> &str {
        &self.tenant.settings.api_key
    }

    /// Makes `secret` the only good one; tokens stay as they are.
    pub fn rotate_secret(&self, secret: &str) {
        self.tenant.state().client_secret = secret.to_owned();
    }

    /// A good token, got by no request.
    pub fn issue_token(&self) -> String {
        let settings = &self.tenant.settings;
        let lifetime = settings.lifetime.or(settings.flavour.token_lifetime());
        let grant = Grant { scopes: settings.granted(), organization: None, lifetime };
        mint::issue(&self.tenant, &mut self.tenant.state(), grant).text
    }

    /// The first refresh token of a user who signed in. Each use gives the next one, and one that is used twice revokes all of them.
    pub fn sign_in(&self) -> String {
        self.tenant.state().families.begin()
    }

    /// Ends what every user signed in for.
    pub fn sign_out(&self) {
        self.tenant.state().families.revoke();
    }

    /// The number of sign-ins whose refresh tokens were revoked.
    pub fn revoked_families(&self) -> usize {
        self.tenant.state().families.revoked()
    }

    /// Every token that was given out, in order. Clerk's static key is the first of them.
    pub fn issued(&self) -> Vec<Issued> {
        self.tenant.state().tokens.all().to_vec()
    }

    /// Makes one token bad; says whether it was there to be revoked.
    pub fn revoke(&self, token: &str) -> bool {
        let mut state = self.tenant.state();
        let revoked = state.tokens.revoke(token);
        state.seen.note(self.tenant.wall.offset(), What::Revoked { tokens: usize::from(revoked) });
        revoked
    }

    /// Makes every token bad (Clerk's key too); gives the number of those that were good.
    pub fn revoke_all(&self) -> usize {
        let mut state = self.tenant.state();
        let tokens = state.tokens.revoke_all(self.tenant.wall.now());
        state.seen.note(self.tenant.wall.offset(), What::Revoked { tokens });
        tokens
    }

    /// Adds to what happens to the next requests to `endpoint`, one fault for each. A fault comes
    /// before the limit and costs nothing of it. Panics if there is no such endpoint.
    pub fn script(&self, endpoint: &str, faults: impl IntoIterator<Item = Fault>) {
        let name = self.tenant.routes.name(endpoint);
        self.tenant.state().scripts.entry(name).or_default().extend(faults);
    }

    /// What happens to every request to `endpoint` for which no script is left. Panics if there is
    /// no such endpoint.
    pub fn always(&self, endpoint: &str, fault: Fault) {
        let name = self.tenant.routes.name(endpoint);
        self.tenant.state().always.insert(name, fault);
    }

    /// Ends all scripts and all that is always so.
    pub fn heal(&self) {
        let mut state = self.tenant.state();
        state.scripts.clear();
        state.always.clear();
    }

    /// Gives `endpoint` another limit, with nothing used of it. Panics if there is no such
    /// endpoint.
    pub fn set_limit(&self, endpoint: &str, limit: Limit) {
        let name = self.tenant.routes.name(endpoint);
        self.tenant.state().limits.insert(name, limit);
    }

    /// What the server saw so far.
    pub fn seen(&self) -> Seen {
        self.tenant.state().seen.clone()
    }
}
