//! The token sources against the certified provider `oidc-provider`: `scripts/proof oidc` starts both.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that prints"
)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_heed::{
    BoxError, TokenCacheLayer,
    error::TokenError,
    oauth::{
        AuthMethod, ClientCredentials, Credentials, DpopKey, DpopLayer, PrivateKey, RefreshToken,
        SigningAlgorithm, SubjectToken, TokenExchange,
    },
    token_cache::{FetchReason, Token, TokenKey, TokenRequest},
};

type Body = Full<Bytes>;
type Http = Client<HttpConnector, Body>;

/// The provider, and what it told about its clients.
struct Provider {
    http: Http,
    told: Value,
}

// === impl Provider ===

impl Provider {
    fn text(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.text("issuer"))
    }

    fn client(&self, id: &str, credentials: Credentials) -> ClientCredentials {
        ClientCredentials::new(self.http.clone(), &self.url("/token"), id, credentials).unwrap()
    }

    fn secret(&self) -> Credentials {
        Credentials::secret(self.text("secret")).unwrap()
    }

    fn key(&self, algorithm: SigningAlgorithm, name: &str, id: &str) -> Credentials {
        PrivateKey::from_pem(algorithm, self.text(name)).unwrap().key_id(id).into()
    }

    async fn json(&self, request: Request<Body>) -> Value {
        let response = self.http.clone().oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{body:?}"))
    }

    /// The tokens of a user who signed in.
    async fn sign_in(&self, client: &str) -> (String, String) {
        let uri = self.url(&format!("/test/sign-in/{client}"));
        let told = self.json(Request::get(uri).body(Body::default()).unwrap()).await;
        (told["refresh"].as_str().unwrap().to_owned(), told["access"].as_str().unwrap().to_owned())
    }

    /// What the provider says about a token.
    async fn introspect(&self, token: &Token) -> Value {
        let (_, text) = token.header_value().to_str().unwrap().split_once(' ').unwrap();
        // RFC 6749 section 2.3.1 for the one character of the secret that matters.
        let body =
            format!("token={text}&client_id=post&client_secret={}", encoded(self.text("secret")));
        let request = Request::post(self.url("/token/introspection"))
            .header("content-type", "application/x-www-form-urlencoded");
        self.json(request.body(Body::from(body)).unwrap()).await
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn ask<S>(source: &S) -> Result<Token, TokenError>
where
    S: Service<TokenRequest, Response = Token, Error = TokenError> + Clone,
{
    source.clone().oneshot(TokenRequest::new(TokenKey::new(), FetchReason::Missing)).await
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let path =
        std::env::args().nth(1).ok_or("usage: oidc_acceptance FILE, what the server printed")?;
    let told = serde_json::from_slice(&std::fs::read(path)?)?;
    let http = Client::builder(TokioExecutor::new()).build_http();
    let provider = Provider { http, told };
    client_credentials(&provider).await;
    refusals(&provider).await;
    bound_tokens(&provider).await;
    refresh_tokens(&provider).await;
    bound_refresh_tokens(&provider).await;
    exchange(&provider).await;
    Ok(())
}

async fn client_credentials(provider: &Provider) {
    let signed = [
        ("es256", provider.key(SigningAlgorithm::Es256, "ec", "ec-1")),
        ("ps256", provider.key(SigningAlgorithm::Ps256, "rsa", "rsa-1")),
        ("rs256", provider.key(SigningAlgorithm::Rs256, "rsa", "rsa-1")),
    ];
    let issuer = provider.text("issuer").to_owned();
    let mut sources = vec![
        ("post", provider.client("post", provider.secret())),
        (
            "basic",
            provider.client("basic", provider.secret()).auth_method(AuthMethod::ClientSecretBasic),
        ),
    ];
    for (id, key) in signed {
        sources.push((id, provider.client(id, key).assertion_audience(&issuer)));
    }
    for (id, source) in sources {
        let source =
            source.parameter("resource", "https://api.example").unwrap().scopes("api:read");
        let token = ask(&source)
            .await
            .unwrap_or_else(|error| panic!("{id}: {error}, {:?}", error.description()));
        let seen = provider.introspect(&token).await;
        assert_eq!(
            (&seen["active"], &seen["client_id"], &seen["scope"]),
            (&true.into(), &id.into(), &"api:read".into())
        );
        println!("client credentials, {id}: accepted, {token:?}");
    }
}

async fn refusals(provider: &Provider) {
    let wrong = provider.client("post", Credentials::secret("wrong").unwrap());
    let error = ask(&wrong).await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_client"));
    println!("a wrong secret: {error}");
    let grant = provider.client("web", provider.secret());
    let grant = grant.auth_method(AuthMethod::ClientSecretBasic);
    let error = ask(&grant).await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_request"));
    println!("a grant that the client was not given: {error}");
}

/// The provider asks for a nonce, and binds the token to the key.
async fn bound_tokens(provider: &Provider) {
    let key = DpopKey::generate().unwrap();
    let source = provider.client("dpop", provider.secret()).dpop(key);
    let token =
        ask(&source).await.unwrap_or_else(|error| panic!("{error} {:?}", error.description()));
    assert!(token.header_value().as_bytes().starts_with(b"DPoP "));
    let seen = provider.introspect(&token).await;
    assert_eq!((&seen["active"], &seen["token_type"]), (&true.into(), &"DPoP".into()));
    assert!(seen["cnf"]["jkt"].is_string(), "{seen}");
    println!("client credentials with DPoP and a nonce: bound to {}", seen["cnf"]["jkt"]);
    let unbound = provider.client("dpop", provider.secret());
    println!("the same without a proof: {}", ask(&unbound).await.unwrap_err());
}

async fn refresh_tokens(provider: &Provider) {
    for (id, client) in [
        (
            "web",
            provider.client("web", provider.secret()).auth_method(AuthMethod::ClientSecretBasic),
        ),
        ("public", provider.client("public", Credentials::public())),
    ] {
        let (refresh, _) = provider.sign_in(id).await;
        let rotations = Arc::new(AtomicUsize::new(0));
        let source = RefreshToken::new(client, &refresh).unwrap().on_rotation({
            let rotations = Arc::clone(&rotations);
            move |response| {
                assert!(
                    response.refresh_token().is_some() && response.member("id_token").is_some()
                );
                rotations.fetch_add(1, Ordering::Relaxed);
                async { Ok(()) }
            }
        });
        // 200 callers at once, half of which leave; then one after the other.
        let calls: Vec<_> = (0..200)
            .map(|_| {
                let source = source.clone();
                tokio::spawn(async move { ask(&source).await })
            })
            .collect();
        for (at, call) in calls.into_iter().enumerate() {
            if at % 2 == 0 {
                call.abort();
            } else {
                call.await.unwrap().unwrap();
            }
        }
        for _ in 0..5 {
            ask(&source).await.unwrap();
        }
        let token = ask(&source).await.unwrap();
        assert_eq!(provider.introspect(&token).await["active"], true);
        println!(
            "refresh token, {id}: {} rotations, the family lives",
            rotations.load(Ordering::Relaxed)
        );

        // A stolen refresh token is used: the provider ends the family, and that is final.
        let thief = if id == "web" {
            provider.client("web", provider.secret()).auth_method(AuthMethod::ClientSecretBasic)
        } else {
            provider.client("public", Credentials::public())
        };
        let thief = RefreshToken::new(thief, &refresh).unwrap();
        assert!(ask(&thief).await.unwrap_err().is_final());
        let error = ask(&source).await.unwrap_err();
        assert!(error.is_final(), "{error}");
        println!("refresh token, {id}, after another one was used twice: {error}, final");
        source.replace(provider.sign_in(id).await.0).unwrap();
        ask(&source).await.unwrap();
    }
}

/// A public client whose tokens are bound, and an API that asks for a nonce as well: the provider's userinfo.
async fn bound_refresh_tokens(provider: &Provider) {
    let key = DpopKey::from_pem(provider.text("dpop")).unwrap();
    let (refresh, _) = provider.sign_in("public-dpop").await;
    let client = provider.client("public-dpop", Credentials::public()).dpop(key.clone());
    let source = RefreshToken::new(client, refresh).unwrap();
    let api = ServiceBuilder::new()
        .layer(TokenCacheLayer::new(source).allow_origin(provider.text("issuer").parse().unwrap()))
        .layer(DpopLayer::new(key))
        .service(provider.http.clone());
    for _ in 0..3 {
        let request = Request::get(provider.url("/me")).body(Body::default()).unwrap();
        let response = api.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{:?}", response.headers());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["sub"], "ann");
    }
    println!("refresh token of a public client with DPoP: userinfo accepted the proofs");

    // Without the layer the same token is of no use.
    let key = DpopKey::generate().unwrap();
    let (refresh, _) = provider.sign_in("public-dpop").await;
    let client = provider.client("public-dpop", Credentials::public()).dpop(key);
    let source = RefreshToken::new(client, refresh).unwrap();
    let origin = provider.text("issuer").parse().unwrap();
    let api = TokenCacheLayer::new(source).allow_origin(origin).layer(provider.http.clone());
    let request = Request::get(provider.url("/me")).body(Body::default()).unwrap();
    let response = api.oneshot(request).await.unwrap();
    println!("the same without proofs: {}", response.status());
    assert!(response.status().is_client_error());
}

async fn exchange(provider: &Provider) {
    let (_, access) = provider.sign_in("web").await;
    let source = |subject: String| {
        TokenExchange::new(
            provider.client("post", provider.secret()).scopes("api:read"),
            move |_| {
                let subject = subject.clone();
                async move { Ok(SubjectToken::access_token(subject)) }
            },
        )
    };
    let token = ask(&source(access))
        .await
        .unwrap_or_else(|error| panic!("{error} {:?}", error.description()));
    assert_eq!(provider.introspect(&token).await["active"], true);
    println!("token exchange: accepted");
    let error = ask(&source("sesame-of-nobody".to_owned())).await.unwrap_err();
    assert_eq!((error.code(), error.description()), (Some("invalid_request"), None));
    println!("token exchange of an unknown token, which the provider repeats: {error}");
}
