//! No `Debug`, no error text and no event of a whole run holds a token or a secret.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    BoxError, TokenCacheLayer,
    oauth::{AuthMethod, ClientCredentials, TokenResponse},
    token_cache::{FetchReason, StaticToken, Token, TokenKey, TokenRequest},
};

use crate::{
    support::log::Log,
    token_cache::support::{HOUR, SECOND, get, settle},
};

const TOKEN: &str = "sesame-token";
const SECRET: &str = "sesame-secret";

/// An endpoint that repeats what it was sent wherever it can, and fails in every way.
fn endpoint() -> impl tower::Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = BoxError,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let calls = Arc::new(Mutex::new(0));
    service_fn(move |request: Request<Full<Bytes>>| {
        let call = {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            *calls
        };
        async move {
            let sent = request.into_body().collect().await?.to_bytes();
            let sent = String::from_utf8_lossy(&sent).replace('"', "");
            let (status, body) = match call {
                1 => (401, format!(r#"{{"error":"access_denied","error_description":"{sent}"}}"#)),
                2 => (500, sent),
                3 => (
                    429,
                    format!(r#"{{"error_description":"{sent}","error":"too_many_requests"}}"#),
                ),
                4 => (200, format!(r#"{{"access_token":"{TOKEN}\n","token_type":"Bearer"}}"#)),
                5 => return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
                _ => (
                    200,
                    format!(
                        r#"{{"access_token":"{TOKEN}-{call}","token_type":"Bearer","expires_in":3600}}"#
                    ),
                ),
            };
            Ok(Response::builder().status(status).body(Full::from(body))?)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn rule_28_a_whole_run_shows_neither_token_nor_secret() {
    let (mut log, _recording) = Log::record();

    let source =
        ClientCredentials::new(endpoint(), "https://id.example/oauth/token", "app", SECRET)
            .unwrap()
            .auth_method(AuthMethod::ClientSecretPost);
    log.note(&source);
    let layer = TokenCacheLayer::new(source).allow_origin("https://id.example".parse().unwrap());
    log.note(&layer);
    let api = service_fn(|request: Request<Full<Bytes>>| async move {
        let old = request.headers()[AUTHORIZATION].to_str().unwrap().ends_with("-6");
        let status = if old { 401 } else { 200 };
        Response::builder().status(status).body(Full::<Bytes>::default())
    });
    let client = layer.layer(api);
    log.note(&client);

    let mut answered = 0;
    for _ in 0..12 {
        let call = client.clone().oneshot(get("/users"));
        log.note(&call);
        match call.await {
            Ok(response) => {
                answered += 1;
                log.note(&response);
            }
            Err(error) => log.error(error.as_ref()),
        }
        log.note(&client);
        advance(600 * SECOND).await;
        settle().await;
    }
    assert_eq!(answered, 7, "five ways to fail, then a rejected token that is replaced");
    advance(2 * HOUR).await;

    let evil = Request::get("https://evil.example/?code=1").body(Full::default()).unwrap();
    log.error(client.oneshot(evil).await.unwrap_err().as_ref());
    log.note(&Token::bearer(TOKEN).unwrap());
    log.note(Token::bearer(TOKEN).unwrap().header_value());
    log.error(&Token::bearer(format!("{TOKEN}\n")).unwrap_err());
    log.note(&StaticToken::new(TOKEN).unwrap());
    log.error(&StaticToken::new(format!("{TOKEN}\n")).unwrap_err());
    let body = format!(r#"{{"access_token":"{TOKEN}","token_type":"Bearer"}}"#);
    log.note(
        &TokenResponse::from_slice(body.as_bytes(), std::time::SystemTime::UNIX_EPOCH).unwrap(),
    );
    let key = TokenKey::new().with_parameter("resource", "r");
    log.note(&TokenRequest::new(key, FetchReason::Missing));

    let text = log.text();
    for event in ["token obtained", "token rejected", "no token"] {
        assert!(text.contains(event), "the run had no `{event}`:\n{text}");
    }
    assert!(text.contains("access_denied"), "the OAuth code is shown");
    for line in text.lines() {
        assert!(!line.contains("sesame"), "{line}");
    }
}
