//! The clients that are compared.

use std::{num::NonZeroU32, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Body;
use load_test::{heeding, server::Mode, tally::Tally, wire};
use reqwest_middleware::ClientBuilder;
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use tokio::time::sleep;
use tower::{Layer, Service};
use tower_heed::BoxError;

use super::{rule::Rule, towers};

/// Does one job, and says whether it was done.
pub type Job = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    NoRetry,
    TowerSecond,
    TowerFast,
    ReqwestThree,
    ReqwestOn,
    Resilience,
    ResilienceLimiter,
    Governor,
    UntilReset,
    Octokit,
    Auth0,
    Heed,
}

// === impl Client ===

impl Client {
    pub const ALL: [Self; 12] = [
        Self::NoRetry,
        Self::TowerSecond,
        Self::TowerFast,
        Self::ReqwestThree,
        Self::ReqwestOn,
        Self::Resilience,
        Self::ResilienceLimiter,
        Self::Governor,
        Self::UntilReset,
        Self::Octokit,
        Self::Auth0,
        Self::Heed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::NoRetry => "no retry",
            Self::TowerSecond => "tower retry, 1 s … 30 s with jitter",
            Self::TowerFast => "tower retry, 50 ms … 30 s with jitter",
            Self::ReqwestThree => "reqwest-retry, 3 retries",
            Self::ReqwestOn => "reqwest-retry, without end",
            Self::Resilience => "tower-resilience retry, without end",
            Self::ResilienceLimiter => "tower-resilience retry and limiter, set by hand",
            Self::Governor => "governor, set by hand to rate and burst",
            Self::UntilReset => "each caller sleeps until the reset",
            Self::Octokit => "as Octokit's throttling",
            Self::Auth0 => "as Auth0's SDK, 10 retries",
            Self::Heed => "tower-heed",
        }
    }

    pub fn job(self, mode: Mode, uri: Uri, workers: usize) -> Result<Job, BoxError> {
        let http = wire::client(&Tally::begin(), workers);
        let second = Duration::from_secs(1);
        Ok(match self {
            Self::NoRetry => calls(http, uri),
            Self::TowerSecond => calls(towers::retry(second)?.layer(http), uri),
            Self::TowerFast => calls(towers::retry(Duration::from_millis(50))?.layer(http), uri),
            Self::Resilience => calls(towers::resilience().layer(http), uri),
            Self::ResilienceLimiter => {
                let limited = towers::limiter(mode)?.layer(http);
                calls(towers::resilience().layer(limited), uri)
            }
            Self::Heed => calls(heeding::stack()?.service(http), uri),
            Self::ReqwestThree => reqwest(Some(3), &uri, workers)?,
            Self::ReqwestOn => reqwest(None, &uri, workers)?,
            Self::UntilReset => follows(Rule::UntilReset, http, uri),
            Self::Octokit => follows(Rule::Octokit, http, uri),
            Self::Auth0 => follows(Rule::Auth0, http, uri),
            Self::Governor => {
                let limiter = Arc::new(RateLimiter::direct(quota(mode)));
                Arc::new(move || {
                    let (limiter, http, uri) = (Arc::clone(&limiter), http.clone(), uri.clone());
                    Box::pin(async move { follow(Rule::Backoff, Some(limiter), http, uri).await })
                })
            }
        })
    }
}

/// The limit as a person would write it down who knows it.
fn quota(mode: Mode) -> Quota {
    let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    match mode {
        Mode::Fixed | Mode::Sliding | Mode::Bare => Quota::per_second(number(50)),
        Mode::Bucket => Quota::per_second(number(20)).allow_burst(number(50)),
        Mode::RetryAfter => Quota::per_second(number(50)).allow_burst(number(100)),
    }
}

/// A job is one call of `client`.
fn calls<C, B>(client: C, uri: Uri) -> Job
where
    C: Service<
            Request<Full<Bytes>>,
            Response = Response<B>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Error: Into<BoxError>, Data: Send> + Send + 'static,
{
    Arc::new(move || Box::pin(wire::get(client.clone(), uri.clone())))
}

/// A job is sent again after each rejection, when `rule` says so.
fn follows<C, B>(rule: Rule, client: C, uri: Uri) -> Job
where
    C: Service<
            Request<Full<Bytes>>,
            Response = Response<B>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Error: Into<BoxError>, Data: Send> + Send + 'static,
{
    Arc::new(move || Box::pin(follow(rule, None, client.clone(), uri.clone())))
}

async fn follow<C, B>(
    rule: Rule,
    limiter: Option<Arc<DefaultDirectRateLimiter>>,
    client: C,
    uri: Uri,
) -> bool
where
    C: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: Body<Error: Into<BoxError>>,
{
    for retries in 0.. {
        if let Some(limiter) = &limiter {
            limiter.until_ready().await;
        }
        let Ok(head) = wire::head(client.clone(), uri.clone()).await else { return false };
        if head.status == StatusCode::OK {
            return true;
        }
        let Some(wait) = rule.wait(&head.headers, retries) else { return false };
        sleep(wait).await;
    }
    false
}

fn reqwest(max_retries: Option<u32>, uri: &Uri, workers: usize) -> Result<Job, BoxError> {
    let http = reqwest::Client::builder().pool_max_idle_per_host(workers).build()?;
    let backoff =
        ExponentialBackoff::builder().build_with_max_retries(max_retries.unwrap_or(u32::MAX));
    let retry = RetryTransientMiddleware::new_with_policy(backoff);
    let client = ClientBuilder::new(http).with(retry).build();
    let url = uri.to_string();
    Ok(Arc::new(move || {
        let request = client.get(&url);
        Box::pin(async move {
            let Ok(response) = request.send().await else { return false };
            let is_ok = response.status() == StatusCode::OK;
            response.bytes().await.is_ok() && is_ok
        })
    }))
}
