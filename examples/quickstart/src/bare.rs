//! A client as people write it before the first bad night. Do not copy it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use fake_idp::Idp;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tower_heed::BoxError;

use super::{
    job::{self, Outcome},
    timeline::{Note, Timeline},
};

/// How long we look at a job that would hang for ever.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Bare {
    http: Client<HttpConnector, Full<Bytes>>,
    idp: Arc<Idp>,
    timeline: Timeline,
    sign_outs: Arc<AtomicUsize>,
}

pub async fn run(idp: &Arc<Idp>, timeline: &Timeline) -> Result<Outcome, BoxError> {
    let bare = Bare {
        http: Client::builder(TokioExecutor::new()).build_http(),
        idp: Arc::clone(idp),
        timeline: timeline.clone(),
        sign_outs: Arc::default(),
    };
    let sign_outs = Arc::clone(&bare.sign_outs);
    let send = move |request| bare.clone().call(request);
    let mut outcome = job::run(idp, timeline, Some(PATIENCE), send).await;
    outcome.sign_outs = sign_outs.load(SeqCst);
    Ok(outcome)
}

// === impl Bare ===

impl Bare {
    /// A new token for each call, no time limit, no retry, and every 4xx is "the user is signed out".
    async fn call(self, mut request: Request<Full<Bytes>>) -> Result<StatusCode, BoxError> {
        let token = HeaderValue::try_from(format!("Bearer {}", self.token().await?))?;
        request.headers_mut().insert(header::AUTHORIZATION, token);
        let response = self.http.request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        if status.is_client_error() {
            self.sign_outs.fetch_add(1, SeqCst);
            self.timeline.note(Note::SignedOut(status));
        }
        Ok(status)
    }

    async fn token(&self) -> Result<String, BoxError> {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&audience={}",
            self.idp.client_id(),
            self.idp.client_secret(),
            self.idp.audience()
        );
        let request = Request::post(self.idp.token_url())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))?;
        let response = self.http.request(request).await?.into_body().collect().await?.to_bytes();
        let response: Value = serde_json::from_slice(&response)?;
        Ok(response["access_token"].as_str().ok_or("no token")?.to_owned())
    }
}
