//! The stacks that are measured, by name.

mod api;
mod towers;

use std::{
    fmt,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::Request;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_heed::{
    ErrorClassifyLayer, RetryOnRateLimit, Stack, ThrottleLayer, TimeoutLayer, TokenCacheLayer,
    error::TokenError,
    token_cache::{StaticToken, Token, TokenRequest},
};

use self::api::{Api, Requests};
pub(crate) use self::api::{Body, Limit, Timing};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl";

const ORIGIN: &str = "https://acme.eu.auth0.com";

/// A stack that is measured: tower's and tower-http's first, ours below them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Bare,
    TowerTimeout,
    TowerHttpTimeout,
    HeedTimeout,
    TowerRetry,
    HeedRetry,
    TowerHttpBearer,
    HeedStaticToken,
    HeedToken,
    TowerMapResponse,
    HeedClassify,
    HeedThrottle,
    TowerStack,
    HeedStack,
    HeedStackStaticToken,
    HeedStackToken,
}

/// A service around [`Api`], ready to be called over and over.
pub(crate) struct Caller<S> {
    service: S,
    requests: Requests,
}

/// What is done with a subject, whatever its type.
pub(crate) trait Visit {
    fn visit<S>(self, caller: Caller<S>)
    where
        S: Service<Request<Body>, Response: Send, Error: Send> + Clone + Send + 'static;
}

// === impl Subject ===

impl Subject {
    pub(crate) const ALL: [Self; 16] = [
        Self::Bare,
        Self::TowerTimeout,
        Self::TowerHttpTimeout,
        Self::HeedTimeout,
        Self::TowerRetry,
        Self::HeedRetry,
        Self::TowerHttpBearer,
        Self::HeedStaticToken,
        Self::HeedToken,
        Self::TowerMapResponse,
        Self::HeedClassify,
        Self::HeedThrottle,
        Self::TowerStack,
        Self::HeedStack,
        Self::HeedStackStaticToken,
        Self::HeedStackToken,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare service",
            Self::TowerTimeout => "tower timeout",
            Self::TowerHttpTimeout => "tower-http timeout",
            Self::HeedTimeout => "TimeoutLayer",
            Self::TowerRetry => "tower retry + budget",
            Self::HeedRetry => "RetryOnRateLimit",
            Self::TowerHttpBearer => "tower-http bearer",
            Self::HeedStaticToken => "TokenCacheLayer (static)",
            Self::HeedToken => "TokenCacheLayer (fetched)",
            Self::TowerMapResponse => "tower map_response",
            Self::HeedClassify => "ErrorClassifyLayer",
            Self::HeedThrottle => "ThrottleLayer",
            Self::TowerStack => "tower + tower-http stack",
            Self::HeedStack => "Stack, no token",
            Self::HeedStackStaticToken => "Stack, static token",
            Self::HeedStackToken => "Stack, fetched token",
        }
    }

    /// Makes it, calls it a few times, so that its token is available, and hands it over. In the context of a runtime.
    pub(crate) async fn visit(self, timing: Timing, limit: Limit, visit: impl Visit) {
        let api = Api(timing, limit);
        match self {
            Self::Bare => start(api, visit).await,
            Self::TowerTimeout => start(towers::timeout().layer(api), visit).await,
            Self::TowerHttpTimeout => start(towers::http_timeout().layer(api), visit).await,
            Self::HeedTimeout => start(timeout().layer(api), visit).await,
            Self::TowerRetry => start(towers::retry().layer(api), visit).await,
            Self::HeedRetry => start(RetryOnRateLimit::new().layer(api), visit).await,
            Self::TowerHttpBearer => start(towers::bearer().layer(api), visit).await,
            Self::HeedStaticToken => start(fixed().layer(api), visit).await,
            Self::HeedToken => start(fetched().layer(api), visit).await,
            Self::TowerMapResponse => start(towers::classify().layer(api), visit).await,
            Self::HeedClassify => start(ErrorClassifyLayer::new().layer(api), visit).await,
            Self::HeedThrottle => start(ThrottleLayer::new().layer(api), visit).await,
            Self::TowerStack => {
                let stack = ServiceBuilder::new()
                    .layer(towers::timeout())
                    .layer(towers::retry())
                    .layer(towers::bearer())
                    .layer(towers::classify())
                    .layer(towers::timeout());
                start(stack.service(api), visit).await;
            }
            Self::HeedStack => start(Stack::new().service(api), visit).await,
            Self::HeedStackStaticToken => {
                start(Stack::new().token_cache(fixed()).service(api), visit).await;
            }
            Self::HeedStackToken => {
                start(Stack::new().token_cache(fetched()).service(api), visit).await;
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

async fn start<S>(service: S, visit: impl Visit)
where
    S: Service<Request<Body>, Response: Send, Error: Send> + Clone + Send + 'static,
{
    let requests = Requests::new();
    for _ in 0..3 {
        assert!(service.clone().oneshot(requests.next()).await.is_ok());
    }
    visit.visit(Caller { service, requests });
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::new(Duration::from_secs(10))
}

/// A token that has no end.
fn fixed() -> TokenCacheLayer {
    TokenCacheLayer::new(StaticToken::new(TOKEN).unwrap()).allow_origin(ORIGIN.parse().unwrap())
}

/// A token that ends some time, so that the clocks are read for each request.
fn fetched() -> TokenCacheLayer {
    let source = service_fn(|_: TokenRequest| async {
        Ok::<_, TokenError>(Token::bearer(TOKEN)?.expires_in(Duration::from_secs(86_400)))
    });
    TokenCacheLayer::new(source).allow_origin(ORIGIN.parse().unwrap())
}

// === impl Caller ===

impl<S: Service<Request<Body>>> Caller<S> {
    /// One whole call: the request is built, sent, and the response dropped.
    pub(crate) fn call(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(self.service.poll_ready(&mut cx).is_ready());
        let mut call = pin!(self.service.call(self.requests.next()));
        for _ in 0..2 {
            if let Poll::Ready(result) = call.as_mut().poll(&mut cx) {
                drop(black_box(result));
                return;
            }
        }
        unreachable!("the response comes at the second poll");
    }
}
