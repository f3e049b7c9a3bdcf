//! The refresh token grant, [RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6), with rotation.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use zeroize::Zeroizing;

use super::{
    ClientCredentials, TokenResponse,
    client::{Client, Failed, Grant},
    credentials::reject_unsendable,
    exchange::Transport,
    source::token_source,
};
use crate::{
    BoxError,
    error::{InvalidConfig, TokenError, TokenErrorKind},
    token_cache::{Token, TokenKey, TokenRequest},
};

/// How long an exchange goes on after its callers were told that it took too long: its response holds the next refresh token.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The longest time that the hook may take.
const MAX_SAVING: Duration = Duration::from_secs(60);

/// The codes that say that the refresh token will never be accepted again; the second is GitHub's.
const FINAL: [&str; 5] = [
    "invalid_grant",
    "bad_refresh_token",
    "interaction_required",
    "login_required",
    "consent_required",
];

/// A source of tokens from a refresh token: a user signed in once, and the program goes on in their name.
///
/// Many issuers **rotate**: each response holds the next refresh token, and one that is used twice is treated as stolen, which revokes
/// the whole family and signs the user out. So
///
/// * one exchange is under way at a time, whatever calls the source and its clones;
/// * an exchange is never given up half way. It runs on its own task; callers that leave, or that it takes too long for
///   ([`timeout`](ClientCredentials::timeout)), change nothing, and a late response is kept for the next caller, up to five minutes;
/// * the next refresh token goes to [`on_rotation`](Self::on_rotation) **before it is used**, so that it is not lost with the process.
///   If it cannot be saved, the access token is still given out, and nothing is exchanged before it is saved;
/// * `invalid_grant` is [final](TokenError::is_final): the issuer is not asked again until [`replace`](Self::replace) brings another
///   refresh token.
///
/// Two processes must not share a rotating refresh token. Let one hold it, or turn rotation off for the client. The service to the
/// issuer needs no time limit of its own and no retries: the one loses a response, and the other uses a refresh token twice.
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// use bytes::Bytes;
/// use tower_heed::{TokenCacheLayer, oauth::{ClientCredentials, Credentials, RefreshToken}};
///
/// # async fn save(token: String) -> Result<(), tower_heed::BoxError> { drop(token); Ok(()) }
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// // A command-line tool: a public client. A web application has its secret in place of `public()`.
/// let client = ClientCredentials::new(http, "https://id.acme.com/oauth/token", "my-client", Credentials::public())?;
/// let source = RefreshToken::new(client, "the-saved-refresh-token")?.on_rotation(|response| async move {
///     match response.refresh_token() {
///         Some(next) => save(next.to_owned()).await,
///         None => Ok(()),
///     }
/// });
/// // A clone shares the refresh token: after the user signed in again, `kept.replace(...)`.
/// let kept = source.clone();
/// let layer = TokenCacheLayer::new(source).allow_origin("https://api.acme.com".parse()?);
/// # kept.replace("another")?;
/// # drop(layer);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
///
/// How the client proves itself, the scopes, further parameters, DPoP and the time limit are those of the [`ClientCredentials`]. Its
/// audience and organization are not sent; those of the request's [`TokenKey`] are.
///
/// # Errors
///
/// [`TokenError`] as of [`ClientCredentials`]. A failure that says nothing about the refresh token (a 5xx, a broken connection) leaves
/// it in use: if a response is lost on the way, only the issuer's grace period helps.
#[derive(Clone)]
pub struct RefreshToken {
    transport: Transport,
    client: Arc<Client>,
    family: Arc<Family>,
    save: Option<Save>,
}

/// Saves what a response holds.
type Save = Arc<dyn Fn(TokenResponse) -> Saved + Send + Sync>;

type Saved = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

type Outcome = Result<Token, TokenError>;

/// The refresh token and its successors.
struct Family {
    state: Mutex<State>,
    /// The number of replacements.
    version: Arc<AtomicU64>,
}

struct State {
    refresh_token: Zeroizing<String>,
    /// The response with the present refresh token, until it is saved.
    unsaved: Option<TokenResponse>,
    /// Why no refresh token of this family will be accepted.
    dead: Option<TokenError>,
    /// The last exchange.
    exchange: Option<(TokenKey, watch::Receiver<Option<Outcome>>)>,
    /// The token of an exchange, until a caller gets it.
    late: Option<Late>,
}

struct Late {
    key: TokenKey,
    token: Token,
    lifetime: Option<Duration>,
    requested: (Instant, SystemTime),
}

/// What a caller does.
enum Step {
    Done(Outcome),
    /// Waits for the exchange of its own token, or of another one before it begins its own.
    Wait {
        outcome: watch::Receiver<Option<Outcome>>,
        own: bool,
    },
}

// === impl RefreshToken ===

impl RefreshToken {
    /// A source for a client that has this refresh token.
    ///
    /// # Errors
    ///
    /// It is empty or has a control character, a line break at the end for example. The error does not show it.
    pub fn new(
        client: ClientCredentials,
        refresh_token: impl Into<String>,
    ) -> Result<Self, InvalidConfig> {
        let refresh_token = checked(refresh_token.into())?;
        let state = State { refresh_token, unsaved: None, dead: None, exchange: None, late: None };
        let family = Family { state: Mutex::new(state), version: Arc::default() };
        let ClientCredentials { transport, client } = client;
        Ok(Self { transport, client, family: Arc::new(family), save: None })
    }

    /// Saves each new refresh token before it is used: `save` gets the whole response, with its `id_token` and others. It may take a
    /// minute. If it fails or panics, it is called again before the next exchange, which does not begin until it succeeds.
    ///
    /// A response whose access token is malformed is saved as well, since the refresh token that it was for is used up: its
    /// [`access_token`](TokenResponse::access_token) is empty, and its `expires_in` is `None`.
    #[must_use]
    pub fn on_rotation<F, Fut>(self, save: F) -> Self
    where
        F: Fn(TokenResponse) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let save: Save = Arc::new(move |response| -> Saved { Box::pin(save(response)) });
        Self { save: Some(save), ..self }
    }

    /// Replaces the refresh token, for all clones: the user signed in again. A [final](TokenError::is_final) failure is over.
    ///
    /// It does not call [`on_rotation`](Self::on_rotation): save the new refresh token yourself. A call of the hook that is under way
    /// goes on, and may store the older one after yours. Let the hook compare, or save in a transaction that replaces only what it
    /// read.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the refresh token then stays as it was.
    pub fn replace(&self, refresh_token: impl Into<String>) -> Result<(), InvalidConfig> {
        let refresh_token = checked(refresh_token.into())?;
        let mut state = self.family.lock();
        state.refresh_token = refresh_token;
        (state.unsaved, state.dead, state.exchange, state.late) = (None, None, None, None);
        self.family.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// The token of `key`, within the time limit of an exchange.
    async fn token(self, request: TokenRequest) -> Outcome {
        let until = self.client.terms.until();
        loop {
            let (mut outcome, own) = match self.step(&request) {
                Step::Done(outcome) => return outcome,
                Step::Wait { outcome, own } => (outcome, own),
            };
            let ended = match timeout_at(until, outcome.wait_for(Option::is_some)).await {
                Ok(ended) => ended.map(|outcome| outcome.clone()),
                Err(_) => return Err(TokenError::new(TokenErrorKind::Timeout)),
            };
            if own {
                let outcome = ended.ok().flatten().unwrap_or_else(|| {
                    let error = TokenError::new(TokenErrorKind::Unavailable);
                    Err(error.with_source("the exchange of the refresh token was interrupted"))
                });
                if outcome.is_ok() {
                    // It has reached a caller.
                    self.family.lock().late = None;
                }
                return outcome;
            }
        }
    }

    /// Joins the exchange under way, or begins one.
    fn step(&self, request: &TokenRequest) -> Step {
        let key = request.key();
        let mut state = self.family.lock();
        if let Some(error) = &state.dead {
            return Step::Done(Err(error.clone()));
        }
        if let Some((other, outcome)) = &state.exchange {
            // Without its sender the exchange has ended, in whatever way.
            if outcome.has_changed().is_ok() && outcome.borrow().is_none() {
                return Step::Wait { outcome: outcome.clone(), own: other == key };
            }
        }
        state.exchange = None;
        let late = state.late.take().filter(|late| late.key == *key);
        if let Some(token) = late.and_then(|late| self.usable(late)) {
            if request.rejected_token() != Some(&token) {
                return Step::Done(Ok(token));
            }
        }
        let (sender, outcome) = watch::channel(None);
        state.exchange = Some((key.clone(), outcome.clone()));
        let exchange = self.clone().exchange(key.clone(), self.family.version());
        drop(state);
        tokio::spawn(async move {
            let outcome = exchange.await;
            // Whether anyone waits or not.
            sender.send_replace(Some(outcome));
        });
        Step::Wait { outcome, own: true }
    }

    /// A token that came late, with what is left of its lifetime.
    fn usable(&self, late: Late) -> Option<Token> {
        let terms = &self.client.terms;
        let (instant, system_time) = late.requested;
        let on_the_wall = terms.clock.system_time().duration_since(system_time).unwrap_or_default();
        let age = terms.clock.now().saturating_duration_since(instant).max(on_the_wall);
        // The cache assumes five minutes of a token whose lifetime is unknown.
        let left = late.lifetime.unwrap_or(PATIENCE).saturating_sub(age);
        (left >= Duration::from_secs(1)).then(|| late.token.expires_in(left))
    }

    /// One exchange. It is not cancelled.
    async fn exchange(self, key: TokenKey, version: u64) -> Outcome {
        // The cause stays with the hook: it may tell what was to be saved.
        self.save_pending(version).await.map_err(|_| {
            let unsaved = TokenError::new(TokenErrorKind::Unavailable);
            unsaved.with_source("the refresh token cannot be saved")
        })?;
        let client = &self.client;
        let requested = (client.terms.clock.now(), client.terms.clock.system_time());
        let refresh_token = self.family.lock().refresh_token.clone();
        let own = TokenKey::new().with_scopes(&client.key.scopes().collect::<Vec<_>>().join(" "));
        let own =
            client.key.parameters().fold(own, |own, (name, value)| own.with_parameter(name, value));
        let grant = Grant::new("refresh_token")
            .with_secret("refresh_token", &refresh_token)
            .with_key(&key.or(&own));
        let until = requested.0 + client.terms.timeout.max(PATIENCE);
        // The refresh token that was sent is used up, whatever the access token is worth.
        let (response, token) = match client.rotate(&self.transport, grant, until).await {
            Ok(response) => {
                let token = client.token(&response);
                (Some(response), token)
            }
            Err(Failed { error, rotated }) => {
                (rotated.map(|response| *response), Err(self.family.failed(version, error)))
            }
        };
        if let Some(response) = response {
            let mut state = self.family.lock();
            if self.family.version() == version {
                if let Ok(token) = &token {
                    let (token, lifetime) = (token.clone(), response.expires_in());
                    state.late = Some(Late { key, token, lifetime, requested });
                }
                if let Some(next) = response.refresh_token() {
                    if *state.refresh_token != next {
                        state.refresh_token = Zeroizing::new(next.to_owned());
                        state.unsaved = Some(response);
                    }
                }
            }
        }
        // A failure is the hook's own to report. It is called again before the next exchange, which then fails.
        let _saved = self.save_pending(version).await;
        token
    }

    /// Saves the present refresh token, unless that is done.
    async fn save_pending(&self, version: u64) -> Result<(), BoxError> {
        let Some(save) = &self.save else { return Ok(()) };
        let Some(response) = self.family.lock().unsaved.clone() else { return Ok(()) };
        timeout(MAX_SAVING, save(response)).await.map_err(|_| "it takes too long")??;
        let mut state = self.family.lock();
        if self.family.version() == version {
            state.unsaved = None;
        }
        Ok(())
    }
}

token_source!(RefreshToken, client);

// === impl Family ===

impl Family {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Takes note of a failure that ends the family.
    fn failed(&self, version: u64, error: TokenError) -> TokenError {
        let is_final = error.kind() == TokenErrorKind::Rejected
            && error.code().is_some_and(|code| FINAL.contains(&code));
        if !is_final {
            return error;
        }
        let present = Arc::clone(&self.version);
        let replaced = move || present.load(Ordering::Acquire) != version;
        let error = error.into_final().outdated_when(replaced);
        let mut state = self.lock();
        if self.version() == version {
            state.dead = Some(error.clone());
        }
        error
    }
}

fn checked(refresh_token: String) -> Result<Zeroizing<String>, InvalidConfig> {
    let refresh_token = Zeroizing::new(refresh_token);
    reject_unsendable("refresh token", &refresh_token)?;
    Ok(refresh_token)
}
