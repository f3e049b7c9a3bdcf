//! `ClientCredentials`: its requests, and how it reads each response.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header::AUTHORIZATION};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    ErrorClassifyLayer, TokenCacheLayer,
    error::{InvalidConfig, TokenError, TokenErrorKind},
    oauth::{AuthMethod, ClientCredentials, MalformedToken, RequestFormat},
    token_cache::{FetchReason, Token, TokenKey, TokenRequest},
};

use crate::token_cache::support::{Api, HOUR, SECOND, settle, status, timed};

const ENDPOINT: &str = "https://tenant.example/oauth/token";
const GOOD: &str = r#"{"access_token":"eyJ","expires_in":86400,"token_type":"Bearer"}"#;

type Form = Full<Bytes>;

/// A response of the endpoint: status, header fields, body.
type Canned = (u16, &'static [(&'static str, &'static str)], &'static str);

/// What the endpoint saw.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Request<String>>>>);

/// An endpoint with one response to everything, and what it received.
fn endpoint(
    (status, headers, body): Canned,
) -> (
    impl Service<Request<Form>, Response = Response<Form>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static,
    Seen,
) {
    let seen = Seen::default();
    let service = service_fn({
        let seen = seen.clone();
        move |request: Request<Form>| {
            let seen = seen.clone();
            async move {
                let (parts, form) = request.into_parts();
                let form = form.collect().await?.to_bytes();
                let form = String::from_utf8(form.to_vec()).unwrap();
                seen.0.lock().unwrap().push(Request::from_parts(parts, form));
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(*name, *value);
                }
                Ok(response.body(Form::from(body)).unwrap())
            }
        }
    });
    (service, seen)
}

impl Seen {
    fn one(&self) -> (Method, String, HeaderMap, String) {
        let seen = self.0.lock().unwrap();
        let [request] = &seen[..] else { panic!("{} requests", seen.len()) };
        (
            request.method().clone(),
            request.uri().to_string(),
            request.headers().clone(),
            request.body().clone(),
        )
    }
}

fn request() -> TokenRequest {
    TokenRequest::new(TokenKey::new(), FetchReason::Missing)
}

async fn exchange(canned: Canned) -> Result<Token, TokenError> {
    let (http, _) = endpoint(canned);
    ClientCredentials::new(http, ENDPOINT, "app", "hush").unwrap().oneshot(request()).await
}

#[tokio::test]
async fn a_form_with_the_secret_in_it() {
    let (http, seen) = endpoint((200, &[], GOOD));
    let source = ClientCredentials::new(http, ENDPOINT, "app", "h&sh=")
        .unwrap()
        .audience("https://tenant.example/api/v2/")
        .organization("org_1")
        .scopes("read:users")
        .parameter("resource", "r1")
        .unwrap();
    let token = source.oneshot(request()).await.unwrap();
    assert_eq!(token.header_value(), "Bearer eyJ");
    let (method, uri, headers, form) = seen.one();
    assert_eq!((method, uri.as_str()), (Method::POST, ENDPOINT));
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(headers["accept"], "application/json");
    assert!(!headers.contains_key(AUTHORIZATION));
    assert_eq!(
        form,
        "grant_type=client_credentials&client_id=app&client_secret=h%26sh%3D\
         &audience=https%3A%2F%2Ftenant.example%2Fapi%2Fv2%2F&organization=org_1\
         &scope=read%3Ausers&resource=r1"
    );
}

#[tokio::test]
async fn a_json_object_as_auth0_takes_it() {
    let (http, seen) = endpoint((200, &[], GOOD));
    let source = ClientCredentials::new(http, ENDPOINT, "app", "h\"sh")
        .unwrap()
        .audience("api")
        .format(RequestFormat::Json);
    source.oneshot(request()).await.unwrap();
    let (_, _, headers, body) = seen.one();
    assert_eq!(headers["content-type"], "application/json");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "grant_type": "client_credentials", "client_id": "app", "client_secret": "h\"sh", "audience": "api",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_basic_header_and_no_secret_in_the_body() {
    let (http, seen) = endpoint((200, &[], GOOD));
    let source = ClientCredentials::new(http, ENDPOINT, "app", "h:sh")
        .unwrap()
        .auth_method(AuthMethod::ClientSecretBasic);
    source.oneshot(request()).await.unwrap();
    let (_, _, headers, form) = seen.one();
    // base64 of `app:h%3Ash`
    assert_eq!(headers[AUTHORIZATION], "Basic YXBwOmglM0FzaA==");
    assert!(headers[AUTHORIZATION].is_sensitive());
    assert_eq!(form, "grant_type=client_credentials");
}

#[tokio::test]
async fn rule_1_the_requests_key_comes_before_the_clients_own() {
    let (http, seen) = endpoint((200, &[], GOOD));
    let source =
        ClientCredentials::new(http, ENDPOINT, "app", "hush").unwrap().audience("own").scopes("a");
    assert_ne!(*source.key(), TokenKey::new().with_audience("own").with_scopes("a"));
    let key = TokenKey::new().with_audience("other").with_organization("org");
    source.oneshot(TokenRequest::new(key, FetchReason::Missing)).await.unwrap();
    let (.., form) = seen.one();
    assert!(form.ends_with("&audience=other&organization=org&scope=a"), "{form}");
}

#[tokio::test]
async fn rule_29_errors_show_status_and_code_and_the_description_only_by_its_accessor() {
    const WRONG: &str = r#"{"error":"access_denied","error_description":"Unauthorized"}"#;
    let error = exchange((401, &[], WRONG)).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Rejected);
    assert_eq!(
        error.to_string(),
        "no token: the token endpoint rejected the request (401, access_denied)"
    );
    assert_eq!(error.description(), Some("Unauthorized"));
    assert!(!format!("{error:?}").contains("Unauthorized"));
}

#[tokio::test]
async fn rule_22_each_response_has_its_kind() {
    const LIMIT: &str =
        r#"{"error":"too_many_requests","error_description":"Client quota exceeded"}"#;
    const AFTER: &[(&str, &str)] = &[("retry-after", "30")];
    // `Retry-After` comes before what the buckets say, and those that have something left say nothing.
    const BOTH: &[(&str, &str)] =
        &[("retry-after", "30"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "90")];
    const QUOTA: &[(&str, &str)] = &[
        ("x-ratelimit-remaining", "40"),
        ("x-ratelimit-reset", "90"),
        ("auth0-client-quota-limit", "b=per_hour;q=10;r=7;t=3540,b=per_day;q=50;r=0;t=43200"),
    ];
    // Both are spent: the limit's reset before the quotas', unless it is over.
    const LIMIT_AND_QUOTA: &[(&str, &str)] = &[
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "90"),
        ("auth0-client-quota-limit", "b=per_hour;q=10;r=7;t=3540,b=per_day;q=50;r=0;t=43200"),
    ];
    const OVER_AND_QUOTA: &[(&str, &str)] = &[
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "0"),
        ("auth0-organization-quota-limit", "b=per_hour;q=10;r=0;t=3540"),
    ];
    for (canned, failure, wait) in [
        ((429, LIMIT_AND_QUOTA, LIMIT), TokenErrorKind::RateLimited, Some(90)),
        ((429, OVER_AND_QUOTA, LIMIT), TokenErrorKind::RateLimited, Some(3540)),
        ((429, AFTER, LIMIT), TokenErrorKind::RateLimited, Some(30)),
        ((429, &[], ""), TokenErrorKind::RateLimited, None),
        ((429, BOTH, LIMIT), TokenErrorKind::RateLimited, Some(30)),
        ((429, BOTH.split_at(1).1, LIMIT), TokenErrorKind::RateLimited, Some(90)),
        ((429, QUOTA, LIMIT), TokenErrorKind::RateLimited, Some(43_200)),
        ((503, AFTER, ""), TokenErrorKind::RateLimited, Some(30)),
        ((503, &[], "<html>"), TokenErrorKind::Unavailable, None),
        ((500, &[], r#"{"error":"server_error"}"#), TokenErrorKind::Unavailable, None),
        ((504, &[], ""), TokenErrorKind::Timeout, None),
        ((400, &[], r#"{"error":"invalid_scope"}"#), TokenErrorKind::Rejected, None),
        ((401, &[], r#"{"error":"invalid_client"}"#), TokenErrorKind::Rejected, None),
        ((403, &[], r#"{"error":"unauthorized_client"}"#), TokenErrorKind::Rejected, None),
        ((404, &[], "not here"), TokenErrorKind::Rejected, None),
    ] {
        let error = exchange(canned).await.unwrap_err();
        let wait = wait.map(Duration::from_secs);
        assert_eq!((error.kind(), error.retry_after()), (failure, wait), "{canned:?}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(canned.0));
    }
}

#[tokio::test]
async fn rule_15_a_redirect_is_rejected() {
    const ELSEWHERE: &[(&str, &str)] = &[("location", "https://evil.example/")];
    for status in [301, 302, 303, 307, 308] {
        let error = exchange((status, ELSEWHERE, "")).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Malformed);
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "a token endpoint's redirect is not followed");
    }
}

#[tokio::test]
async fn rule_15_a_success_without_a_usable_token_is_malformed_and_says_why() {
    for (body, why) in [
        ("", MalformedToken::Empty),
        ("<!DOCTYPE html><title>Sign in</title>", MalformedToken::NotJson),
        (r#"{"access_token":"a\nb","token_type":"Bearer"}"#, MalformedToken::UnsendableToken),
        (r#"{"access_token":"a","token_type":"mac"}"#, MalformedToken::NotBearer),
        (
            r#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#,
            MalformedToken::BadLifetime,
        ),
    ] {
        let error = exchange((200, &[], body)).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Malformed);
        let found = tower_heed::error::find::<MalformedToken>(&error);
        assert_eq!(found, Some(&why), "{body}");
    }
    // GitHub sends errors with 200.
    let error = exchange((200, &[], r#"{"error":"bad_verification_code"}"#)).await.unwrap_err();
    assert_eq!(error.code(), Some("bad_verification_code"));
    assert_eq!(error.kind(), TokenErrorKind::Rejected);
}

/// A body that claims a length, and gives endless chunks, or nothing.
struct Lying {
    claims: Option<u64>,
    gives: bool,
}

impl Body for Lying {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.gives {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1000])))));
        }
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        self.claims.map(SizeHint::with_exact).unwrap_or_default()
    }
}

async fn lying(status: u16, claims: Option<u64>, gives: bool) -> (TokenError, Duration) {
    let http = service_fn(move |_: Request<Form>| async move {
        Response::builder().status(status).body(Lying { claims, gives })
    });
    let source = ClientCredentials::new(http, ENDPOINT, "app", "hush").unwrap();
    let (token, took) = timed(source.oneshot(request())).await;
    (token.unwrap_err(), took)
}

#[tokio::test(start_paused = true)]
async fn rule_15_a_response_is_read_up_to_64_kib_whatever_its_length_claims() {
    const FIVE_GB: u64 = 5 << 30;
    for (claims, gives) in [(Some(FIVE_GB), false), (Some(FIVE_GB), true), (None, true)] {
        let (error, took) = lying(200, claims, gives).await;
        assert_eq!((error.kind(), took), (TokenErrorKind::Malformed, Duration::ZERO));
        let why = tower_heed::error::find::<MalformedToken>(&error);
        assert_eq!(why, Some(&MalformedToken::TooLong));
        let (error, _) = lying(401, claims, gives).await;
        assert_eq!(error.kind(), TokenErrorKind::Rejected, "the head has said what matters");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_has_a_time_limit_over_head_and_body() {
    let (error, took) = lying(200, None, false).await;
    assert_eq!((error.kind(), took), (TokenErrorKind::Timeout, 10 * SECOND));
    let (error, took) = lying(429, None, false).await;
    assert_eq!((error.kind(), took), (TokenErrorKind::RateLimited, 10 * SECOND));

    let http =
        service_fn(|_: Request<Form>| std::future::pending::<Result<Response<Form>, Infallible>>());
    let source = ClientCredentials::new(http, ENDPOINT, "app", "hush").unwrap();
    for (limit, expected) in [(2 * SECOND, 2 * SECOND), (Duration::ZERO, Duration::from_millis(1))]
    {
        let (token, took) = timed(source.clone().timeout(limit).oneshot(request())).await;
        assert_eq!((token.unwrap_err().kind(), took), (TokenErrorKind::Timeout, expected));
    }
    let (http, _) = endpoint_any();
    let source = ClientCredentials::new(http, ENDPOINT, "app", "hush").unwrap();
    assert!(source.timeout(Duration::MAX).oneshot(request()).await.is_ok());
}

#[tokio::test]
async fn an_error_of_the_client_is_classed() {
    let http = service_fn(|_: Request<Form>| async {
        Err::<Response<Form>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
    });
    let source = ClientCredentials::new(http, ENDPOINT, "app", "hush").unwrap();
    let error = source.oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Unavailable);
    let expected = "no token: cannot reach the token endpoint: connection refused";
    assert_eq!(error.to_string(), expected);
    assert!(format!("{error:?}").contains("connection refused"), "{error:?}");
}

#[test]
fn what_cannot_be_used_is_rejected_by_name_and_without_the_secret() {
    let new = |endpoint: &str, id: &str, secret: &str| {
        let (http, _) = endpoint_any();
        ClientCredentials::new(http, endpoint, id, secret).map(|_| ())
    };
    let what = |result: Result<(), InvalidConfig>| {
        let error = result.unwrap_err();
        assert!(!error.to_string().contains("hush"), "{error}");
        error.what().to_owned()
    };
    assert_eq!(what(new(ENDPOINT, "app", "hush\n")), "client secret");
    assert_eq!(what(new(ENDPOINT, "app", "hu\0sh")), "client secret");
    assert_eq!(what(new(ENDPOINT, "app", "")), "client secret");
    assert_eq!(what(new(ENDPOINT, "ap\rp", "hush")), "client id");
    assert_eq!(what(new("/oauth/token", "app", "hush")), "token endpoint `/oauth/token`");
    assert_eq!(what(new("https://u:hush@id.example/", "app", "x")), "token endpoint");
    assert_eq!(what(new("http://id.example/", "app", "x")), "token endpoint `http://id.example/`");
    new("http://127.0.0.1:3000/token", "app", "hush").unwrap();

    let (http, _) = endpoint_any();
    let source = ClientCredentials::over_clear_text(http, "http://id.internal/", "app", "hush");
    let source = source.unwrap();
    assert!(!format!("{source:?}").contains("hush"));
    assert!(source.parameter("client_secret", "x").is_err());
}

fn endpoint_any() -> (
    impl Service<Request<Form>, Response = Response<Form>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static,
    Seen,
) {
    endpoint((200, &[], GOOD))
}

#[tokio::test(start_paused = true)]
async fn behind_the_cache_one_exchange_serves_a_day() {
    let (http, seen) = endpoint_any();
    let api = Api::default();
    let source = ClientCredentials::new(http, ENDPOINT, "app", "hush").unwrap();
    let client = TokenCacheLayer::new(source).allow_any_https_origin().layer(api.clone());
    for _ in 0..22 {
        assert_eq!(status(&client).await, 200);
        tokio::time::advance(HOUR).await;
    }
    settle().await;
    assert_eq!(seen.0.lock().unwrap().len(), 1);
    assert_eq!(api.tokens(), ["eyJ"; 22]);
}

/// A client that makes errors of failing responses lost the wait: the endpoint was called again after 5 s.
#[tokio::test]
async fn rule_22_a_client_that_makes_errors_of_responses_loses_neither_status_nor_wait() {
    const AFTER: &[(&str, &str)] = &[("retry-after", "3600")];
    for (canned, failure, wait) in [
        ((429, AFTER, ""), TokenErrorKind::RateLimited, Some(3600)),
        ((429, &[], ""), TokenErrorKind::RateLimited, None),
        ((503, AFTER, ""), TokenErrorKind::RateLimited, Some(3600)),
        ((503, &[], ""), TokenErrorKind::Unavailable, None),
        ((401, &[], r#"{"error":"invalid_client"}"#), TokenErrorKind::Rejected, None),
    ] {
        let (http, _) = endpoint(canned);
        let http = ErrorClassifyLayer::new().error_for_status().layer(http);
        let source = ClientCredentials::new(http, ENDPOINT, "app", "hush").unwrap();
        let request = TokenRequest::new(TokenKey::new(), FetchReason::Missing);
        let error = source.oneshot(request).await.unwrap_err();
        assert_eq!(error.kind(), failure, "{canned:?}");
        assert_eq!(error.retry_after(), wait.map(Duration::from_secs), "{canned:?}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(canned.0));
    }
}

#[test]
fn rule_28_an_address_with_a_password_is_not_repeated_and_a_fragment_is_rejected() {
    let (http, _) = endpoint((200, &[], GOOD));
    for error in [
        ClientCredentials::new(http.clone(), "https://u:sesame@id.example/", "app", "x")
            .unwrap_err(),
        ClientCredentials::auth0(http.clone(), "u:sesame@id.example", "app", "x").unwrap_err(),
        ClientCredentials::okta(http.clone(), "u:sesame@id.example", "s", "app", "x").unwrap_err(),
        ClientCredentials::okta(http.clone(), "id.example", "u:sesame@s", "app", "x").unwrap_err(),
        ClientCredentials::keycloak(http.clone(), "https://u:sesame@id.example", "r", "app", "x")
            .unwrap_err(),
    ] {
        assert!(!error.to_string().contains("sesame"), "{error}");
    }
    // RFC 6749 section 3.2. It was cut off, and all that came after it.
    assert!(
        ClientCredentials::new(http.clone(), "https://id.example/token#a", "app", "x").is_err()
    );
    for base in ["https://id.example#a", "https://id.example?a"] {
        assert!(
            ClientCredentials::keycloak(http.clone(), base, "r", "app", "x").is_err(),
            "{base}"
        );
    }
}
