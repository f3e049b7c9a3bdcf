//! The stack around a reqwest client, with JSON in and out: `cargo run -p reqwest_client`
//!
//! A fake identity provider on 127.0.0.1 takes the place of Auth0.

#![allow(clippy::print_stdout, reason = "a program that prints what it finds")]

use std::time::Duration;

use bytes::Bytes;
use fake_idp::{Fault, Idp};
use http::{Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_heed::{
    BoxError, Stack, TokenCacheLayer, integrations::reqwest::ReqwestService,
    oauth::ClientCredentials, retry::RetryOutcome, stack::StackService,
};

/// An API client as an app keeps it: the type of the stack has a name.
#[derive(Clone)]
struct Users {
    client: StackService<ReqwestService, Full<Bytes>>,
    url: String,
}

impl Users {
    async fn create(&self, user: &Value) -> Result<Value, BoxError> {
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(serde_json::to_vec(user)?))?;
        let response = self.client.clone().oneshot(request).await?;
        let status = response.status();
        if let Some(outcome) = response.extensions().get::<RetryOutcome>() {
            println!("  {} attempts, waited {:.1?}", outcome.attempts(), outcome.waited());
        }
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = Idp::builder().start().await;

    // The token is for one server, so redirects are not followed.
    let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let http = ReqwestService::new(http);
    let (id, secret) = (idp.client_id(), idp.client_secret());
    let source = ClientCredentials::new(http.clone(), &idp.token_url(), id, secret)?
        .audience(idp.audience());
    let token = TokenCacheLayer::new(source).allow_origin(idp.url("").parse()?);
    let client = Stack::new().token_cache(token).service(http);
    let users = Users { client, url: idp.url("/api/v2/users") };

    // The first attempt is rate limited. The same body is sent again after the time that the server asked for.
    idp.script("POST /api/v2/users", [Fault::RateLimited(Duration::from_secs(1))]);
    println!("POST /api/v2/users, rate limited once for 1 s");
    let user = users.create(&json!({ "name": "Ada Lovelace" })).await?;
    println!("  {user}");
    Ok(())
}
