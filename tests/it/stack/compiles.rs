//! What a user writes around the clients that there are: it compiles, in a task of its own and in an axum handler.
//!
//! Nothing here is run. A client whose error is a `BoxError` is the hard case: in a task the compiler takes no `'static` within the
//! client's type for granted (<https://github.com/rust-lang/rust/issues/64552>).

#![allow(dead_code, reason = "these functions are compiled and not called")]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, service_fn,
    util::{BoxCloneService, BoxCloneSyncService},
};
use tower_heed::{
    BoxError, DetachLayer, RetryOnRateLimit, Stack,
    body::{ReplayBody, ReplayBodyLayer},
    stack::{Body, HttpClient, StackService},
};

type Hyper<B = Full<Bytes>> = Client<HttpConnector, B>;
type Boxed<RB = Full<Bytes>> = BoxCloneSyncService<Request<Full<Bytes>>, Response<RB>, BoxError>;

fn request() -> Request<Full<Bytes>> {
    Request::new(Full::default())
}

/// Calls in two tasks, and reads the bodies there.
macro_rules! call_in_tasks {
    ($client:expr, $request:expr) => {
        let client = $client;
        let mut ready = client.clone();
        tokio::spawn(async move {
            let response = client.oneshot($request).await?;
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, BoxError>(body)
        });
        tokio::spawn(async move {
            let response = ready.ready().await?.call($request).await?;
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                drop(frame?);
            }
            Ok::<_, BoxError>(())
        });
    };
}

fn around_hyper_util(http: Hyper) {
    call_in_tasks!(Stack::new().service(http), request());
}

fn around_a_boxed_client(http: Boxed) {
    call_in_tasks!(Stack::new().service(http), request());
}

fn around_a_boxed_client_that_is_not_sync(
    http: BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>,
) {
    call_in_tasks!(Stack::new().service(http), request());
}

fn around_a_boxed_client_with_boxed_bodies(http: Boxed<BoxBody<Bytes, BoxError>>) {
    call_in_tasks!(Stack::new().service(http), request());
}

fn around_a_function() {
    let http = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
    });
    call_in_tasks!(Stack::new().service(http), request());
}

fn around_any_client<S>(http: S)
where
    S: HttpClient<Full<Bytes>, Error: Into<BoxError>, Future: Send, ResponseBody: Send>,
    S: Send + 'static,
    S::Future: 'static,
    S::ResponseBody: 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<BoxError>,
{
    let client: StackService<S, Full<Bytes>> = Stack::new().service(http);
    tokio::spawn(async move { client.oneshot(request()).await.is_ok() });
}

fn with_bodies_that_are_streamed(http: Hyper<ReplayBody<axum::body::Body>>) {
    let client =
        ServiceBuilder::new().layer(ReplayBodyLayer::default()).service(Stack::new().service(http));
    call_in_tasks!(client, Request::new(axum::body::Body::empty()));
}

/// Layers of others go around the stack.
fn within_a_service_builder(http: Boxed) {
    let client = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(axum::body::Body::new))
        .concurrency_limit(8)
        .service(Stack::new().service(http));
    call_in_tasks!(client, request());
}

/// One with bounds of `'static` around a client whose error is a `BoxError` has to be boxed outside of the task.
fn a_layer_that_spawns_is_boxed(http: Boxed) {
    let client =
        ServiceBuilder::new().layer(DetachLayer::new()).service(Stack::new().service(http));
    call_in_tasks!(BoxCloneSyncService::new(client), request());
}

/// So has a layer that is used alone, as those of tower do.
fn a_single_layer_is_boxed(http: Boxed) {
    call_in_tasks!(RetryOnRateLimit::new().layer(http).boxed_clone(), request());
}

/// The types that a user has in a struct.
#[derive(Clone)]
struct App {
    hyper: StackService<Hyper, Full<Bytes>>,
    boxed: StackService<Boxed, Full<Bytes>>,
    #[cfg(feature = "reqwest")]
    reqwest: StackService<reqwest_client::Reqwest, Full<Bytes>>,
}

impl App {
    async fn users(&self) -> Result<Response<Body<hyper::body::Incoming>>, BoxError> {
        self.hyper.clone().oneshot(request()).await
    }
}

async fn handler(
    axum::extract::State(app): axum::extract::State<App>,
) -> Result<Bytes, http::StatusCode> {
    let bad_gateway = |_| http::StatusCode::BAD_GATEWAY;
    let hyper = app.users().await.map_err(bad_gateway)?;
    drop(hyper.into_body().collect().await.map_err(bad_gateway)?);
    let mut boxed = app.boxed.clone();
    let boxed = boxed.ready().await.map_err(bad_gateway)?.call(request()).await;
    drop(boxed.map_err(bad_gateway)?);
    #[cfg(feature = "reqwest")]
    drop(app.reqwest.clone().oneshot(request()).await.map_err(bad_gateway)?);
    let boxed = app.boxed.oneshot(request()).await.map_err(bad_gateway)?;
    Ok(boxed.into_body().collect().await.map_err(bad_gateway)?.to_bytes())
}

fn in_the_state_of_an_app(app: App) -> axum::Router {
    axum::Router::new().route("/", axum::routing::get(handler)).with_state(app)
}

/// The state of an axum app is shared.
const fn is_state<T: Clone + Send + Sync + 'static>() {}
const _: () = is_state::<App>();

#[cfg(feature = "reqwest")]
mod reqwest_client {
    use tower_heed::{
        TokenCacheLayer, integrations::reqwest::ReqwestService, oauth::ClientCredentials,
        token_cache::StaticToken,
    };

    use super::*;

    pub(super) type Reqwest = ReqwestService;

    fn around_reqwest(http: reqwest::Client) {
        call_in_tasks!(Stack::new().service(ReqwestService::new(http)), request());
    }

    /// The body is known from what is sent.
    fn around_reqwest_with_another_body(http: reqwest::Client) {
        let http = ReqwestService::with_body(http);
        call_in_tasks!(Stack::new().service(http), Request::new(String::new()));
    }

    /// No turbofish, and no type written out.
    async fn with_client_credentials() -> Result<Bytes, BoxError> {
        let http = ReqwestService::new(reqwest::Client::builder().build()?);
        let source = ClientCredentials::auth0(http.clone(), "acme.eu.auth0.com", "me", "secret")?
            .audience("https://acme.eu.auth0.com/api/v2/");
        let token = TokenCacheLayer::new(source).allow_origin("https://acme.eu.auth0.com".parse()?);
        let client = Stack::new().token_cache(token).service(http);
        let request =
            Request::get("https://acme.eu.auth0.com/api/v2/users/u1").body(Full::default())?;
        let response = client.oneshot(request).await?;
        Ok(response.into_body().collect().await?.to_bytes())
    }

    /// A client for the issuer alone.
    fn with_another_client_for_the_issuer(
        issuer: reqwest::Client,
        http: reqwest::Client,
    ) -> Result<StackService<ReqwestService, Full<Bytes>>, BoxError> {
        let issuer = ReqwestService::new(issuer);
        let source = ClientCredentials::auth0(issuer, "acme.eu.auth0.com", "me", "secret")?;
        let token = TokenCacheLayer::new(source).allow_origin("https://acme.eu.auth0.com".parse()?);
        Ok(Stack::new().token_cache(token).service(ReqwestService::new(http)))
    }

    /// A body that is streamed, for which reqwest's client is given copies that can be sent again.
    fn with_bodies_that_are_streamed(http: reqwest::Client) -> Result<(), BoxError> {
        let token = TokenCacheLayer::new(StaticToken::new("sk_test_7")?);
        let http = ReqwestService::with_body(http);
        let client = ServiceBuilder::new()
            .layer(ReplayBodyLayer::default())
            .service(Stack::new().token_cache(token).service(http));
        call_in_tasks!(client, Request::new(axum::body::Body::empty()));
        Ok(())
    }
}
