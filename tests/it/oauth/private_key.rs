//! `private_key_jwt`: what an assertion says, and that nothing secret is sent.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_heed::{
    clock::Clock,
    oauth::{
        AuthMethod, ClientCredentials, Credentials, PrivateKey, RequestFormat, SigningAlgorithm,
    },
    token_cache::{FetchReason, TokenKey, TokenRequest},
};

use crate::token_cache::support::SECOND;

type Form = Full<Bytes>;
type Http = BoxCloneService<Request<Form>, Response<Form>, Infallible>;
type Fields = Vec<(String, String)>;
type Seen = Arc<Mutex<Vec<Fields>>>;

/// A key, and how its signatures are verified.
pub struct Keys {
    pub pem: String,
    public: Vec<u8>,
    verification: &'static dyn VerificationAlgorithm,
}

fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn rsa(size: KeySize, verification: &'static dyn VerificationAlgorithm) -> Keys {
    let pair = RsaKeyPair::generate(size).unwrap();
    let pem = pem(pair.as_der().unwrap().as_ref());
    Keys { pem, public: pair.public_key().as_ref().to_vec(), verification }
}

/// One that signs with RS256.
pub fn rsa_pem() -> Keys {
    rsa(KeySize::Rsa2048, &RSA_PKCS1_2048_8192_SHA256)
}

pub fn ec() -> Keys {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let pem = pem(pair.to_pkcs8v1().unwrap().as_ref());
    let public = pair.public_key().as_ref().to_vec();
    Keys { pem, public, verification: &ECDSA_P256_SHA256_FIXED }
}

/// An endpoint that gives tokens, and the fields of the forms that it got.
fn endpoint() -> (Http, Seen) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<Form>| {
            let seen = Arc::clone(&seen);
            async move {
                assert!(!request.headers().contains_key(AUTHORIZATION));
                let body = request.into_body().collect().await?.to_bytes();
                let fields = match serde_json::from_slice(&body) {
                    Ok(Value::Object(fields)) => fields
                        .into_iter()
                        .map(|(name, value)| (name, value.as_str().unwrap().to_owned()))
                        .collect(),
                    _ => form_urlencoded::parse(&body).into_owned().collect(),
                };
                seen.lock().unwrap().push(fields);
                let body = r#"{"access_token":"eyJ","expires_in":3600,"token_type":"Bearer"}"#;
                Ok(Response::new(Form::from(body)))
            }
        }
    });
    (BoxCloneService::new(service), seen)
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    let mut found = fields.iter().filter(|(known, _)| known == name);
    let (Some((_, value)), None) = (found.next(), found.next()) else {
        panic!("not exactly one {name} in {fields:?}")
    };
    value
}

/// Header and claims, after the signature has been verified.
pub fn verified(assertion: &str, keys: &Keys) -> (Value, Value) {
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    UnparsedPublicKey::new(keys.verification, &keys.public)
        .verify(signed.as_bytes(), &decode(signature))
        .unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let json = |part| serde_json::from_slice(&decode(part)).unwrap();
    (json(header), json(claims))
}

fn request() -> TokenRequest {
    TokenRequest::new(TokenKey::new(), FetchReason::Missing)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[tokio::test]
async fn each_algorithm_signs_what_auth0_asks_for() {
    for (algorithm, keys) in [
        (SigningAlgorithm::Rs256, rsa(KeySize::Rsa2048, &RSA_PKCS1_2048_8192_SHA256)),
        (SigningAlgorithm::Ps256, rsa(KeySize::Rsa2048, &RSA_PSS_2048_8192_SHA256)),
        (SigningAlgorithm::Es256, ec()),
    ] {
        let (http, seen) = endpoint();
        let key = PrivateKey::from_pem(algorithm, &keys.pem).unwrap().key_id("key-1");
        let source = ClientCredentials::auth0(http, "acme.eu.auth0.com", "app", key)
            .unwrap()
            .clock(Clock::from_system_time(|| at(1_700_000_000)));
        let token = source.oneshot(request()).await.unwrap();
        assert_eq!(token.header_value(), "Bearer eyJ");

        let fields = seen.lock().unwrap().remove(0);
        assert_eq!(field(&fields, "grant_type"), "client_credentials");
        assert_eq!(field(&fields, "client_id"), "app");
        assert_eq!(field(&fields, "audience"), "https://acme.eu.auth0.com/api/v2/");
        assert_eq!(
            field(&fields, "client_assertion_type"),
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        assert_eq!(fields.len(), 5);
        let (header, claims) = verified(field(&fields, "client_assertion"), &keys);
        let expected =
            serde_json::json!({ "alg": algorithm.as_str(), "kid": "key-1", "typ": "JWT" });
        assert_eq!(header, expected);
        assert_eq!((&claims["iss"], &claims["sub"]), (&"app".into(), &"app".into()));
        assert_eq!(claims["aud"], "https://acme.eu.auth0.com/");
        assert_eq!(claims["iat"], 1_699_999_990_u64);
        assert_eq!(claims["exp"], 1_700_000_060_u64);
        assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_an_assertion_of_its_own() {
    let (http, seen) = endpoint();
    let keys = ec();
    let key = PrivateKey::from_pem(SigningAlgorithm::Es256, &keys.pem).unwrap();
    let mut source = ClientCredentials::new(http, "https://id.example/token", "app", key)
        .unwrap()
        .format(RequestFormat::Json)
        .clock(Clock::starting_at(at(1_000_000)));
    for _ in 0..3 {
        source.ready().await.unwrap().call(request()).await.unwrap();
        tokio::time::advance(30 * SECOND).await;
    }
    let claims: Vec<Value> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|fields| verified(field(fields, "client_assertion"), &keys).1)
        .collect();
    let ids: HashSet<_> = claims.iter().map(|claims| claims["jti"].to_string()).collect();
    assert_eq!(ids.len(), 3);
    let issued: Vec<_> = claims.iter().map(|claims| claims["iat"].as_u64().unwrap()).collect();
    assert_eq!(issued, [999_990, 1_000_020, 1_000_050]);
    assert!(claims.iter().all(|claims| claims["aud"] == "https://id.example/token"));
}

#[tokio::test]
async fn a_secret_can_be_replaced_by_a_key() {
    let (http, seen) = endpoint();
    let credentials = Credentials::secret("hush").unwrap();
    let mut source =
        ClientCredentials::keycloak(http, "https://id.example/", "r1", "app", credentials.clone())
            .unwrap()
            .auth_method(AuthMethod::ClientSecretPost);
    source.ready().await.unwrap().call(request()).await.unwrap();
    let keys = ec();
    let key = PrivateKey::from_pem(SigningAlgorithm::Es256, &keys.pem).unwrap();
    credentials.replace(key).unwrap();
    source.ready().await.unwrap().call(request()).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(field(&seen[0], "client_secret"), "hush");
    let (_, claims) = verified(field(&seen[1], "client_assertion"), &keys);
    assert_eq!(claims["aud"], "https://id.example/realms/r1");
    assert!(seen[1].iter().all(|(name, _)| name != "client_secret"));
}

#[test]
fn an_assertion_of_a_long_key_is_within_auth0s_2048_bytes_and_a_longer_one_is_rejected() {
    let keys = rsa(KeySize::Rsa4096, &RSA_PKCS1_2048_8192_SHA256);
    let key = PrivateKey::from_pem(SigningAlgorithm::Rs256, &keys.pem).unwrap();
    let client = |key| ClientCredentials::auth0(endpoint().0, "acme.eu.auth0.com", "app", key);
    client(key.clone().key_id("a key id of 43 characters, as thumbprints are")).unwrap();
    let error = client(key.key_id("k".repeat(2000))).unwrap_err();
    assert_eq!(error.what(), "private key");
}

#[test]
fn keys_that_do_not_fit_are_rejected_and_no_key_is_shown() {
    let (rsa, ec) = (rsa(KeySize::Rsa2048, &RSA_PKCS1_2048_8192_SHA256), ec());
    for (algorithm, pem) in [
        (SigningAlgorithm::Rs256, ec.pem.as_str()),
        (SigningAlgorithm::Ps256, &ec.pem),
        (SigningAlgorithm::Es256, &rsa.pem),
        (SigningAlgorithm::Es256, ""),
        (SigningAlgorithm::Rs256, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
    ] {
        let error = PrivateKey::from_pem(algorithm, pem).unwrap_err();
        assert_eq!(error.what(), "private key");
    }
    let key = PrivateKey::from_pem(SigningAlgorithm::Es256, &ec.pem).unwrap();
    let source = ClientCredentials::okta_org(endpoint().0, "acme.okta.com", "app", key.clone());
    let secret: String = ec.pem.lines().nth(1).unwrap().chars().skip(60).take(20).collect();
    for shown in [format!("{key:?}"), format!("{:?}", source.unwrap())] {
        assert!(!shown.contains(&secret), "{shown}");
    }
}
