//! DPoP: proofs at the issuer and at the API, with nonces on both sides.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use serde_json::Value;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};
use tower_heed::{
    TokenCacheLayer,
    clock::Clock,
    oauth::{ClientCredentials, DpopKey, DpopLayer},
    token_cache::{FetchReason, StaticToken, Token, TokenKey, TokenRequest},
};

type Body = Full<Bytes>;
type Http = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

const TOKEN_URL: &str = "https://id.example/token";
const BOUND: &str = r#"{"access_token":"bound.token","token_type":"DPoP","expires_in":3600}"#;

/// A server that takes proofs with its present nonce only.
#[derive(Clone, Default)]
struct Server {
    nonce: Arc<Mutex<Option<&'static str>>>,
    seen: Arc<Mutex<Vec<Value>>>,
}

fn decoded(part: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// The claims of a proof whose signature is right, with its key.
fn verified(proof: &str) -> Value {
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    assert_eq!((&header["typ"], &header["alg"]), (&"dpop+jwt".into(), &"ES256".into()));
    let jwk = &header["jwk"];
    assert_eq!(jwk.as_object().unwrap().len(), 4, "no private part: {jwk}");
    let mut point = vec![4];
    point.extend(decoded(jwk["x"].as_str().unwrap()));
    point.extend(decoded(jwk["y"].as_str().unwrap()));
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &decoded(signature)).unwrap();
    let mut claims: Value = serde_json::from_slice(&decoded(claims)).unwrap();
    claims["key"] = jwk["x"].clone();
    claims
}

impl Server {
    /// `refuse` is the response to a proof without the nonce.
    fn service(&self, refuse: fn() -> Response<Body>, accept: fn() -> Response<Body>) -> Http {
        let server = self.clone();
        BoxCloneService::new(service_fn(move |request: Request<Body>| {
            let proofs: Vec<_> = request.headers().get_all("dpop").iter().collect();
            let [proof] = proofs[..] else { panic!("{proofs:?}") };
            assert!(proof.is_sensitive());
            let mut claims = verified(proof.to_str().unwrap());
            if let Some(value) = request.headers().get(AUTHORIZATION) {
                claims["authorization"] = value.to_str().unwrap().into();
            }
            let nonce = *server.nonce.lock().unwrap();
            let accepted = claims["nonce"].as_str() == nonce;
            server.seen.lock().unwrap().push(claims);
            let mut response = if accepted { accept() } else { refuse() };
            if let Some(nonce) = nonce {
                response.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
            }
            async move { Ok(response) }
        }))
    }

    fn issuer(&self) -> Http {
        self.service(
            || {
                let body =
                    r#"{"error":"use_dpop_nonce","error_description":"a nonce is required"}"#;
                Response::builder().status(400).body(Body::from(body)).unwrap()
            },
            || Response::new(Body::from(BOUND)),
        )
    }

    fn api(&self) -> Http {
        self.service(
            || {
                let challenge = r#"DPoP error="use_dpop_nonce", algs="ES256""#;
                let response =
                    Response::builder().status(401).header("www-authenticate", challenge);
                response.body(Body::default()).unwrap()
            },
            || Response::new(Body::default()),
        )
    }

    fn asks_for(&self, nonce: &'static str) {
        *self.nonce.lock().unwrap() = Some(nonce);
    }

    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn clock() -> Clock {
    Clock::from_system_time(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::default()).unwrap()
}

#[tokio::test]
async fn rule_49_dpop_proves_the_key_at_the_issuer_and_at_the_api_with_their_nonces() {
    let (issuer, api) = (Server::default(), Server::default());
    let key = DpopKey::generate().unwrap();
    let source = ClientCredentials::new(issuer.issuer(), TOKEN_URL, "app", "hush")
        .unwrap()
        .clock(clock())
        .dpop(key.clone());
    let client = ServiceBuilder::new()
        .layer(TokenCacheLayer::new(source).allow_any_https_origin())
        .layer(DpopLayer::new(key).clock(clock()))
        .service(api.api());
    let call = |uri: &'static str| client.clone().oneshot(get(uri));

    issuer.asks_for("n-issuer");
    assert_eq!(call("https://api.example/a?b=c").await.unwrap().status(), 200);
    let [first, second] = &issuer.take()[..] else { panic!() };
    assert_eq!((&first["htm"], &first["htu"]), (&"POST".into(), &TOKEN_URL.into()));
    assert_eq!((&first["nonce"], &second["nonce"]), (&Value::Null, &"n-issuer".into()));
    assert_eq!(first["iat"], 1_699_999_990_u64);
    assert_ne!(first["jti"], second["jti"]);
    let [sent] = &api.take()[..] else { panic!() };
    assert_eq!(sent["authorization"], "DPoP bound.token");
    assert_eq!(sent["ath"], BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, b"bound.token")));
    assert_eq!((&sent["htm"], &sent["htu"]), (&"GET".into(), &"https://api.example/a".into()));
    assert_eq!((&sent["key"], &sent["nonce"]), (&first["key"], &Value::Null));

    // The API begins to ask for a nonce, and changes it: each time one more attempt, with the same token.
    for nonce in ["n-1", "n-2"] {
        api.asks_for(nonce);
        assert_eq!(call("https://api.example/b").await.unwrap().status(), 200);
        let seen = api.take();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1]["nonce"], nonce);
        assert_eq!(call("https://api.example/b").await.unwrap().status(), 200);
        assert_eq!(api.take().len(), 1);
    }
    assert!(issuer.take().is_empty(), "no token was fetched for it");
}

#[tokio::test]
async fn rule_49_a_nonce_that_is_asked_for_again_and_again_is_not_followed_for_ever() {
    let issuer = service_fn(|_: Request<Body>| async {
        let response = Response::builder().status(400).header("dpop-nonce", "n");
        let body = Body::from(r#"{"error":"use_dpop_nonce"}"#);
        Ok::<_, Infallible>(response.body(body).unwrap())
    });
    let counted = Arc::new(Mutex::new(0));
    let http = {
        let counted = Arc::clone(&counted);
        issuer.map_request(move |request: Request<Body>| {
            *counted.lock().unwrap() += 1;
            request
        })
    };
    let source = ClientCredentials::new(http, TOKEN_URL, "app", "hush").unwrap();
    let source = source.dpop(DpopKey::generate().unwrap());
    let error =
        source.oneshot(TokenRequest::new(TokenKey::new(), FetchReason::Missing)).await.unwrap_err();
    assert_eq!((error.code(), *counted.lock().unwrap()), (Some("use_dpop_nonce"), 3));
}

#[tokio::test]
async fn rule_49_only_tokens_of_the_scheme_are_proven_and_a_dpop_token_needs_a_key() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let api = {
        let seen = Arc::clone(&seen);
        service_fn(move |request: Request<Body>| {
            seen.lock().unwrap().push(request.headers().contains_key("dpop"));
            async { Ok::<_, Infallible>(Response::new(Body::default())) }
        })
    };
    let key = DpopKey::generate().unwrap();
    for (token, proven) in [
        (Token::bearer("a").unwrap(), false),
        (Token::bearer("a").unwrap().with_scheme("dpop").unwrap(), true),
    ] {
        let client = ServiceBuilder::new()
            .layer(TokenCacheLayer::new(StaticToken::from(token)).allow_any_https_origin())
            .layer(DpopLayer::new(key.clone()))
            .service(api.clone());
        client.oneshot(get("https://api.example/")).await.unwrap();
        assert_eq!(seen.lock().unwrap().pop(), Some(proven));
    }
    DpopLayer::new(key.clone()).layer(api).oneshot(get("https://api.example/")).await.unwrap();
    assert_eq!(seen.lock().unwrap().pop(), Some(false));
    assert!(format!("{key:?}").contains("[censored]"));

    let http = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::from(BOUND)))
    });
    let source = ClientCredentials::new(http, TOKEN_URL, "app", "hush").unwrap();
    let error = source.oneshot(TokenRequest::new(TokenKey::new(), FetchReason::Missing)).await;
    assert!(error.unwrap_err().to_string().contains("not Bearer"));
}

/// Processes around one store: each token is of use to those that have its key.
#[cfg(feature = "shared")]
#[tokio::test]
async fn rule_1_a_bound_token_is_shared_by_the_processes_that_have_its_key() {
    use tower_heed::{
        store::{InMemory, SealingKeys},
        token_cache::Shared,
    };

    let (store, issued) = (InMemory::new(), Arc::new(Mutex::new(0)));
    let process = |key: &DpopKey, own: Option<TokenKey>| {
        let issued = Arc::clone(&issued);
        let http = service_fn(move |_: Request<Body>| {
            *issued.lock().unwrap() += 1;
            let body = BOUND.replace("bound", &format!("t{}", issued.lock().unwrap()));
            async move { Ok::<_, Infallible>(Response::new(Body::from(body))) }
        });
        let source = ClientCredentials::new(http, TOKEN_URL, "app", "hush").unwrap();
        let source = source.dpop(key.clone());
        let own = own.unwrap_or_else(|| source.key().clone());
        Shared::new(own, source, store.clone(), SealingKeys::in_clear_text(&[1; 32]))
    };
    let by_hand = || TokenKey::new().with_client(TOKEN_URL, "app", "client_secret_post");
    let [one, other] = [(); 2].map(|()| DpopKey::generate().unwrap());
    let mut tokens = Vec::new();
    for (key, own, asked) in [
        (&one, None, TokenKey::new()),
        (&other, None, TokenKey::new()),
        (&one, None, TokenKey::new()),
        // A name that says nothing about the key: nothing is shared.
        (&one, Some(by_hand()), TokenKey::new()),
        (&other, Some(by_hand()), TokenKey::new()),
        (&one, None, by_hand()),
        (&other, None, by_hand()),
    ] {
        let request = TokenRequest::new(asked, FetchReason::Missing);
        let token = process(key, own).oneshot(request).await.unwrap();
        tokens.push(token.header_value().to_str().unwrap().to_owned());
    }
    assert_eq!(
        tokens,
        ["t1", "t2", "t1", "t3", "t4", "t5", "t6"].map(|name| format!("DPoP {name}.token"))
    );
}
