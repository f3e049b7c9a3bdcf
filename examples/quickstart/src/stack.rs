//! The same client inside the stack. This is the part to copy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use fake_idp::Idp;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::ServiceExt;
use tower_heed::{
    BoxError, ErrorClassifyLayer, RetryOnRateLimit, Stack, TimeoutLayer, TokenCacheLayer,
    oauth::ClientCredentials, retry::Backoff,
};

use super::{
    job::{self, Outcome},
    timeline::Timeline,
};

pub async fn run(idp: &Arc<Idp>, timeline: &Timeline) -> Result<Outcome, BoxError> {
    let sign_outs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sign_outs);

    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let source = ClientCredentials::new(
        http.clone(),
        &idp.token_url(),
        idp.client_id(),
        idp.client_secret(),
    )?
    .audience(idp.audience());
    let token = TokenCacheLayer::new(source).allow_origin(idp.url("").parse()?);
    let timeout = TimeoutLayer::new(Duration::from_secs(30))
        .endpoint("GET /hang/head".parse()?, |config| config.limit(Duration::from_secs(3)));
    let classify = ErrorClassifyLayer::new().on_unauthenticated(move || {
        counted.fetch_add(1, SeqCst);
        async {}
    });
    // The API's window is a second, so there is no use in steps of more than two.
    let backoff = Backoff::exponential(Duration::from_secs(1), Duration::from_secs(2))?;
    let retry = RetryOnRateLimit::new().backoff(backoff);
    let client = Stack::new()
        .call_timeout(timeout)
        .retry(retry)
        .token_cache(token)
        .classify(classify)
        .service(http);

    let send = move |request: Request<Full<Bytes>>| {
        let client = client.clone();
        async move {
            let response = client.oneshot(request).await?;
            let status = response.status();
            response.into_body().collect().await?;
            Ok(status)
        }
    };
    let _events = timeline.listen();
    let mut outcome = job::run(idp, timeline, None, send).await;
    outcome.sign_outs = sign_outs.load(SeqCst);
    Ok(outcome)
}
