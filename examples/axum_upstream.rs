//! An axum app whose handlers call an identity API through the stack: `cargo run --example axum_upstream`
//!
//! `GET /users/{id}` and `POST /users` pass on to the API, `GET /health` says whether the app is signed in there. The program
//! starts a fake identity provider and the app on 127.0.0.1, calls the app a few times, and ends.

#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that prints what it finds")]

#[path = "../tests/it/support/idp/mod.rs"]
mod idp;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, channel::Channel};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, sync::watch};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_heed::{
    BoxError, ErrorClassifyLayer, Stack, TokenCacheLayer,
    body::{ReplayBody, ReplayBodyLayer},
    classify::AuthStatus,
    policy::{Classification, ErrorClass},
    token_cache::ClientCredentials,
};

use self::idp::{Fault, Idp};

/// The identity API as the handlers see it: a client for axum's own bodies.
type Identity = BoxCloneSyncService<Request<Body>, Response, BoxError>;

/// What the handlers share.
#[derive(Clone)]
struct App {
    identity: Identity,
    session: watch::Receiver<AuthStatus>,
    base: Arc<str>,
}

/// An upstream call that came to nothing.
struct Failed(BoxError);

// === the app ===

fn identity(idp: &Idp) -> Result<(Identity, watch::Receiver<AuthStatus>), BoxError> {
    let tokens = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (id, secret) = (idp.client_id(), idp.client_secret());
    let source =
        ClientCredentials::new(tokens, &idp.token_url(), id, secret)?.audience(idp.audience());
    let token = TokenCacheLayer::new(source).allow_origin(&idp.url(""))?;
    let classify = ErrorClassifyLayer::new();
    let session = classify.status();

    // An axum body is a stream that can be read once; the layer makes it one that can be sent again.
    let http = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<Body>>();
    let client = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(Body::new))
        .layer(ReplayBodyLayer::default())
        .layer(Stack::new().token_cache(token).classify(classify))
        .service(http);
    Ok((BoxCloneSyncService::new(client), session))
}

fn app(app: App) -> Router {
    Router::new()
        .route("/users/{id}", get(user))
        .route("/users", post(create))
        .route("/health", get(health))
        .with_state(app)
}

async fn user(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failed> {
    app.call(Request::get(format!("{}/api/v2/users/{id}", app.base)).body(Body::empty())).await
}

/// Passes the body on as it comes.
async fn create(State(app): State<App>, body: Body) -> Result<Response, Failed> {
    let request = Request::post(format!("{}/api/v2/users", app.base))
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    app.call(request).await
}

async fn health(State(app): State<App>) -> (StatusCode, &'static str) {
    let status = *app.session.borrow();
    match status {
        AuthStatus::Unauthenticated => (StatusCode::SERVICE_UNAVAILABLE, status.as_str()),
        _ => (StatusCode::OK, status.as_str()),
    }
}

impl App {
    async fn call(&self, request: http::Result<Request<Body>>) -> Result<Response, Failed> {
        let request = request.map_err(|error| Failed(error.into()))?;
        let response = self.identity.clone().oneshot(request).await.map_err(Failed)?;
        match response.extensions().get::<Classification>() {
            // These were the app's own credentials: nothing is wrong with those of its user.
            Some(failure) if failure.class() == ErrorClass::Unauthenticated => {
                Err(Failed("the identity API does not accept this app's credentials".into()))
            }
            _ => Ok(response),
        }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let class = Classification::of_error(self.0.as_ref()).map(|failure| failure.class());
        let status = match class {
            Some(ErrorClass::Timeout) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        (status, self.0.to_string()).into_response()
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
    let app = app(App { identity, session, base: idp.url("").into() });
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    println!("nothing has been called yet:");
    caller.get("/health").await?;
    println!("\na user, with a token that is fetched for it:");
    caller.get("/users/u1").await?;

    println!("\na streamed body, refused once for a second and sent again:");
    idp.script("POST /api/v2/users", [Fault::RateLimited(Duration::from_secs(1))]);
    caller.post("/users", &["{\"name\":", "\"Ada Lovelace\"}"]).await?;
    caller.get("/health").await?;

    println!("\nall tokens are revoked: another one is fetched, and nobody is signed out:");
    idp.revoke_all();
    caller.get("/users/u2").await?;
    caller.get("/health").await?;

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
