//! The other grants, and the clients that have no secret: what is sent, and what is made of the response.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt, service_fn};
use tower_heed::{
    error::{TokenError, TokenErrorKind},
    oauth::{
        AuthMethod, ClientCredentials, Credentials, JwtBearer, RefreshToken, SubjectToken,
        TokenExchange,
    },
    token_cache::{FetchReason, Token, TokenKey, TokenRequest},
};

type Form = Full<Bytes>;
type Fields = Vec<(String, String)>;

pub const URL: &str = "https://id.example/token";
const GOOD: &str = r#"{"access_token":"eyJ","expires_in":3600,"token_type":"Bearer"}"#;

/// What an endpoint got.
#[derive(Clone, Default)]
pub struct Seen(pub Arc<Mutex<Vec<Request<Bytes>>>>);

impl Seen {
    pub fn fields(&self) -> Fields {
        let request = self.0.lock().unwrap().remove(0);
        form_urlencoded::parse(request.body()).into_owned().collect()
    }
}

/// An endpoint whose response is made of the request.
pub fn endpoint<F>(
    respond: F,
) -> (
    impl Service<Request<Form>, Response = Response<Form>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static,
    Seen,
)
where
    F: Fn(&Request<Bytes>) -> Response<Form> + Clone + Send + Sync + 'static,
{
    let seen = Seen::default();
    let service = service_fn({
        let seen = seen.clone();
        move |request: Request<Form>| {
            let (seen, respond) = (seen.clone(), respond.clone());
            async move {
                let (head, body) = request.into_parts();
                let request = Request::from_parts(head, body.collect().await?.to_bytes());
                let response = respond(&request);
                seen.0.lock().unwrap().push(request);
                Ok(response)
            }
        }
    });
    (service, seen)
}

pub fn good(_: &Request<Bytes>) -> Response<Form> {
    Response::new(Form::from(GOOD))
}

pub fn request() -> TokenRequest {
    TokenRequest::new(TokenKey::new(), FetchReason::Missing)
}

fn pairs(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub async fn ask<S>(source: S, request: TokenRequest) -> Result<Token, TokenError>
where
    S: Service<TokenRequest, Response = Token, Error = TokenError>,
{
    source.oneshot(request).await
}

#[tokio::test]
async fn rule_49_a_public_client_sends_its_id_and_nothing_else() {
    let (http, seen) = endpoint(good);
    for method in [AuthMethod::ClientSecretPost, AuthMethod::ClientSecretBasic] {
        let client = ClientCredentials::new(http.clone(), URL, "app", Credentials::public());
        let source = RefreshToken::new(client.unwrap().auth_method(method), "rt").unwrap();
        ask(source, request()).await.unwrap();
        let expected =
            [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", "rt")];
        assert_eq!(seen.fields(), pairs(&expected));
    }
}

#[tokio::test]
async fn rule_49_an_assertion_from_a_file_is_read_anew_for_each_exchange() {
    let (http, seen) = endpoint(good);
    let path = std::env::temp_dir().join(format!("tower-heed-{}.jwt", std::process::id()));
    let credentials = Credentials::assertion_file(&path);
    let source = ClientCredentials::new(http, URL, "app", credentials).unwrap();
    let error = ask(source.clone(), request()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Rejected);
    let cause = tower_heed::error::find::<std::io::Error>(&error).unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
    for written in ["eyJ.one", "eyJ.two\n"] {
        std::fs::write(&path, written).unwrap();
        ask(source.clone(), request()).await.unwrap();
        let expected = [
            ("grant_type", "client_credentials"),
            ("client_id", "app"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", written.trim()),
        ];
        assert_eq!(seen.fields(), pairs(&expected));
    }
    std::fs::write(&path, "\n").unwrap();
    assert!(ask(source, request()).await.unwrap_err().to_string().contains("is empty"));
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn rule_49_an_assertion_from_a_function_has_the_time_limit_of_the_exchange() {
    let (http, _) = endpoint(good);
    let never = Credentials::assertion(std::future::pending::<Result<String, _>>);
    let source = ClientCredentials::new(http.clone(), URL, "app", never).unwrap();
    assert_eq!(ask(source, request()).await.unwrap_err().kind(), TokenErrorKind::Timeout);
    let failing = Credentials::assertion(|| async { Err::<String, _>("no agent".into()) });
    let source = ClientCredentials::new(http, URL, "app", failing).unwrap();
    assert!(ask(source, request()).await.unwrap_err().to_string().ends_with("no agent"));
}

#[tokio::test]
async fn rule_49_a_users_token_is_exchanged_and_the_user_is_not_sent() {
    #[derive(Clone)]
    struct User(&'static str);

    let (http, seen) = endpoint(good);
    let client = ClientCredentials::new(http, URL, "app", "hush").unwrap().audience("orders");
    let source = TokenExchange::new(client, |request: TokenRequest| async move {
        let user: &User = request.extensions().get().ok_or("no user")?;
        Ok(SubjectToken::access_token(user.0).with_actor(SubjectToken::id_token("it")))
    })
    .requested_type("urn:x");
    let mut extensions = Extensions::new();
    extensions.insert(User("ut"));
    let key = TokenKey::new().with_subject("user-17").with_scopes("read");
    let wanted = TokenRequest::new(key, FetchReason::Missing).with_extensions(extensions);
    ask(source.clone(), wanted).await.unwrap();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_id", "app"),
        ("client_secret", "hush"),
        ("subject_token", "ut"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("actor_token", "it"),
        ("actor_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("requested_token_type", "urn:x"),
        ("audience", "orders"),
        ("scope", "read"),
    ];
    assert_eq!(seen.fields(), pairs(&expected));
    assert!(ask(source, request()).await.unwrap_err().to_string().ends_with("no user"));
    assert!(!format!("{:?}", SubjectToken::id_token("sesame")).contains("sesame"));
}

#[tokio::test]
async fn rule_49_an_assertion_about_a_user_is_a_grant() {
    let (http, seen) = endpoint(good);
    let client = ClientCredentials::new(http, URL, "app", "hush")
        .unwrap()
        .scopes("s")
        .parameter("requested_token_use", "on_behalf_of")
        .unwrap();
    let source = JwtBearer::new(client, |_| async { Ok("ut") });
    ask(source, request()).await.unwrap();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", "app"),
        ("client_secret", "hush"),
        ("assertion", "ut"),
        ("scope", "s"),
        ("requested_token_use", "on_behalf_of"),
    ];
    assert_eq!(seen.fields(), pairs(&expected));
}

#[tokio::test]
async fn rule_48_basic_credentials_can_be_sent_raw() {
    let (http, seen) = endpoint(good);
    let source = ClientCredentials::new(http, URL, "a:b", "c/d").unwrap();
    ask(source.auth_method(AuthMethod::ClientSecretBasicRaw), request()).await.unwrap();
    // base64 of `a:b:c/d`
    let sent = seen.0.lock().unwrap()[0].headers()["authorization"].clone();
    assert_eq!(sent, "Basic YTpiOmMvZA==");
}

#[tokio::test]
async fn rule_48_what_an_issuer_does_otherwise_is_taken_by_option() {
    let (http, _) = endpoint(|_| {
        let body = r#"{"data":{"jwt":"inner"},"expires_in":90000}"#;
        Response::new(Form::from(body))
    });
    let source = ClientCredentials::new(http, URL, "app", "hush").unwrap();
    let error = ask(source.clone(), request()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Malformed);
    let source = source.token_member("data.jwt").any_token_type().lifetime_in_millis();
    let token = ask(source, request()).await.unwrap();
    assert_eq!(token.header_value(), "Bearer inner");
    assert!(format!("{token:?}").contains("Lasts(90s)"), "{token:?}");
}

#[tokio::test]
async fn rule_48_an_absolute_end_is_read_by_the_issuers_clock() {
    let (http, _) = endpoint(|_| {
        let body =
            r#"{"access_token":"a","token_type":"Bearer","expires_at":"2030-01-01T00:10:00Z"}"#;
        let response = Response::builder().header("date", "Tue, 01 Jan 2030 00:00:00 GMT");
        response.body(Form::from(body)).unwrap()
    });
    let source = ClientCredentials::new(http, URL, "app", "hush").unwrap();
    let token = ask(source, request()).await.unwrap();
    assert!(format!("{token:?}").contains("Lasts(600s)"), "{token:?}");
}

/// The issuer's wait is heeded whatever its status.
#[tokio::test]
async fn rule_44_a_wait_is_read_from_every_failure() {
    for status in [200_u16, 400, 401, 403, 429, 500, 503] {
        let (http, _) = endpoint(move |_| {
            let response = Response::builder().status(status).header("retry-after", "77");
            response.body(Form::from(r#"{"error":"invalid_client"}"#)).unwrap()
        });
        let source = ClientCredentials::new(http, URL, "app", "hush").unwrap();
        let error = ask(source, request()).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(77)), "{status}");
        assert_eq!(error.code(), Some("invalid_client"), "{status}");
    }
}

#[tokio::test]
async fn rule_47_an_error_in_a_success_is_a_refusal() {
    for (code, kind) in [
        ("bad_refresh_token", TokenErrorKind::Rejected),
        ("temporarily_unavailable", TokenErrorKind::Unavailable),
        ("slow_down", TokenErrorKind::RateLimited),
        ("not a code", TokenErrorKind::Rejected),
    ] {
        let (http, _) = endpoint(move |_| {
            Response::new(Form::from(format!(r#"{{"ok":false,"error":"{code}"}}"#)))
        });
        let source = ClientCredentials::new(http, URL, "app", "hush").unwrap();
        let error = ask(source, request()).await.unwrap_err();
        assert_eq!((error.kind(), error.status().map(|s| s.as_u16())), (kind, Some(200)), "{code}");
        assert_eq!(error.code(), Some(code).filter(|code| !code.contains(' ')));
    }
}

/// Each empty frame is ready at once, so the time limit never had its turn.
#[tokio::test]
async fn rule_45_a_response_of_endless_empty_frames_ends() {
    struct Empty;

    impl http_body::Body for Empty {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::new()))))
        }
    }

    let http = service_fn(|_: Request<Form>| async { Ok::<_, Infallible>(Response::new(Empty)) });
    let source = ClientCredentials::new(http, URL, "app", "hush").unwrap();
    let error = ask(source, request()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Malformed);
}

/// Every source sends its secrets, and an issuer repeats them in every form: none is shown.
#[tokio::test]
async fn rule_47_no_source_shows_what_an_issuer_repeats() {
    for form in 0..6 {
        repeated(form).await;
    }
}

async fn repeated(form: usize) {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    let encoded = move |secret: &str| match form {
        0 => secret.to_owned(),
        1 => secret.to_uppercase(),
        2 => secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        3 => BASE64_URL_SAFE_NO_PAD.encode(format!("app:{secret}")),
        4 => secret.chars().rev().collect(),
        _ => secret.chars().flat_map(|char| [char, '.']).collect(),
    };
    for status in [200_u16, 400, 401, 429, 503] {
        // Whatever came in the body, or as a header field.
        let (http, _) = endpoint(move |request| {
            let body = String::from_utf8_lossy(request.body());
            let fields = form_urlencoded::parse(body.as_bytes()).into_owned();
            let mut secrets: Vec<String> = fields
                .filter(|(_, value)| value.contains("sesame"))
                .map(|(_, value)| value)
                .collect();
            if let Some(header) = request.headers().get("authorization") {
                let value = header.to_str().unwrap();
                secrets.push(value.replace("Bearer ", ""));
                secrets.push("sesame-secret".to_owned());
            }
            let text = encoded(&secrets.concat());
            let code: String = text.chars().take(60).collect();
            let body = serde_json::json!({
                "error": code, "error_description": text, "message": text,
                "errors": [{ "code": code, "message": text }],
            });
            Response::builder().status(status).body(Form::from(body.to_string())).unwrap()
        });
        let client = |credentials: Credentials| {
            ClientCredentials::new(http.clone(), URL, "app", credentials).unwrap()
        };
        let secret = || client(Credentials::secret("sesame-secret").unwrap());
        let written = Credentials::assertion(|| async { Ok("sesame.assertion") });
        shown(secret()).await;
        shown(secret().auth_method(AuthMethod::ClientSecretBasic)).await;
        shown(client(written)).await;
        shown(RefreshToken::new(client(Credentials::public()), "sesame-refresh").unwrap()).await;
        shown(TokenExchange::new(secret(), |_| async {
            Ok(SubjectToken::access_token("sesame-subject")
                .with_actor(SubjectToken::id_token("sesame-actor")))
        }))
        .await;
        shown(JwtBearer::new(secret(), |_| async { Ok("sesame-user") })).await;
        let clerk = tower_heed::oauth::ClerkM2m::new(http.clone(), "ak_sesame").unwrap();
        shown(clerk).await;
    }
}

async fn shown<S>(source: S)
where
    S: Service<TokenRequest, Response = Token, Error = TokenError> + std::fmt::Debug,
{
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    let debug = format!("{source:?}");
    let error = ask(source, request()).await.unwrap_err();
    let texts = [debug, error.to_string(), format!("{error:?}"), format!("{error:#?}")];
    let texts = texts.into_iter().chain(error.code().map(str::to_owned));
    let hex: String = "sesam".bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = BASE64_URL_SAFE_NO_PAD.encode("app:sesame");
    let hidden = ["sesam", "emases", "s.e.s.a", &hex, &base64[6..]];
    for text in texts.chain(error.description().map(str::to_owned)) {
        let text = text.to_lowercase();
        for hidden in hidden {
            assert!(!text.contains(&hidden.to_lowercase()), "{hidden} in {text}");
        }
    }
}

#[cfg(feature = "private-key-jwt")]
mod signed {
    use std::time::SystemTime;

    use serde_json::Value;
    use tower_heed::{
        clock::Clock,
        oauth::{Assertion, DpopKey, GitHubApp, PrivateKey, SigningAlgorithm},
    };

    use super::*;
    use crate::oauth::private_key::{ec, rsa_pem, verified};

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn dated(date: &str, status: u16, body: &'static str) -> Response<Form> {
        let response = Response::builder().status(status).header("date", date);
        response.body(Form::from(body)).unwrap()
    }

    fn claims(jwt: &str) -> Value {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        let claims = jwt.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    }

    fn assertion(fields: &Fields, name: &str) -> Value {
        claims(&fields.iter().find(|(known, _)| known == name).unwrap().1)
    }

    #[test]
    fn rule_46_life_type_audience_key_thumbprint_and_claims_can_be_set() {
        // Any bytes: a thumbprint does not look into a certificate.
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let keys = ec();
        let key = PrivateKey::from_pem(SigningAlgorithm::Es256, &keys.pem)
            .unwrap()
            .key_id("k1")
            .certificate(certificate)
            .unwrap();
        let jwt = Assertion::new(key.clone())
            .issuer("i")
            .subject("s")
            .audience("a")
            .typ("client-authentication+jwt")
            .lifetime(Duration::from_secs(300))
            .claim("tid", "t1")
            .claim("level", 3)
            .sign(now())
            .unwrap();
        let (header, claims) = verified(&jwt, &keys);
        let thumbprint = "cJ6AyISHoAmoIaI9DTnGq_Twyx-t2cMW-FFkDQ0SDIc";
        assert_eq!(header["typ"], "client-authentication+jwt");
        assert_eq!((&header["kid"], &header["alg"]), (&"k1".into(), &"ES256".into()));
        assert_eq!(header["x5t#S256"].as_str().unwrap().len(), thumbprint.len());
        assert_eq!(
            (&claims["iss"], &claims["sub"], &claims["aud"]),
            (&"i".into(), &"s".into(), &"a".into())
        );
        assert_eq!((&claims["tid"], &claims["level"]), (&"t1".into(), &3.into()));
        assert_eq!(claims["iat"], 1_699_999_990_u64);
        assert_eq!(claims["exp"], 1_700_000_300_u64);
        let own =
            Assertion::new(key.clone()).claim("iat", 5).claim("jti", "j").sign(now()).unwrap();
        let (_, claims) = verified(&own, &keys);
        assert_eq!((&claims["iat"], &claims["jti"]), (&5.into(), &"j".into()));
        assert!(key.certificate("no certificate").is_err());
    }

    #[tokio::test]
    async fn rule_46_an_assertion_is_dated_by_the_issuers_clock_and_sent_again_at_once() {
        // The issuer is an hour ahead, and takes no assertion that has expired.
        const DATE: &str = "Tue, 14 Nov 2023 23:13:20 GMT";
        let (http, seen) = endpoint(|request| {
            let fields: Fields = form_urlencoded::parse(request.body()).into_owned().collect();
            if assertion(&fields, "client_assertion")["exp"].as_u64().unwrap() < 1_700_003_600 {
                return dated(DATE, 401, r#"{"error":"invalid_client"}"#);
            }
            dated(DATE, 200, GOOD)
        });
        let key = PrivateKey::from_pem(SigningAlgorithm::Es256, &ec().pem).unwrap();
        let source = ClientCredentials::new(http, URL, "app", key)
            .unwrap()
            .clock(Clock::from_system_time(now))
            .assertion(|assertion| assertion.claim("tid", "t1"));
        ask(source.clone(), request()).await.unwrap();
        assert_eq!(assertion(&seen.fields(), "client_assertion")["iat"], 1_699_999_990_u64);
        let second = assertion(&seen.fields(), "client_assertion");
        assert_eq!((&second["iat"], &second["tid"]), (&1_700_003_590_u64.into(), &"t1".into()));
        ask(source, request()).await.unwrap();
        assert_eq!(assertion(&seen.fields(), "client_assertion")["iat"], 1_700_003_590_u64);
        assert!(seen.0.lock().unwrap().is_empty());
    }

    /// A proxy's clock is wrong, not the issuer's.
    #[tokio::test]
    async fn rule_46_a_date_by_which_assertions_are_rejected_is_not_used() {
        const DATE: &str = "Tue, 14 Nov 2023 23:13:20 GMT";
        let (http, seen) = endpoint(|request| {
            let fields: Fields = form_urlencoded::parse(request.body()).into_owned().collect();
            if assertion(&fields, "client_assertion")["iat"].as_u64().unwrap() > 1_700_000_000 {
                return dated(DATE, 400, r#"{"error":"invalid_client"}"#);
            }
            dated(DATE, 200, GOOD)
        });
        let key = PrivateKey::from_pem(SigningAlgorithm::Es256, &ec().pem).unwrap();
        let source = ClientCredentials::new(http, URL, "app", key)
            .unwrap()
            .clock(Clock::from_system_time(now));
        for _ in 0..4 {
            ask(source.clone(), request()).await.unwrap();
        }
        assert_eq!(seen.0.lock().unwrap().len(), 5, "one more, once");
    }

    /// A key that was refused at first had made the right date a suspect for an hour.
    #[tokio::test]
    async fn rule_46_a_wrong_key_does_not_make_the_issuers_date_a_suspect_for_good() {
        const DATE: &str = "Tue, 14 Nov 2023 23:13:20 GMT";
        let known = Arc::new(Mutex::new(false));
        let (http, seen) = endpoint({
            let known = Arc::clone(&known);
            move |request| {
                let fields: Fields = form_urlencoded::parse(request.body()).into_owned().collect();
                let exp = assertion(&fields, "client_assertion")["exp"].as_u64().unwrap();
                if exp < 1_700_003_600 || !*known.lock().unwrap() {
                    return dated(DATE, 401, r#"{"error":"invalid_client"}"#);
                }
                dated(DATE, 200, GOOD)
            }
        });
        let key = PrivateKey::from_pem(SigningAlgorithm::Es256, &ec().pem).unwrap();
        let source = ClientCredentials::new(http, URL, "app", key)
            .unwrap()
            .clock(Clock::from_system_time(now));
        for _ in 0..3 {
            ask(source.clone(), request()).await.unwrap_err();
        }
        assert!(seen.0.lock().unwrap().len() <= 9, "three at most for each exchange");
        *known.lock().unwrap() = true;
        ask(source.clone(), request()).await.unwrap();
        seen.0.lock().unwrap().clear();
        ask(source, request()).await.unwrap();
        assert_eq!(seen.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn rule_49_a_github_app_gets_a_token_for_its_installation() {
        let (http, seen) = endpoint(|_| {
            let body = r#"{"token":"ghs_1","expires_at":"2023-11-14T23:13:20Z","permissions":{"contents":"read"}}"#;
            dated("Tue, 14 Nov 2023 22:13:20 GMT", 201, body)
        });
        let keys = rsa_pem();
        let key = PrivateKey::from_pem(SigningAlgorithm::Rs256, &keys.pem).unwrap();
        let source = GitHubApp::new(http, "Iv1", key, 4711)
            .unwrap()
            .repositories(["one"])
            .permission("contents", "read")
            .clock(Clock::from_system_time(now));
        let token = ask(source.clone(), request()).await.unwrap();
        assert_eq!(token.header_value(), "Bearer ghs_1");
        assert!(format!("{token:?}").contains("Lasts(3600s)"), "{token:?}");
        let sent = seen.0.lock().unwrap().remove(0);
        assert_eq!(sent.uri(), "https://api.github.com/app/installations/4711/access_tokens");
        assert_eq!(sent.headers()["user-agent"], "tower-heed");
        assert_eq!(sent.headers()["accept"], "application/vnd.github+json");
        let body: Value = serde_json::from_slice(sent.body()).unwrap();
        let expected =
            serde_json::json!({ "repositories": ["one"], "permissions": { "contents": "read" } });
        assert_eq!(body, expected);
        let jwt = sent.headers()["authorization"].to_str().unwrap().replace("Bearer ", "");
        let (header, claims) = verified(&jwt, &keys);
        assert_eq!((&header["alg"], &claims["iss"]), (&"RS256".into(), &"Iv1".into()));
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&1_699_999_990_u64.into(), &1_700_000_540_u64.into())
        );

        let other = TokenKey::new().with_organization("42");
        ask(source.clone(), TokenRequest::new(other, FetchReason::Missing)).await.unwrap();
        assert!(seen.0.lock().unwrap().remove(0).uri().path().contains("/42/"));
        let wrong = TokenKey::new().with_organization("../user");
        let error = ask(source.clone(), TokenRequest::new(wrong, FetchReason::Missing)).await;
        assert!(error.unwrap_err().to_string().contains("by its number"));
        assert!(seen.0.lock().unwrap().is_empty() && format!("{source:?}").contains("[censored]"));
    }

    #[tokio::test]
    async fn rule_49_a_google_service_account_signs_its_scopes() {
        let (http, seen) = endpoint(good);
        let keys = rsa_pem();
        let file = serde_json::json!({
            "type": "service_account", "client_email": "app@acme.example", "private_key": keys.pem,
            "private_key_id": "k1", "token_uri": "https://oauth2.example/token",
        });
        let source = JwtBearer::google(http.clone(), file.to_string())
            .unwrap()
            .scopes("https://www.googleapis.com/auth/cloud-platform")
            .subject("ann@acme.example");
        ask(source.clone(), request()).await.unwrap();
        let fields = seen.fields();
        assert_eq!(fields.len(), 2, "{fields:?}");
        let (header, claims) = verified(&fields[1].1, &keys);
        assert_eq!(header["kid"], "k1");
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&"app@acme.example".into(), &"ann@acme.example".into())
        );
        assert_eq!(claims["aud"], "https://oauth2.example/token");
        assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
        let error = JwtBearer::google(http, r#"{"private_key":"sesame"}"#).unwrap_err();
        assert!(!error.to_string().contains("sesame"), "{error}");
    }

    #[tokio::test]
    async fn rule_47_no_signature_is_shown_when_it_is_repeated() {
        let (http, seen) = endpoint(|request| {
            let fields: Fields = form_urlencoded::parse(request.body()).into_owned().collect();
            let jwt = &fields.iter().find(|(name, _)| name == "client_assertion").unwrap().1;
            let (_, signature) = jwt.rsplit_once('.').unwrap();
            let body = serde_json::json!({ "error": &signature[..40], "error_description": jwt });
            Response::builder().status(401).body(Form::from(body.to_string())).unwrap()
        });
        let key = PrivateKey::from_pem(SigningAlgorithm::Es256, &ec().pem).unwrap();
        let source = ClientCredentials::new(http, URL, "app", key).unwrap();
        let source = source.dpop(DpopKey::generate().unwrap());
        let error = ask(source, request()).await.unwrap_err();
        assert_eq!((error.code(), error.description()), (None, None));
        assert_eq!(seen.0.lock().unwrap().len(), 1);
    }
}
