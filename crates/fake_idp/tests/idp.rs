//! The fake identity provider does what its pages say: everything else that is tested against it
//! depends on that.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers fail as a test does"
)]

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, DATE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::time;

use fake_idp::{Fault, Flavour, Headers, Idp, Limit, MISSING, Outcome, Seen, What};

const USER: &str = "GET /api/v2/users/{id}";
const TOKEN: &str = "POST /oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";

type Http = Client<HttpConnector, Full<Bytes>>;

struct Caller {
    http: Http,
    bearer: String,
}

#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Caller {
    fn new(bearer: impl Into<String>) -> Self {
        Self { http: Client::builder(TokioExecutor::new()).build_http(), bearer: bearer.into() }
    }

    fn request(&self, method: Method, url: String, body: &str) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::from(body.to_owned()));
        (*request.method_mut(), *request.uri_mut()) = (method, url.try_into().unwrap());
        if !self.bearer.is_empty() {
            let value = format!("Bearer {}", self.bearer).parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request
    }

    /// The response; `None` where the connection broke before its end.
    async fn send(&self, request: Request<Full<Bytes>>) -> Option<Reply> {
        let (head, body) = self.http.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Some(Reply { status: head.status, headers: head.headers, body })
    }

    async fn try_get(&self, url: String) -> Option<Reply> {
        self.send(self.request(Method::GET, url, "")).await
    }

    async fn get(&self, url: String) -> Reply {
        self.try_get(url).await.expect("a response")
    }

    /// Asks the token endpoint.
    async fn ask(&self, idp: &Idp, kind: &str, authorization: Option<&str>, body: &str) -> Reply {
        let mut request = self.request(Method::POST, idp.token_url(), body);
        request.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
        }
        self.send(request).await.expect("a response")
    }
}

impl Reply {
    fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn number(&self, name: &str) -> u64 {
        self.header(name).unwrap_or_else(|| panic!("{name} in {:?}", self.headers)).parse().unwrap()
    }

    fn unix_date(&self) -> u64 {
        let date = httpdate::parse_http_date(self.header(DATE).expect("a date")).unwrap();
        date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A form that Auth0 would accept, with these parameters instead of or beside the usual.
fn form(idp: &Idp, changed: &[(&str, &str)]) -> String {
    let usual = [
        ("grant_type", "client_credentials"),
        ("client_id", idp.client_id()),
        ("client_secret", &idp.client_secret()),
        ("audience", idp.audience()),
    ];
    let kept = usual.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    let pairs = kept.chain(changed).filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.copied()).finish()
}

// --- limits ---

#[tokio::test(start_paused = true)]
async fn auth0_counts_down_rejects_and_serves_again_at_the_reset() {
    let limit = Limit::fixed_window(3, secs(60));
    let idp = Idp::builder().endpoint_limit(USER, limit).start().await;
    let caller = Caller::new(idp.issue_token());
    for left in [2, 1, 0] {
        let reply = caller.get(idp.url("/api/v2/users/1")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body["user_id"], "1");
        assert_eq!(
            (reply.number("x-ratelimit-limit"), reply.number("x-ratelimit-remaining")),
            (3, left)
        );
    }
    let rejected = caller.get(idp.url("/api/v2/users/1")).await;
    assert_eq!(rejected.status, 429);
    assert_eq!(
        rejected.body,
        json!({
            "statusCode": 429, "error": "Too Many Requests",
            "message": "Global limit has been reached", "errorCode": "too_many_requests",
        })
    );
    assert_eq!(rejected.header(RETRY_AFTER), None);
    let wait = rejected.number("x-ratelimit-reset") - rejected.unix_date();
    assert!((58..=60).contains(&wait), "{wait}");

    time::advance(secs(wait)).await;
    assert_eq!(caller.get(idp.url("/api/v2/users/1")).await.status, 200);
    let seen = idp.seen();
    assert_eq!((seen.requests_to(USER), seen.responded(USER, 200), seen.rate_limited()), (5, 4, 1));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_its_own_limit_shares_that_of_the_api() {
    let idp = Idp::builder()
        .api_limit(Limit::token_bucket(2, secs(10)))
        .endpoint_limit("POST /api/v2/users", Limit::unlimited())
        .start()
        .await;
    let caller = Caller::new(idp.issue_token());
    assert_eq!(caller.get(idp.url("/api/v2/users/1")).await.number("x-ratelimit-remaining"), 1);
    let update = caller.request(Method::PATCH, idp.url("/api/v2/users/1"), "{\"name\":\"Ann\"}");
    let updated = caller.send(update).await.unwrap();
    assert_eq!(
        (updated.number("x-ratelimit-remaining"), &updated.body["name"]),
        (0, &json!("Ann"))
    );
    assert_eq!(caller.get(idp.url("/api/v2/users/2")).await.status, 429);
    assert_eq!(caller.get(idp.url("/slow/0")).await.status, 200, "not of the API");

    let created =
        caller.send(caller.request(Method::POST, idp.url("/api/v2/users"), "{}")).await.unwrap();
    assert_eq!((created.status, created.header("x-ratelimit-limit")), (StatusCode::CREATED, None));
    let bad = caller
        .send(caller.request(Method::POST, idp.url("/api/v2/users"), "no json"))
        .await
        .unwrap();
    assert_eq!(bad.status, 400);
}

#[tokio::test(start_paused = true)]
async fn each_style_of_headers_is_written_as_its_provider_does() {
    // The names of a style's headers on a 200, and on a 429.
    let triple = |prefix: &str| {
        ["limit", "remaining", "reset"].map(|name| format!("{prefix}{name}")).to_vec()
    };
    let and = |mut names: Vec<String>, more: &[&str]| {
        names.extend(more.iter().map(|name| (*name).to_owned()));
        names.sort();
        names
    };
    let (x, none) = (triple("x-ratelimit-"), Vec::new());
    let quota = "auth0-client-quota-limit";
    let draft = and(none.clone(), &["ratelimit", "ratelimit-policy"]);
    for (style, served, rejected) in [
        (Headers::None, none.clone(), none.clone()),
        (Headers::RetryAfterOnly, none.clone(), and(none.clone(), &["retry-after"])),
        (Headers::RetryAfterDate, none.clone(), and(none.clone(), &["retry-after"])),
        (Headers::XRateLimit, x.clone(), x.clone()),
        (Headers::XRateLimitAndRetryAfter, x.clone(), and(x.clone(), &["retry-after"])),
        (Headers::XRateLimitDelta, x.clone(), x.clone()),
        (Headers::XRateLimitHyphenated, triple("x-rate-limit-"), triple("x-rate-limit-")),
        (Headers::IetfDraft3, triple("ratelimit-"), triple("ratelimit-")),
        (Headers::IetfDraft, draft.clone(), draft),
        (Headers::Auth0Policy, x.clone(), and(x.clone(), &["auth0-ratelimit", "retry-after"])),
        (Headers::Auth0Quota, and(none, &[quota]), and(x, &[quota, "retry-after"])),
    ] {
        let limit = Limit::sliding_log(1, secs(30)).headers(style);
        let idp = Idp::builder().endpoint_limit("GET /slow/{ms}", limit).start().await;
        let caller = Caller::new("");
        for (status, expected) in [(200, served), (429, rejected)] {
            let reply = caller.get(idp.url("/slow/0")).await;
            assert_eq!(reply.status, status, "{style:?}");
            let plain = ["content-type", "content-length", "date"];
            let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
            names.retain(|name| !plain.contains(&name.as_str()));
            names.sort();
            assert_eq!(names, expected, "{style:?} {status}");
            if status == 429 {
                check_values(style, &reply);
            }
        }
    }
}

/// The limit is one in 30 s, and it has just been used.
fn check_values(style: Headers, reply: &Reply) {
    let unix = reply.unix_date() + 30..=reply.unix_date() + 31;
    match style {
        Headers::XRateLimit | Headers::XRateLimitAndRetryAfter => {
            assert!(unix.contains(&reply.number("x-ratelimit-reset")), "{reply:?}");
        }
        Headers::XRateLimitDelta => assert_eq!(reply.number("x-ratelimit-reset"), 30),
        Headers::XRateLimitHyphenated => {
            assert!(unix.contains(&reply.number("x-rate-limit-reset")));
        }
        Headers::IetfDraft3 => assert_eq!(reply.number("ratelimit-reset"), 30),
        Headers::IetfDraft => {
            assert_eq!(reply.header("ratelimit"), Some("\"default\";r=0;t=30"));
            assert_eq!(reply.header("ratelimit-policy"), Some("\"default\";q=1;w=30"));
        }
        Headers::Auth0Policy => {
            assert_eq!(reply.header("auth0-ratelimit"), Some("client;q=1;t=30;r=0"));
            assert_eq!(
                reply.number("x-ratelimit-remaining"),
                99,
                "of the tenant, not of the client"
            );
        }
        Headers::Auth0Quota => {
            assert_eq!(reply.header("auth0-client-quota-limit"), Some("b=per_hour;q=1;r=0;t=30"));
        }
        Headers::RetryAfterDate => {
            let date = httpdate::parse_http_date(reply.header(RETRY_AFTER).unwrap()).unwrap();
            let date = date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            assert!(unix.contains(&date), "{reply:?}");
        }
        Headers::None | Headers::RetryAfterOnly => {}
    }
    if style != Headers::RetryAfterDate && reply.headers.contains_key(RETRY_AFTER) {
        assert_eq!(reply.header(RETRY_AFTER), Some("30"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_shows_in_the_date_and_in_the_reset_and_a_wrong_proxy_in_the_date_alone() {
    let limit = || Limit::fixed_window(1, secs(60));
    let right = Idp::builder().endpoint_limit("GET /slow/{ms}", limit()).start().await;
    let wrong =
        Idp::builder().endpoint_limit("GET /slow/{ms}", limit()).clock_skew(-7_200).start().await;
    let proxy =
        Idp::builder().endpoint_limit("GET /slow/{ms}", limit()).date_skew(600).start().await;
    let caller = Caller::new("");
    let mut reply = Vec::new();
    for idp in [&right, &wrong, &proxy] {
        let response = caller.get(idp.url("/slow/0")).await;
        reply.push((response.unix_date(), response.number("x-ratelimit-reset")));
    }
    // The three started within one second or two.
    let near = |left: u64, right: u64| left.abs_diff(right) <= 2;
    assert!(
        near(reply[1].0 + 7_200, reply[0].0) && near(reply[1].1 + 7_200, reply[0].1),
        "{reply:?}"
    );
    assert!(near(reply[2].0, reply[0].0 + 600) && near(reply[2].1, reply[0].1), "{reply:?}");
}

// --- the token endpoint ---

#[tokio::test(start_paused = true)]
async fn a_token_is_had_by_form_and_by_json_with_basic_and_with_post() {
    let (id, secret) = ("an id", "s&c=r:t+%é");
    let idp = Idp::builder().client(id, secret).organization("org_1").start().await;
    let caller = Caller::new("");
    let fields = json!({
        "grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": idp.audience(),
    });
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(id), encode(secret));
    let basic = format!(
        "basic {}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair)
    );
    let bare = form(&idp, &[("client_id", ""), ("client_secret", ""), ("organization", "org_1")]);
    for reply in [
        caller.ask(&idp, FORM, None, &form(&idp, &[])).await,
        caller.ask(&idp, "application/json; charset=utf-8", None, &fields.to_string()).await,
        caller.ask(&idp, FORM, Some(&basic), &bare).await,
    ] {
        assert_eq!(
            (reply.status, reply.header(CACHE_CONTROL)),
            (StatusCode::OK, Some("no-store")),
            "{reply:?}"
        );
        assert_eq!(reply.body["token_type"], "Bearer");
        assert_eq!(reply.body["expires_in"], 86_400);
        assert_eq!(reply.body["scope"], "read:users create:users update:users");
        let caller = Caller::new(reply.body["access_token"].as_str().unwrap());
        assert_eq!(caller.get(idp.url("/api/v2/users/1")).await.status, 200);
    }
    let issued = idp.issued();
    assert_eq!(issued.len(), 3);
    assert!(issued[0].text != issued[1].text && issued[2].organization.as_deref() == Some("org_1"));
    assert_eq!((idp.seen().tokens_granted, idp.seen().tokens_rejected), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn auth0_says_why_it_gives_no_token() {
    let idp = Idp::builder().start().await;
    let caller = Caller::new("");
    let mut rejected = 0;
    for (changed, status, error, part) in [
        (("client_secret", "wrong"), 401, "access_denied", "Unauthorized"),
        (("client_id", "other"), 401, "access_denied", "Unauthorized"),
        (("client_secret", ""), 401, "access_denied", "Unauthorized"),
        (
            ("audience", "https://other/"),
            403,
            "access_denied",
            "not authorized to access \"https://other/\"",
        ),
        (("audience", ""), 403, "access_denied", "No audience parameter"),
        (
            ("grant_type", "password"),
            403,
            "unauthorized_client",
            "Grant type 'password' not allowed",
        ),
        (("grant_type", ""), 400, "invalid_request", "grant_type"),
        (("organization", "org_2"), 403, "access_denied", "org_2"),
    ] {
        let reply = caller.ask(&idp, FORM, None, &form(&idp, &[changed])).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body["error"]),
            (status, &json!(error)),
            "{changed:?}"
        );
        assert!(reply.body["error_description"].as_str().unwrap().contains(part), "{reply:?}");
        rejected += 1;
    }
    let twice = form(&idp, &[]) + "&audience=again";
    let both = ("basic ZmFrZS1jbGllbnQ6eA==", form(&idp, &[]));
    for reply in [
        caller.ask(&idp, FORM, None, &twice).await,
        caller.ask(&idp, FORM, Some(both.0), &both.1).await,
        caller.ask(&idp, FORM, Some("basic ???"), &both.1).await,
        caller.ask(&idp, "application/json", None, "{").await,
        caller.ask(&idp, "text/plain", None, &form(&idp, &[])).await,
    ] {
        assert_eq!(
            (reply.status.as_u16(), &reply.body["error"]),
            (400, &json!("invalid_request")),
            "{reply:?}"
        );
        rejected += 1;
    }
    let seen = idp.seen();
    assert_eq!((seen.tokens_granted, seen.tokens_rejected, idp.issued().len()), (0, rejected, 0));
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_good_at_once_and_the_old_one_no_longer() {
    let idp = Idp::builder().start().await;
    let (caller, old) = (Caller::new(""), form(&idp, &[]));
    idp.rotate_secret("new");
    assert_eq!(caller.ask(&idp, FORM, None, &old).await.status, 401);
    assert_eq!(caller.ask(&idp, FORM, None, &form(&idp, &[])).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_token_endpoint_has_its_own_limit() {
    let idp = Idp::builder().token_limit(Limit::fixed_window(1, secs(60))).start().await;
    let caller = Caller::new("");
    assert_eq!(caller.ask(&idp, FORM, None, &form(&idp, &[])).await.status, 200);
    let rejected = caller.ask(&idp, FORM, None, &form(&idp, &[])).await;
    assert_eq!(rejected.status, 429);
    assert_eq!(
        rejected.body,
        json!({ "error": "too_many_requests", "error_description": "Rate limit exceeded." })
    );
    assert!((59..=60).contains(&rejected.number("retry-after")));
    assert_eq!(rejected.number("x-ratelimit-remaining"), 99);
    assert_eq!((idp.seen().tokens_granted, idp.seen().tokens_rejected), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_announced_lifetime_can_be_wrong() {
    let idp = Idp::builder().token_lifetime(secs(5)).expires_in(secs(3_600)).start().await;
    let reply = Caller::new("").ask(&idp, FORM, None, &form(&idp, &[])).await;
    assert_eq!(reply.body["expires_in"], 3_600);
    let caller = Caller::new(reply.body["access_token"].as_str().unwrap());
    time::advance(Duration::from_millis(4_900)).await;
    assert_eq!(caller.get(idp.url("/api/v2/users/1")).await.status, 200);
    time::advance(Duration::from_millis(100)).await;
    let late = caller.get(idp.url("/api/v2/users/1")).await;
    assert_eq!(
        late.body["attributes"]["error"],
        "Expired token received for JSON Web Token validation"
    );
}

// --- the API ---

#[tokio::test(start_paused = true)]
async fn auth0_challenges_as_hapi_does() {
    let idp = Idp::builder().scopes(&["read:users"]).start().await;
    let revoked = idp.issue_token();
    assert!(idp.revoke(&revoked) && !idp.revoke(&revoked));
    let url = || idp.url("/api/v2/users/1");
    for (token, status, challenge) in [
        ("", 401, Some("Bearer")),
        ("opaque", 400, None),
        (
            "a.b.c",
            401,
            Some("Bearer error=\"Invalid signature received for JSON Web Token validation\""),
        ),
        (&revoked, 401, Some("Bearer error=\"Invalid token\"")),
    ] {
        let reply = Caller::new(token).get(url()).await;
        assert_eq!((reply.status.as_u16(), reply.header(WWW_AUTHENTICATE)), (status, challenge));
        assert_eq!(reply.body["statusCode"], status);
    }
    let caller = Caller::new(idp.issue_token());
    assert_eq!(caller.get(url()).await.status, 200);
    assert_eq!(caller.get(idp.url(&format!("/api/v2/users/{MISSING}"))).await.status, 404);
    assert_eq!(caller.get(idp.url("/nowhere")).await.status, 404);
    let forbidden =
        caller.send(caller.request(Method::POST, idp.url("/api/v2/users"), "{}")).await.unwrap();
    assert_eq!(
        forbidden.body,
        json!({
            "statusCode": 403, "error": "Forbidden",
            "message": "Insufficient scope, expected any of: create:users", "errorCode": "insufficient_scope",
        })
    );
    assert_eq!(idp.revoke_all(), 1);
    assert_eq!(caller.get(url()).await.status, 401);
    assert_eq!(idp.seen().requests_to(Seen::UNKNOWN), 1);
}

#[tokio::test(start_paused = true)]
async fn okta_has_its_own_hyphens_codes_and_challenges() {
    let user = "GET /api/v1/users/{id}";
    let limit = Limit::fixed_window(2, secs(60));
    let idp = Idp::builder().flavour(Flavour::Okta).endpoint_limit(user, limit).start().await;
    let reply =
        Caller::new("").ask(&idp, FORM, None, &form(&idp, &[("scope", "okta.users.read")])).await;
    assert_eq!(reply.body["expires_in"], 3_600);
    let caller = Caller::new(reply.body["access_token"].as_str().unwrap());

    let forbidden =
        caller.send(caller.request(Method::POST, idp.url("/api/v1/users"), "{}")).await.unwrap();
    assert_eq!(
        (forbidden.status.as_u16(), &forbidden.body["errorCode"]),
        (403, &json!("E0000006"))
    );
    let challenge = forbidden.header(WWW_AUTHENTICATE).unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\"")
            && challenge.contains("scope=\"okta.users.manage\"")
    );

    assert_eq!(caller.get(idp.url("/api/v1/users/1")).await.number("x-rate-limit-remaining"), 1);
    let invalid = Caller::new("a.b.c").get(idp.url("/api/v1/users/1")).await;
    assert_eq!((invalid.status.as_u16(), &invalid.body["errorCode"]), (401, &json!("E0000011")));
    assert!(invalid.header(WWW_AUTHENTICATE).unwrap().contains("error=\"invalid_token\""));
    let rejected = caller.get(idp.url("/api/v1/users/1")).await;
    assert_eq!((rejected.status.as_u16(), &rejected.body["errorCode"]), (429, &json!("E0000047")));
    assert_eq!(rejected.header(RETRY_AFTER), None);

    for (changed, status, error) in [
        (("client_secret", "wrong"), 401, json!({ "error": "invalid_client" })),
        (("client_id", "other"), 401, json!({ "errorCode": "invalid_client" })),
        (("scope", "okta.apps.read"), 400, json!({ "error": "invalid_scope" })),
        (("grant_type", "password"), 400, json!({ "error": "unsupported_grant_type" })),
    ] {
        let reply = Caller::new("").ask(&idp, FORM, None, &form(&idp, &[changed])).await;
        let (name, code) = error.as_object().unwrap().iter().next().unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[name]), (status, code), "{changed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn clerk_takes_its_static_key_and_says_retry_after_only() {
    let user = "GET /v1/users/{id}";
    let limit = Limit::fixed_window(2, secs(10));
    let idp = Idp::builder().flavour(Flavour::Clerk).endpoint_limit(user, limit).start().await;
    let caller = Caller::new(idp.api_key());
    let served = caller.get(idp.url("/v1/users/user_1")).await;
    assert_eq!((served.status.as_u16(), served.header("x-ratelimit-remaining")), (200, None));
    let wrong = Caller::new("sk_test_other").get(idp.url("/v1/users/user_1")).await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.body["errors"][0]["code"]),
        (401, &json!("clerk_key_invalid"))
    );
    let rejected = caller.get(idp.url("/v1/users/user_1")).await;
    assert_eq!(
        (rejected.status.as_u16(), &rejected.body["errors"][0]["code"]),
        (429, &json!("too_many_requests"))
    );
    assert!((9..=10).contains(&rejected.number("retry-after")));

    let endless = caller.ask(&idp, "application/json", None, "{}").await;
    assert_eq!((endless.status.as_u16(), &endless.body["expiration"]), (201, &Value::Null));
    let ending =
        caller.ask(&idp, "application/json", None, "{\"seconds_until_expiration\":60}").await;
    let millis = ending.body["expiration"].as_u64().unwrap();
    assert_eq!(millis - ending.body["created_at"].as_u64().unwrap(), 60_000);
    // A machine token is no key.
    let machine = Caller::new(ending.body["token"].as_str().unwrap());
    assert_eq!(machine.ask(&idp, "application/json", None, "{}").await.status, 403);
    assert!(idp.revoke(idp.api_key()));
    assert_eq!(caller.ask(&idp, "application/json", None, "{}").await.status, 401);
    assert_eq!(idp.seen().tokens_granted, 2);
}

// --- faults ---

#[tokio::test(start_paused = true)]
async fn a_script_is_played_once_in_order_and_costs_nothing_of_the_limit() {
    let idp = Idp::builder().endpoint_limit(USER, Limit::fixed_window(1, secs(60))).start().await;
    let caller = Caller::new(idp.issue_token());
    idp.script(
        USER,
        [
            Fault::Status(503),
            Fault::StatusWith(503, vec![("retry-after", "7".to_owned())]),
            Fault::RateLimited(secs(9)),
            Fault::Delay(secs(3)),
        ],
    );
    let url = || idp.url("/api/v2/users/1");
    let down = caller.get(url()).await;
    assert_eq!(
        (down.status.as_u16(), &down.body["statusCode"], down.header(RETRY_AFTER)),
        (503, &json!(503), None)
    );
    assert_eq!(caller.get(url()).await.header(RETRY_AFTER), Some("7"));
    let limited = caller.get(url()).await;
    assert_eq!(limited.status, 429);
    assert!((9..=10).contains(&(limited.number("x-ratelimit-reset") - limited.unix_date())));
    let before = time::Instant::now();
    assert_eq!(caller.get(url()).await.status, 200);
    assert_eq!(time::Instant::now() - before, secs(3));
    assert_eq!(caller.get(url()).await.status, 429);

    idp.script(USER, [Fault::Status(401), Fault::StatusWith(401, Vec::new()), Fault::Status(403)]);
    assert!(caller.get(url()).await.header(WWW_AUTHENTICATE).is_some());
    assert_eq!(caller.get(url()).await.header(WWW_AUTHENTICATE), None);
    assert_eq!(caller.get(url()).await.body["errorCode"], "insufficient_scope");

    idp.always(USER, Fault::Status(500));
    idp.script(USER, [Fault::Pass]);
    assert_eq!(caller.get(url()).await.status, 429);
    assert_eq!(caller.get(url()).await.status, 500);
    assert_eq!(caller.get(url()).await.status, 500);
    idp.heal();
    idp.set_limit(USER, Limit::unlimited());
    assert_eq!(caller.get(url()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn broken_connections_break_and_the_next_request_is_served() {
    let idp = Idp::builder().start().await;
    let caller = Caller::new(idp.issue_token());
    let faults = [
        (Fault::CloseConnection, "closed"),
        (Fault::BreakHead, "broken head"),
        (Fault::BreakBody, "broken body"),
        (Fault::huge_content_length(), "raw bytes"),
    ];
    for (fault, name) in faults {
        idp.script(USER, [fault]);
        // The client sends again by itself where a connection from its pool closed unused; a new
        // one has no such luck.
        let fresh = Caller::new(caller.bearer.clone());
        assert!(fresh.try_get(idp.url("/api/v2/users/1")).await.is_none(), "{name}");
        assert_eq!(idp.seen().requests.last().unwrap().outcome, Outcome::Broken(name));
        assert_eq!(fresh.get(idp.url("/api/v2/users/1")).await.status, 200);
    }
    assert_eq!(idp.seen().requests_to(USER), 8);
}

#[tokio::test(start_paused = true)]
async fn a_body_breaks_or_stalls_after_its_head_and_first_bytes_arrived() {
    let idp = Idp::builder().start().await;
    let caller = Caller::new("");
    idp.script("GET /hang/body", [Fault::BreakBody]);
    for ends in [true, false] {
        let request = caller.request(Method::GET, idp.url("/hang/body"), "");
        let mut body: Incoming = caller.http.request(request).await.expect("a head").into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "{\"half\":\"of the");
        let next = time::timeout(secs(30), body.frame()).await;
        assert_eq!(next.is_ok(), ends, "{next:?}");
        if let Ok(next) = next {
            assert!(next.expect("not the end").is_err());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hung_head_never_comes_and_the_server_sees_the_client_leave() {
    let idp = Idp::builder().start().await;
    let caller = Caller::new("");
    let hung = time::timeout(secs(3_600), caller.try_get(idp.url("/hang/head"))).await;
    assert!(hung.is_err());
    assert_eq!(
        eventually(&idp, |seen| seen.requests[0].outcome != Outcome::Open).await.requests[0]
            .outcome,
        Outcome::Abandoned
    );
    assert_eq!(caller.get(idp.url("/slow/1500")).await.status, 200);
    assert_eq!(
        idp.seen().log.last().unwrap().to_string().trim_start(),
        "3601.500 s  GET /slow/{ms}: 200"
    );
}

#[tokio::test(start_paused = true)]
async fn the_token_endpoint_can_response_nonsense() {
    let idp = Idp::builder().start().await;
    let caller = Caller::new("");
    let body = form(&idp, &[]);
    idp.script(
        TOKEN,
        [Fault::html(), Fault::empty(), Fault::wrong_token_type(), Fault::endless_body()],
    );
    let html = caller.ask(&idp, FORM, None, &body).await;
    assert_eq!(
        (html.status.as_u16(), html.header(CONTENT_TYPE)),
        (200, Some("text/html; charset=utf-8"))
    );
    let empty = caller.ask(&idp, FORM, None, &body).await;
    assert_eq!((empty.status.as_u16(), empty.number("content-length")), (200, 0));
    assert_eq!(caller.ask(&idp, FORM, None, &body).await.body["token_type"], "mac");
    let mut request = caller.request(Method::POST, idp.token_url(), &body);
    request.headers_mut().insert(CONTENT_TYPE, FORM.parse().unwrap());
    let mut endless = caller.http.request(request).await.unwrap().into_body();
    let mut read = 0;
    while read < 1 << 20 {
        read += endless.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    drop(endless);
    assert_eq!(caller.ask(&idp, FORM, None, &body).await.status, 200);
    assert_eq!((idp.seen().tokens_granted, idp.seen().tokens_rejected), (1, 0));

    idp.script(TOKEN, [Fault::Status(500), Fault::Status(401)]);
    assert_eq!(caller.ask(&idp, FORM, None, &body).await.body["error"], "server_error");
    assert_eq!(caller.ask(&idp, FORM, None, &body).await.body["error"], "access_denied");
    assert_eq!((idp.seen().tokens_granted, idp.seen().tokens_rejected), (1, 2));
}

#[tokio::test]
#[should_panic(expected = "no endpoint \"GET /api/v3\"")]
async fn a_misspelt_endpoint_is_not_passed_over() {
    Idp::builder().start().await.script("GET /api/v3", [Fault::Pass]);
}

// --- counting ---

#[tokio::test(start_paused = true)]
async fn requests_connections_and_events_are_counted_in_order() {
    let idp = Idp::builder().start().await;
    let caller = Caller::new(idp.issue_token());
    let create = caller.request(Method::POST, idp.url("/api/v2/users"), "{\"name\":\"Ann\"}");
    assert_eq!(caller.send(create).await.unwrap().body["name"], "Ann");
    assert_eq!(caller.get(idp.url("/api/v2/users/1")).await.status, 200);
    let seen = idp.seen();
    assert_eq!((seen.connections, seen.open_connections, seen.max_connections), (1, 1, 1));
    assert_eq!(
        (&seen.requests[0].body[..], seen.requests[0].connection),
        (&b"{\"name\":\"Ann\"}"[..], 1)
    );
    assert_eq!(seen.requests[1].path, "/api/v2/users/1");
    assert!(seen.requests[1].headers.contains_key(AUTHORIZATION));

    time::advance(secs(2)).await;
    let hung = (0..3).map(|_| caller.request(Method::GET, idp.url("/hang/head"), ""));
    let hung: Vec<_> = hung.map(|request| tokio::spawn(caller.http.request(request))).collect();
    eventually(&idp, |seen| seen.requests_to("GET /hang/head") == 3).await;
    hung.iter().for_each(tokio::task::JoinHandle::abort);
    drop(caller);
    let seen = eventually(&idp, |seen| seen.open_connections == 0).await;
    assert_eq!((seen.connections, seen.max_connections), (3, 3));
    assert_eq!(
        seen.requests.iter().filter(|request| request.outcome == Outcome::Abandoned).count(),
        3
    );
    assert_eq!(
        seen.by_endpoint().into_iter().collect::<Vec<_>>(),
        [((USER, 200), 1), (("POST /api/v2/users", 201), 1)]
    );

    idp.revoke_all();
    let events: Vec<_> = idp.seen().log.into_iter().map(|event| event.what).collect();
    let responded =
        |endpoint, status| What::Finished { endpoint, outcome: Outcome::Responded(status) };
    assert_eq!(
        events[..4],
        [
            What::TokenIssued { serial: 1 },
            What::Connected { connection: 1 },
            responded("POST /api/v2/users", 201),
            responded(USER, 200),
        ]
    );
    assert_eq!(events.last(), Some(&What::Revoked { tokens: 1 }));
    assert_eq!(idp.seen().log[4].at, secs(2));
}

#[tokio::test]
async fn a_dropped_provider_closes_its_connections_and_a_stopped_one_its_port() {
    let idp = Idp::builder().start().await;
    let mut stream = tokio::net::TcpStream::connect(idp.addr()).await.unwrap();
    eventually(&idp, |seen| seen.open_connections == 1).await;
    drop(idp);
    assert_eq!(tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 8]).await.unwrap(), 0);

    let idp = Idp::builder().start().await;
    let addr = idp.addr();
    idp.stop().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

/// What the server saw, as soon as it is so: it hears of a closed connection a little later than we
/// close it.
async fn eventually(idp: &Idp, so: impl Fn(&Seen) -> bool) -> Seen {
    for _ in 0..100_000 {
        let seen = idp.seen();
        if so(&seen) {
            return seen;
        }
        tokio::task::yield_now().await;
    }
    panic!("never so: {:?}", idp.seen());
}
