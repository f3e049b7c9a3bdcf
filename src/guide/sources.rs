//! Which source do I need?
//!
//! By what the token stands for:
//!
//! | the token is | source |
//! |---|---|
//! | a fixed key | [`StaticToken`](crate::token_cache::StaticToken), with [another scheme or header field](crate::token_cache::Token) |
//! | the machine's own | `ClientCredentials` |
//! | a user's, who signed in once and is away | `RefreshToken` |
//! | a user's, who calls right now | `TokenExchange`, or `JwtBearer` at Entra |
//! | an app's, where it is installed | `GitHubApp` |
//! | a service account's at Google | `JwtBearer::google` |
//! | none of these | [your own](crate::token_cache#your-own-source) |
//!
//! and by how the client proves itself: a secret, a `PrivateKey`, `Credentials::assertion_file` where the platform writes and rotates an
//! assertion (workload identity), or `Credentials::public` for a program on a user's machine. All are in the module `oauth`; private
//! keys, DPoP, `GitHubApp` and `JwtBearer::google` need the feature `private-key-jwt`. In each of the following `http` is a client of
//! the issuer.
//!
//! # Auth0
//!
//! The Management API, then an API of yours for a user who signed in once. Turn *Refresh Token Rotation* on.
#![cfg_attr(feature = "private-key-jwt", doc = "```")]
#![cfg_attr(not(feature = "private-key-jwt"), doc = "```ignore")]
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # fn sources() -> Result<(), tower_heed::BoxError> {
//! # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! use tower_heed::oauth::{ClientCredentials, RefreshToken};
//!
//! let management = ClientCredentials::auth0(http.clone(), "acme.eu.auth0.com", "client-id", "secret")?;
//! let client = ClientCredentials::auth0(http, "acme.eu.auth0.com", "client-id", "secret")?;
//! let user = RefreshToken::new(client, "saved-refresh-token")?.on_rotation(|response| async move {
//!     let next = response.refresh_token().map(str::to_owned);
//!     tokio::task::spawn_blocking(move || std::fs::write("refresh-token", next.unwrap_or_default())).await??;
//!     Ok(())
//! });
//! # drop((management, user));
//! # Ok(())
//! # }
//! ```
//!
//! # Okta
//!
//! Its own APIs take a key only, and ask new clients for DPoP by default: the same `DpopKey` goes into the source and into a `DpopLayer`
//! inside of the token cache.
#![cfg_attr(feature = "private-key-jwt", doc = "```")]
#![cfg_attr(not(feature = "private-key-jwt"), doc = "```ignore")]
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # fn sources(key: tower_heed::oauth::PrivateKey) -> Result<(), tower_heed::BoxError> {
//! # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! use tower::Layer;
//! use tower_heed::{Stack, TokenCacheLayer, oauth::{ClientCredentials, DpopKey, DpopLayer}};
//!
//! let bound = DpopKey::generate()?;
//! let source = ClientCredentials::okta_org(http.clone(), "acme.okta.com", "client-id", key)?
//!     .scopes("okta.users.read")
//!     .dpop(bound.clone());
//! let token = TokenCacheLayer::new(source).allow_origin("https://acme.okta.com".parse()?);
//! let client = Stack::new().token_cache(token).service(DpopLayer::new(bound).layer(http.clone()));
//! // An API of yours, behind a custom authorization server:
//! let own = ClientCredentials::okta(http, "acme.okta.com", "default", "client-id", "secret")?.scopes("orders");
//! # drop((client, own));
//! # Ok(())
//! # }
//! ```
//!
//! An API token of Okta is a `StaticToken` of the scheme `SSWS`.
//!
//! # Clerk
//!
//! The Backend API takes the secret key itself; tokens from machine to machine have a call of their own.
#![cfg_attr(feature = "private-key-jwt", doc = "```")]
#![cfg_attr(not(feature = "private-key-jwt"), doc = "```ignore")]
//! # use std::{convert::Infallible, time::Duration};
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # fn sources() -> Result<(), tower_heed::BoxError> {
//! # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! use tower_heed::{oauth::ClerkM2m, token_cache::StaticToken};
//!
//! let backend = StaticToken::new("sk_live_0123456789")?;
//! let machine = ClerkM2m::new(http, "ak_0123456789")?.expires_in(Duration::from_secs(3600));
//! # drop((backend, machine));
//! # Ok(())
//! # }
//! ```
//!
//! # Entra
//!
//! With a certificate; with the file that a cluster or a pipeline writes; and in the name of the user who calls.
#![cfg_attr(feature = "private-key-jwt", doc = "```")]
#![cfg_attr(not(feature = "private-key-jwt"), doc = "```ignore")]
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # fn sources(pem: &str) -> Result<(), tower_heed::BoxError> {
//! # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! use tower_heed::oauth::{ClientCredentials, Credentials, JwtBearer, PrivateKey, SigningAlgorithm};
//!
//! let url = "https://login.microsoftonline.com/my-tenant/oauth2/v2.0/token";
//! let graph = "https://graph.microsoft.com/.default";
//! let key = PrivateKey::from_pem(SigningAlgorithm::Ps256, pem)?.certificate(pem)?;
//! let certificate = ClientCredentials::new(http.clone(), url, "client-id", key)?.scopes(graph);
//! let file = Credentials::assertion_file("/var/run/secrets/azure/tokens/azure-identity-token");
//! let workload = ClientCredentials::new(http.clone(), url, "client-id", file)?.scopes(graph);
//! let client = ClientCredentials::new(http, url, "client-id", "secret")?
//!     .scopes(graph)
//!     .parameter("requested_token_use", "on_behalf_of")?;
//! let on_behalf_of = JwtBearer::new(client, |request| async move {
//!     Ok(request.extensions().get::<String>().ok_or("the request has no user")?.clone())
//! });
//! # drop((certificate, workload, on_behalf_of));
//! # Ok(())
//! # }
//! ```
//!
//! # Keycloak
//!
//! A service account; and, with *Standard Token Exchange* turned on for the client, the user who calls.
#![cfg_attr(feature = "private-key-jwt", doc = "```")]
#![cfg_attr(not(feature = "private-key-jwt"), doc = "```ignore")]
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # fn sources() -> Result<(), tower_heed::BoxError> {
//! # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! use tower_heed::oauth::{ClientCredentials, SubjectToken, TokenExchange};
//!
//! let account = ClientCredentials::keycloak(http.clone(), "https://id.acme.com", "acme", "client-id", "secret")?;
//! let client = ClientCredentials::keycloak(http, "https://id.acme.com", "acme", "client-id", "secret")?.audience("orders");
//! let user = TokenExchange::new(client, |request| async move {
//!     let token = request.extensions().get::<String>().ok_or("the request has no user")?;
//!     Ok(SubjectToken::access_token(token))
//! });
//! # drop((account, user));
//! # Ok(())
//! # }
//! ```
//!
//! # GitHub
//!
//! An app where it is installed, and a personal access token.
#![cfg_attr(feature = "private-key-jwt", doc = "```")]
#![cfg_attr(not(feature = "private-key-jwt"), doc = "```ignore")]
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # fn sources(pem: &str) -> Result<(), tower_heed::BoxError> {
//! # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! use tower_heed::{oauth::{GitHubApp, PrivateKey, SigningAlgorithm}, token_cache::StaticToken};
//!
//! let key = PrivateKey::from_pem(SigningAlgorithm::Rs256, pem)?;
//! let app = GitHubApp::new(http, "Iv23liAbCdEf", key, 4_711)?.permission("contents", "read");
//! let personal = StaticToken::new("github_pat_0123456789")?;
//! # drop((app, personal));
//! # Ok(())
//! # }
//! ```
//!
//! # Google
//!
//! A service account by its key file, and a user's offline access by its refresh token.
#![cfg_attr(feature = "private-key-jwt", doc = "```")]
#![cfg_attr(not(feature = "private-key-jwt"), doc = "```ignore")]
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # fn sources() -> Result<(), tower_heed::BoxError> {
//! # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
//! use tower_heed::oauth::{ClientCredentials, JwtBearer, RefreshToken};
//!
//! let account = JwtBearer::google(http.clone(), std::fs::read("service-account.json")?)?
//!     .scopes("https://www.googleapis.com/auth/devstorage.read_only");
//! let url = "https://oauth2.googleapis.com/token";
//! let user = RefreshToken::new(ClientCredentials::new(http, url, "client-id", "secret")?, "saved-refresh-token")?;
//! # drop((account, user));
//! # Ok(())
//! # }
//! ```
