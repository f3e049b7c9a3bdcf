//! Calls to a real server.

use std::time::Duration;

use http::Uri;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tower::ServiceBuilder;
use tower_heed::{BoxError, TimeoutLayer, TokenCacheLayer};

use super::{counts::Counts, http_client, job, options::Options, report, source};

/// From a call to the end of its response.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes the calls that the options ask for, and prints what came of them.
pub async fn run(options: &Options) -> Result<(), BoxError> {
    let counts = Counts::default();
    let http = http_client::client(&[&options.token_url, &options.api_url])?;
    let source = source::of(options, http.clone())?;
    let layer = TokenCacheLayer::new(source::counted(source, counts.clone()))
        .allow_origin(origin(&options.api_url)?.parse()?);
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(CALL_TIMEOUT))
        .layer(layer)
        .service(source::counted_api(http, counts.clone()));

    // Zero is no interval: then all calls are made at once.
    let mut turns = interval(options.every.max(Duration::from_nanos(1)));
    turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    for _ in 0..options.calls {
        if !options.every.is_zero() {
            turns.tick().await;
        }
        let (client, url, counts) = (client.clone(), options.api_url.clone(), counts.clone());
        calls.spawn(async move { job::call(client, &url, counts).await });
    }
    while calls.join_next().await.is_some() {}
    let counted = counts.so_far();
    match options.json {
        true => report::json(&counted),
        false => report::table(&counted),
    }
    Ok(())
}

/// Scheme, host and port: the only server that gets the token.
fn origin(url: &str) -> Result<String, BoxError> {
    let uri: Uri = url.parse()?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => Ok(format!("{scheme}://{authority}")),
        _ => Err(format!("--api-url {url}: expected https://host/path").into()),
    }
}
