//! A whole run of the stack over a real server shows neither token nor secret: in no event of any crate, no `Debug`, no error.
//!
//! What the token cache's own types show is tested in `token_secrets`.

use std::time::Duration;

use bytes::Bytes;
use fake_idp::{Fault, Idp};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::advance;
use tower::{ServiceBuilder, ServiceExt};
use tower_heed::{
    ErrorClassifyLayer, RetryOnRateLimit, Stack, TimeoutLayer, TokenCacheLayer,
    body::ReplayBodyLayer,
    classify::Classification,
    extensions::NoRetry,
    oauth::{AuthMethod, ClientCredentials},
    retry::RetryOutcome,
    token_cache::AllowedOrigin,
};

use crate::support::log::Log;

const SECRET: &str = "sesame-secret";
const USER: &str = "GET /api/v2/users/{id}";
const TOKEN: &str = "POST /oauth/token";
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_whole_run_of_the_stack_shows_neither_token_nor_secret() {
    for method in [AuthMethod::ClientSecretPost, AuthMethod::ClientSecretBasic] {
        for errors in [false, true] {
            run(method, errors).await;
        }
    }
}

async fn run(method: AuthMethod, errors: bool) {
    let (mut log, _recording) = Log::record();
    let idp = Idp::builder().client("app", SECRET).token_lifetime(600 * SECOND).start().await;

    let mut sent = log.clone();
    let http = ServiceBuilder::new()
        .map_request(move |request: Request<Full<Bytes>>| {
            // Not the body: that of the token request is the secret itself.
            sent.note(&(request.uri(), request.headers()));
            request
        })
        .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());
    let source = ClientCredentials::new(http.clone(), &idp.token_url(), "app", SECRET)
        .unwrap()
        .audience(idp.audience())
        .auth_method(method);
    log.note(&source);
    let token = TokenCacheLayer::new(source).allow_origin(idp.url("").parse().unwrap());
    let mut classify = ErrorClassifyLayer::new().on_unauthenticated(|| async {});
    if errors {
        classify = classify.error_for_status();
    }
    let timeout = TimeoutLayer::new(20 * SECOND);
    let retry = RetryOnRateLimit::new().max_retries(2);
    log.note(&(&timeout, &retry, &token, &classify, ReplayBodyLayer::default()));
    let stack = Stack::new()
        .call_timeout(timeout)
        .retry(retry)
        .token_cache(token.clone())
        .classify(classify);
    log.note(&stack);
    let client = stack.service(http.clone());
    log.note(&client);

    let script = |fault: Fault| idp.script(USER, [fault]);
    let steps: &[(&str, &dyn Fn())] = &[
        ("a token is fetched", &|| ()),
        ("revoked", &|| assert!(idp.revoke_all() > 0)),
        ("rejected", &|| script(Fault::RateLimited(2 * SECOND))),
        ("failed", &|| script(Fault::Status(503))),
        ("forbidden", &|| script(Fault::Status(403))),
        ("the connection breaks", &|| script(Fault::CloseConnection)),
        ("the head breaks", &|| script(Fault::BreakHead)),
        ("the body breaks", &|| script(Fault::BreakBody)),
        ("the head hangs", &|| script(Fault::HangHead)),
        ("the body hangs", &|| script(Fault::HangBody)),
        ("the head hangs always", &|| idp.always(USER, Fault::HangHead)),
        ("rejected always", &|| idp.always(USER, Fault::RateLimited(SECOND))),
        ("no token is given", &|| {
            idp.heal();
            idp.revoke_all();
            idp.script(TOKEN, vec![Fault::Status(429); 3]);
        }),
        ("the token's response is no JSON", &|| {
            idp.revoke_all();
            idp.script(TOKEN, [Fault::html()]);
        }),
        ("the token's response breaks", &|| idp.script(TOKEN, [Fault::BreakBody])),
        ("the secret is wrong", &|| {
            idp.rotate_secret("another");
            idp.revoke_all();
        }),
    ];
    for (step, prepare) in steps {
        prepare();
        for no_retry in [false, true] {
            let mut request =
                Request::get(idp.url("/api/v2/users/u1")).body(Full::default()).unwrap();
            if no_retry {
                request.extensions_mut().insert(NoRetry);
            }
            let call = client.clone().oneshot(request);
            log.note(&(step, &call));
            match call.await {
                Ok(response) => {
                    log.note(&response);
                    log.note(&response.extensions().get::<RetryOutcome>());
                    log.note(&response.extensions().get::<Classification>());
                    if let Err(error) = response.into_body().collect().await {
                        log.error(error.as_ref());
                    }
                }
                Err(error) => log.error(error.as_ref()),
            }
        }
        log.note(&client);
        // Past every cooldown; every other time the token is refreshed.
        advance(300 * SECOND).await;
    }

    let stray = Request::get("https://evil.example/?code=1").body(Full::default()).unwrap();
    log.error(client.clone().oneshot(stray).await.unwrap_err().as_ref());
    let broken = format!("{SECRET}\n");
    log.error(&ClientCredentials::new(http.clone(), &idp.token_url(), "app", broken).unwrap_err());
    let url = format!("https://app:{SECRET}@id.example/oauth/token");
    log.error(&ClientCredentials::new(http, &url, "app", "other").unwrap_err());
    let origin = format!("https://app:{SECRET}@id.example");
    log.error(&origin.parse::<AllowedOrigin>().unwrap_err());

    let text = log.text();
    for event in [
        "token obtained",
        "token rejected",
        "no token, in cooldown",
        "rate limited",
        "auth status changed",
        "waiting to retry",
        "not retried",
        "time limit of",
        "Sensitive",
    ] {
        assert!(text.contains(event), "the run had no `{event}`:\n{text}");
    }
    let issued = idp.issued();
    assert!(issued.len() > 3, "{}", issued.len());
    let secret = ["sesame", "c2VzYW1l"].map(str::to_owned);
    let tokens = issued.iter().flat_map(|token| token.text.split('.').skip(1).map(str::to_owned));
    let hidden: Vec<String> = secret.into_iter().chain(tokens).collect();
    for line in text.lines() {
        let shown = hidden.iter().find(|hidden| line.contains(hidden.as_str()));
        assert_eq!(shown, None, "{line}");
    }
}
