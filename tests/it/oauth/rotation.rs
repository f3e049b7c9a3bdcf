//! Credentials that are replaced while the program runs, and the presets that take them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_heed::{
    BoxError, TokenCacheLayer,
    error::{TokenError, TokenErrorKind},
    oauth::{AuthMethod, ClientCredentials, Credentials},
    token_cache::{FetchReason, Token, TokenKey, TokenRequest},
};

use crate::token_cache::support::{Api, no_token, status};

type Form = Full<Bytes>;
type Http = BoxCloneService<Request<Form>, Response<Form>, BoxError>;

/// What an endpoint got: its address, the `Authorization`, the form.
type Got = (String, Option<String>, String);
type Seen = Arc<Mutex<Vec<Got>>>;

/// An endpoint that takes one secret, and what it got.
fn endpoint(good: &'static str) -> (Http, Seen) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<Form>| {
            let seen = Arc::clone(&seen);
            async move {
                let (head, body) = request.into_parts();
                let form = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
                let basic = head.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap());
                let (status, body) = if form.contains(good) {
                    (200, r#"{"access_token":"eyJ","expires_in":3600,"token_type":"Bearer"}"#)
                } else {
                    (401, r#"{"error":"invalid_client"}"#)
                };
                let basic = basic.map(str::to_owned);
                seen.lock().unwrap().push((head.uri.to_string(), basic, form));
                Ok(Response::builder().status(status).body(Form::from(body))?)
            }
        }
    });
    (BoxCloneService::new(service), seen)
}

async fn ask<S>(source: S) -> Result<Token, TokenError>
where
    S: Service<TokenRequest, Response = Token, Error = TokenError>,
{
    source.oneshot(TokenRequest::new(TokenKey::new(), FetchReason::Missing)).await
}

#[tokio::test]
async fn rule_22_a_rejection_is_outdated_once_the_credentials_are_replaced() {
    let (http, seen) = endpoint("client_secret=new");
    let credentials = Credentials::secret("old").unwrap();
    let url = "https://id.example/token";
    let source = ClientCredentials::new(http, url, "app", credentials.clone()).unwrap();
    let error = ask(source.clone()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Rejected);
    assert!(!error.is_outdated());

    assert!(credentials.replace("broken\n").is_err());
    assert!(!error.is_outdated() && credentials.version() == 0);
    credentials.replace("new").unwrap();
    assert!(error.is_outdated() && error.clone().is_outdated());
    ask(source).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn rule_22_a_failure_that_is_no_rejection_does_not_become_outdated() {
    let http = service_fn(|_: Request<Form>| async {
        let limited = Response::builder().status(429).header("retry-after", "3600");
        Ok::<_, BoxError>(limited.body(Form::default())?)
    });
    let credentials = Credentials::secret("old").unwrap();
    let url = "https://id.example/token";
    let source = ClientCredentials::new(http, url, "app", credentials.clone()).unwrap();
    let error = ask(source).await.unwrap_err();
    credentials.replace("new").unwrap();
    assert!(!error.is_outdated());
}

#[tokio::test]
async fn presets_know_address_audience_and_where_the_secret_goes() {
    async fn got(
        source: ClientCredentials,
        seen: &Mutex<Vec<Got>>,
    ) -> (String, Option<String>, String) {
        ask(source).await.unwrap();
        seen.lock().unwrap().remove(0)
    }
    const BASIC: &str = "Basic YXBwOmh1c2g=";
    let (http, seen) = endpoint("grant_type");

    let source = ClientCredentials::auth0(http.clone(), "acme.eu.auth0.com", "app", "hush");
    let (uri, basic, form) = got(source.unwrap(), &seen).await;
    assert_eq!((uri.as_str(), basic), ("https://acme.eu.auth0.com/oauth/token", None));
    assert_eq!(
        form,
        "grant_type=client_credentials&client_id=app&client_secret=hush\
         &audience=https%3A%2F%2Facme.eu.auth0.com%2Fapi%2Fv2%2F"
    );

    let source = ClientCredentials::okta(http.clone(), "acme.okta.com", "default", "app", "hush");
    let (uri, basic, form) = got(source.unwrap().scopes("read"), &seen).await;
    assert_eq!(uri, "https://acme.okta.com/oauth2/default/v1/token");
    assert_eq!(
        (basic.as_deref(), form.as_str()),
        (Some(BASIC), "grant_type=client_credentials&scope=read")
    );

    let source =
        ClientCredentials::keycloak(http.clone(), "http://127.0.0.1:8080/", "r1", "app", "hush");
    let (uri, basic, form) = got(source.unwrap(), &seen).await;
    assert_eq!(uri, "http://127.0.0.1:8080/realms/r1/protocol/openid-connect/token");
    assert_eq!((basic.as_deref(), form.as_str()), (Some(BASIC), "grant_type=client_credentials"));

    let (http, _) = endpoint("");
    for domain in ["", "https://acme.eu.auth0.com", "acme.eu.auth0.com/", "acme.eu.auth0.com?a"] {
        let error = ClientCredentials::auth0(http.clone(), domain, "app", "hush").unwrap_err();
        assert_eq!(error.what(), format!("Auth0 domain `{domain}`"));
    }
    for part in ["", "..", "a/b", "a b", "a?b"] {
        let base = "https://id.example";
        assert!(ClientCredentials::okta(http.clone(), "a.okta.com", part, "app", "x").is_err());
        assert!(ClientCredentials::keycloak(http.clone(), base, part, "app", "x").is_err());
    }
}

#[test]
fn rule_1_the_key_tells_how_the_client_proves_itself_and_rule_28_shows_no_secret() {
    let (http, _) = endpoint("");
    let source = ClientCredentials::new(http, "https://id.example/token", "app", "hush").unwrap();
    let post = source.key().clone();
    let basic = source.auth_method(AuthMethod::ClientSecretBasic);
    assert_ne!(post, *basic.key());
    assert!(!format!("{basic:?}").contains("hush"));
}

#[tokio::test(start_paused = true)]
async fn rule_22_behind_the_cache_a_cooldown_ends_at_once_when_the_credentials_change() {
    let (http, seen) = endpoint("client_secret=new");
    let credentials = Credentials::secret("old").unwrap();
    let url = "https://id.example/token";
    let source = ClientCredentials::new(http, url, "app", credentials.clone()).unwrap();
    let client = TokenCacheLayer::new(source).allow_any_https_origin().layer(Api::default());
    for _ in 0..3 {
        assert_eq!(no_token(&client).await.kind(), TokenErrorKind::Rejected);
    }
    assert_eq!(seen.lock().unwrap().len(), 1, "in cooldown");
    credentials.replace("new").unwrap();
    assert_eq!(status(&client).await, 200);
    assert_eq!(seen.lock().unwrap().len(), 2);
}
