//! The stack around hyper-util's client: `cargo run -p hyper_client`
//!
//! A fake identity provider on 127.0.0.1 takes the place of Auth0.

#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that prints what it finds")]

use std::time::Duration;

use bytes::Bytes;
use fake_idp::{Fault, Idp};
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::ServiceExt;
use tower_heed::{BoxError, Stack, TokenCacheLayer, oauth::ClientCredentials, retry::RetryOutcome};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = Idp::builder().start().await;

    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (id, secret) = (idp.client_id(), idp.client_secret());
    let source = ClientCredentials::new(http.clone(), &idp.token_url(), id, secret)?
        .audience(idp.audience());
    let token = TokenCacheLayer::new(source).allow_origin(idp.url("").parse()?);
    let client = Stack::new().token_cache(token).service(http);

    let request = Request::get(idp.url("/api/v2/users/u1")).body(Full::default())?;
    let response = client.clone().oneshot(request).await?;
    show("GET /api/v2/users/u1", &response);
    println!("  {}", String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()));

    // A POST is sent again when the server rejected it; the same body, after the time that the server named.
    idp.script("POST /api/v2/users", [Fault::RateLimited(Duration::from_secs(1))]);
    let request = Request::post(idp.url("/api/v2/users"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(r#"{"name":"Ada Lovelace"}"#))?;
    let response = client.oneshot(request).await?;
    show("POST /api/v2/users, rejected once for 1 s", &response);
    println!("  {}", String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()));
    Ok(())
}

fn show<B>(what: &str, response: &Response<B>) {
    println!("{what}: {}", response.status());
    match response.extensions().get::<RetryOutcome>() {
        Some(outcome) => {
            println!("  sent {} times, waited {:.1?}", outcome.attempts(), outcome.waited());
        }
        None => println!("  sent once"),
    }
}
