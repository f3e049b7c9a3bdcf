//! Installation tokens of GitHub Apps.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use serde_json::json;

use super::{
    Assertion, HttpService, PrivateKey, TokenResponse, client,
    credentials::reject_unsendable,
    exchange::{self, Content, Reply, Terms, Transport},
    source::{token_source, traced},
    token_response::Leniency,
};
use crate::{
    classify::Preset,
    clock::Clock,
    error::{InvalidConfig, TokenError},
    token_cache::{Token, TokenRequest, token::sensitive},
};

const API: &str = "https://api.github.com";

/// The life of the app's own token: GitHub takes ten minutes at most, by its clock.
const LIFETIME: Duration = Duration::from_secs(9 * 60);

/// A source of [installation tokens](https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app) of a GitHub
/// App, each of an hour.
///
/// ```no_run
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// use bytes::Bytes;
/// use tower_heed::{TokenCacheLayer, oauth::{GitHubApp, PrivateKey, SigningAlgorithm}};
///
/// # fn main() -> Result<(), tower_heed::BoxError> {
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// let key = PrivateKey::from_pem(SigningAlgorithm::Rs256, std::fs::read("app.private-key.pem")?)?;
/// let source = GitHubApp::new(http, "Iv23liAbCdEf", key, 4_711)?
///     .repositories(["tower-heed"])
///     .permission("contents", "read");
/// let layer = TokenCacheLayer::new(source).allow_origin("https://api.github.com".parse()?);
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
///
/// For several installations name each by its number as the `organization` of a [`TokenKey`](crate::token_cache::TokenKey): each key has
/// its own token. For a call as the app itself sign an [`Assertion`].
///
/// The app's own token is dated a little early, and by GitHub's clock if ours differs. See
/// [`ClientCredentials`](super::ClientCredentials) about the endpoint's own client.
#[derive(Clone)]
pub struct GitHubApp {
    transport: Transport,
    app: Arc<App>,
}

/// An app as GitHub knows it.
#[derive(Clone, Debug)]
struct App {
    api: Uri,
    assertion: Assertion,
    installation: String,
    repositories: Vec<String>,
    permissions: BTreeMap<String, String>,
    terms: Terms,
}

// === impl GitHubApp ===

impl GitHubApp {
    /// The installation with this number of the app with this client id (or the app's number, for older servers).
    ///
    /// # Errors
    ///
    /// The id is empty or has a control character.
    pub fn new<B>(
        service: impl HttpService<B>,
        app: impl Into<String>,
        key: PrivateKey,
        installation: u64,
    ) -> Result<Self, InvalidConfig> {
        Self::with_api(service, API, app, key, installation)
    }

    /// As [`new`](Self::new), at another address than `https://api.github.com`: `https://github.acme.com/api/v3` of GitHub Enterprise.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); or it is no `https` address (or `http` on a loopback address), or has a user name.
    pub fn with_api<B>(
        service: impl HttpService<B>,
        api: &str,
        app: impl Into<String>,
        key: PrivateKey,
        installation: u64,
    ) -> Result<Self, InvalidConfig> {
        let api = client::parse(api)?;
        client::reject_clear_text(&api)?;
        let app = app.into();
        reject_unsendable("GitHub App id", &app)?;
        let app = App {
            api,
            assertion: Assertion::new(key).issuer(app).lifetime(LIFETIME),
            installation: installation.to_string(),
            repositories: Vec::new(),
            permissions: BTreeMap::new(),
            terms: Terms { preset: Preset::GitHub, ..Terms::default() },
        };
        Ok(Self { transport: service.into_transport(), app: Arc::new(app) })
    }

    /// Asks for tokens for these repositories, by name, and no others of the installation.
    #[must_use]
    pub fn repositories<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.map(|app| app.repositories = names)
    }

    /// Asks for this permission, `contents` and `read` for example, and no others than those asked for.
    #[must_use]
    pub fn permission(self, name: impl Into<String>, access: impl Into<String>) -> Self {
        self.map(|app| drop(app.permissions.insert(name.into(), access.into())))
    }

    /// How long one exchange may take, from the request to the end of the response body: ten seconds, unless set; at least a
    /// millisecond.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        self.map(|app| app.terms.set_timeout(limit))
    }

    /// Reads dates in headers, and dates assertions, by `clock`.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.map(|app| app.terms.clock = clock)
    }

    async fn token(self, request: TokenRequest) -> Result<Token, TokenError> {
        let Self { transport, app } = self;
        let installation = request.key().organization().unwrap_or(&app.installation);
        let obtained = app.obtain(&transport, installation);
        traced("github_app", &app.api, TokenError::kind, obtained).await
    }

    fn map(mut self, change: impl FnOnce(&mut App)) -> Self {
        change(Arc::make_mut(&mut self.app));
        self
    }
}

token_source!(GitHubApp, app);

// === impl App ===

impl App {
    async fn obtain(&self, transport: &Transport, installation: &str) -> Result<Token, TokenError> {
        let until = self.terms.until();
        let dated = self.terms.issuer_time();
        let mut reply = self.exchange(transport, installation, until).await?;
        let (ours, now) = (self.terms.clock.system_time(), self.terms.clock.now());
        // Its 401 says that the token is from the future, or has expired.
        if reply.status == http::StatusCode::UNAUTHORIZED
            && self.terms.issuer_clock.disagrees(dated, ours, now)
        {
            reply = self.exchange(transport, installation, until).await?;
        }
        let body = match reply.content {
            Content::Success(body) => body,
            // Its errors have a text, and no code.
            Content::Failure(error, _) => return Err(error),
        };
        let leniency =
            Leniency { token: "token".into(), any_token_type: true, ..Leniency::default() };
        let response = TokenResponse::read(&body, &leniency, reply.now)
            .map_err(|why| exchange::malformed(reply.status, why))?;
        let token = Token::bearer(response.access_token())?;
        Ok(match response.expires_in() {
            Some(lifetime) => token.expires_in(lifetime),
            None => token,
        })
    }

    async fn exchange(
        &self,
        transport: &Transport,
        installation: &str,
        until: tokio::time::Instant,
    ) -> Result<Reply, TokenError> {
        let assertion = self.assertion.sign(self.terms.issuer_time())?;
        let api = self.api.to_string();
        let api = api.trim_end_matches('/');
        let is_number =
            !installation.is_empty() && installation.bytes().all(|byte| byte.is_ascii_digit());
        let uri = format!("{api}/app/installations/{installation}/access_tokens").parse::<Uri>();
        let bearer = sensitive(&[b"Bearer ", assertion.as_bytes()]);
        let (Some(uri), Some(bearer)) = (uri.ok().filter(|_| is_number), bearer) else {
            return Err(client::unsent().with_source("the installation is not named by its number"));
        };
        let mut body = serde_json::Map::new();
        if !self.repositories.is_empty() {
            body.insert("repositories".to_owned(), json!(self.repositories));
        }
        if !self.permissions.is_empty() {
            body.insert("permissions".to_owned(), json!(self.permissions));
        }
        let mut request = Request::new(Bytes::from(serde_json::Value::Object(body).to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let fixed = HeaderValue::from_static;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, fixed("application/vnd.github+json"));
        headers.insert(CONTENT_TYPE, fixed("application/json"));
        // GitHub refuses requests without one.
        headers.insert(USER_AGENT, fixed("tower-heed"));
        headers.insert(HeaderName::from_static("x-github-api-version"), fixed("2022-11-28"));
        transport.exchange(&self.terms, request, until).await
    }
}
