//! An axum app whose handlers call an identity API through the stack: `cargo run -p axum_upstream`
//!
//! `GET /users/{id}` and `POST /users` pass on to the API, `GET /health` says whether the app is signed in there. When the API is
//! out, the first responds with a user without a name (it fails open) and the second says so (it fails closed). A time limit around
//! the router holds for every request, and the client inside knows of it. The program starts a fake identity provider and the app on
//! 127.0.0.1, calls the app a few times, and ends.

#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that prints what it finds")]

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    error_handling::HandleErrorLayer,
    extract::State,
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use fake_idp::{Fault, Idp};
use http::{HeaderValue, Request, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, channel::Channel};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_heed::{
    BoxError, ErrorClassifyLayer, FallbackLayer, Stack, TimeoutLayer, TokenCacheLayer,
    body::{ReplayBody, ReplayBodyLayer},
    classify::{AuthStatus, ErrorClass, SessionStatus},
    fallback::FailedRequest,
    integrations::axum::UpstreamError,
    oauth::ClientCredentials,
};

/// The identity API as the handlers see it: a client for axum's own bodies.
type Identity = BoxCloneSyncService<Request<Body>, Response, BoxError>;

/// For each request of the app, however often it calls the API.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What the handlers share.
#[derive(Clone)]
struct App {
    identity: Identity,
    session: SessionStatus,
    base: Arc<str>,
}

// === the app ===

fn identity(idp: &Idp) -> Result<(Identity, SessionStatus), BoxError> {
    let tokens = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (id, secret) = (idp.client_id(), idp.client_secret());
    let source =
        ClientCredentials::new(tokens, &idp.token_url(), id, secret)?.audience(idp.audience());
    let token = TokenCacheLayer::new(source).allow_origin(idp.url("").parse()?);
    let classify = ErrorClassifyLayer::new();
    let session = classify.status();
    // A 401 means the app's own credentials: nothing is wrong with those of its user.
    let fallback = FallbackLayer::fail_closed()
        .endpoint("GET /api/v2/users/{id}".parse()?, |config| {
            config.fail_open(someone).fail_closed_on(ErrorClass::Unauthenticated)
        });

    // An axum body is a stream that can be read once; the layer makes it one that can be sent again.
    let http = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<Body>>();
    let client = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(Body::new))
        .layer(ReplayBodyLayer::default())
        .service(
            Stack::new().token_cache(token).classify(classify).fallback(fallback).service(http),
        );
    Ok((BoxCloneSyncService::new(client), session))
}

/// What the app says of a user while the API is out.
fn someone(failed: &FailedRequest) -> http::Response<String> {
    let id = failed.uri().path().rsplit('/').next().unwrap_or_default();
    let mut response = http::Response::new(serde_json::json!({ "id": id }).to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn app(app: App) -> Result<Router, BoxError> {
    let limit = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |error: BoxError| UpstreamError::from(error)))
        .layer(TimeoutLayer::new(REQUEST_TIMEOUT));
    let router = Router::new()
        .route("/users/{id}", get(user))
        .route("/users", post(create))
        .route("/health", get(health))
        .with_state(app)
        .layer(limit);
    Ok(router)
}

/// The path goes on as it came, still escaped: a decoded `{id}` could lead anywhere in the API.
async fn user(State(app): State<App>, uri: Uri) -> Result<Response, UpstreamError> {
    let request = Request::get(format!("{}/api/v2{}", app.base, uri.path())).body(Body::empty())?;
    Ok(app.identity.oneshot(request).await?)
}

/// Passes the body on as it comes.
async fn create(State(app): State<App>, body: Body) -> Result<Response, UpstreamError> {
    let request = Request::post(format!("{}/api/v2/users", app.base))
        .header(CONTENT_TYPE, "application/json")
        .body(body)?;
    Ok(app.identity.oneshot(request).await?)
}

async fn health(State(app): State<App>) -> (StatusCode, &'static str) {
    let status = app.session.get();
    match status {
        AuthStatus::Unauthenticated => (StatusCode::SERVICE_UNAVAILABLE, status.as_str()),
        _ => (StatusCode::OK, status.as_str()),
    }
}

// === the run ===

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = Idp::builder().start().await;
    let (identity, session) = identity(&idp)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let caller = Caller {
        http: Client::builder(TokioExecutor::new()).build_http(),
        base: format!("http://{}", listener.local_addr()?),
    };
    let app = app(App { identity, session, base: idp.url("").into() })?;
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    println!("nothing has been called yet:");
    caller.get("/health").await?;
    println!("\na user, with a token that is fetched for it:");
    caller.get("/users/u1").await?;

    println!("\na streamed body, rejected once for a second and sent again:");
    idp.script("POST /api/v2/users", [Fault::RateLimited(Duration::from_secs(1))]);
    caller.post("/users", &["{\"name\":", "\"Ada Lovelace\"}"]).await?;
    caller.get("/health").await?;

    println!("\nall tokens are revoked: another one is fetched, and no user is signed out:");
    idp.revoke_all();
    caller.get("/users/u2").await?;
    caller.get("/health").await?;

    println!("\nthe API is out, for longer than a request may take:");
    idp.always("GET /api/v2/users/{id}", Fault::Status(503));
    idp.always("POST /api/v2/users", Fault::Status(503));
    caller.get("/users/u3").await?;
    caller.post("/users", &["{\"name\":\"Grace Hopper\"}"]).await?;
    idp.heal();

    println!("\nthe secret is changed as well, so that no token can be had:");
    idp.rotate_secret("another");
    idp.revoke_all();
    caller.get("/users/u3").await?;
    caller.get("/health").await?;

    println!("\ntokens fetched: {}", idp.seen().tokens_granted);
    server.abort();
    Ok(())
}

/// Who calls the app.
struct Caller {
    http: Client<HttpConnector, Channel<Bytes>>,
    base: String,
}

impl Caller {
    async fn get(&self, path: &str) -> Result<(), BoxError> {
        self.send("GET", path, &[]).await
    }

    async fn post(&self, path: &str, chunks: &[&'static str]) -> Result<(), BoxError> {
        self.send("POST", path, chunks).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        chunks: &[&'static str],
    ) -> Result<(), BoxError> {
        // In pieces and without a length, as from a browser's form.
        let (mut pieces, body) = Channel::<Bytes>::new(chunks.len().max(1));
        for chunk in chunks {
            pieces.send_data(Bytes::from_static(chunk.as_bytes())).await?;
        }
        drop(pieces);
        let request =
            Request::builder().method(method).uri(format!("{}{path}", self.base)).body(body)?;
        let response = self.http.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("  {method} {path}: {status}");
        println!("    {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}
