//! JSON in a line, by `tower-http-client` on the stack as it is: `cargo run -p json_client`
//!
//! A fake identity provider on 127.0.0.1 takes the place of Auth0.

#![allow(clippy::print_stdout, reason = "a program that prints what it finds")]

use std::time::Duration;

use bytes::Bytes;
use fake_idp::{Fault, Idp};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tower_heed::{BoxError, Stack, TokenCacheLayer, oauth::ClientCredentials};
use tower_http_client::{ResponseExt, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = Idp::builder().start().await;

    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (id, secret) = (idp.client_id(), idp.client_secret());
    let source = ClientCredentials::new(http.clone(), &idp.token_url(), id, secret)?
        .audience(idp.audience());
    let token = TokenCacheLayer::new(source).allow_origin(idp.url("").parse()?);
    let mut api = Stack::new().token_cache(token).service(http);

    // Rejected once: the same body is sent again after the time that the server names.
    idp.script("POST /api/v2/users", [Fault::RateLimited(Duration::from_secs(1))]);
    let (url, user) = (idp.url("/api/v2/users"), json!({"name": "Ada Lovelace"}));
    let created: Value = api.post(url).json(&user)?.send().await?.body_reader().json().await?;
    println!("created {created}");
    Ok(())
}
