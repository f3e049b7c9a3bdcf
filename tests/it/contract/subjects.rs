//! What the table is run against.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tokio::time::sleep;
use tower::{
    Layer, Service, ServiceExt, service_fn,
    util::{BoxCloneService, MapRequestLayer},
};
use tower_heed::{
    AttemptSpanLayer, BoxError, CircuitBreakerLayer, DetachLayer, ErrorClassifyLayer,
    FallbackLayer, RetryOnRateLimit, Stack, ThrottleLayer, TimeoutLayer, TokenCacheLayer,
    body::{ReplayBody, ReplayBodyLayer},
    fallback::FailedRequest,
    token_cache::{Token, TokenRequest},
};

use crate::support::probe::{Body, Probe};

pub(crate) type Client =
    BoxCloneService<Request<Body>, Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;

/// Puts a layer around a probe.
pub(crate) type Wrap = fn(Probe) -> Client;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) wrap: Wrap,
}

pub(crate) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "TimeoutLayer",
        wrap: |probe| layered(&TimeoutLayer::new(Duration::from_secs(30)), probe),
    },
    Subject {
        name: "ErrorClassifyLayer",
        wrap: |probe| layered(&ErrorClassifyLayer::new().on_unauthenticated(|| async {}), probe),
    },
    Subject {
        name: "ErrorClassifyLayer with errors",
        wrap: |probe| layered(&ErrorClassifyLayer::new().error_for_status(), probe),
    },
    Subject { name: "RetryOnRateLimit", wrap: |probe| layered(&RetryOnRateLimit::new(), probe) },
    #[cfg(feature = "response-cache")]
    Subject { name: "ResponseCacheLayer", wrap: |probe| layered(&kept(), probe) },
    #[cfg(feature = "response-cache")]
    Subject {
        name: "Stack with a response cache",
        wrap: |probe| boxed(Stack::new().response_cache(kept()).service(probe)),
    },
    Subject {
        name: "CircuitBreakerLayer",
        wrap: |probe| layered(&CircuitBreakerLayer::new(), probe),
    },
    Subject {
        name: "Stack with a circuit breaker",
        wrap: |probe| {
            boxed(Stack::new().circuit_breaker(CircuitBreakerLayer::new()).service(probe))
        },
    },
    Subject { name: "ThrottleLayer", wrap: |probe| layered(&ThrottleLayer::new(), probe) },
    Subject {
        name: "FallbackLayer, open",
        wrap: |probe| layered(&FallbackLayer::fail_open(|_| Response::new("")), probe),
    },
    Subject {
        name: "FallbackLayer, open with a response that is waited for",
        wrap: |probe| {
            let respond = async |_: FailedRequest| {
                sleep(Duration::from_millis(5)).await;
                Response::new("")
            };
            layered(&FallbackLayer::fail_open_async(respond), probe)
        },
    },
    Subject {
        name: "FallbackLayer, closed",
        wrap: |probe| layered(&FallbackLayer::fail_closed(), probe),
    },
    Subject {
        name: "TokenCacheLayer",
        wrap: |probe| layered(&tokens().allow_any_https_origin(), probe),
    },
    Subject {
        name: "TokenCacheLayer, the replay left to others",
        wrap: |probe| layered(&tokens().allow_any_https_origin().leave_replay_to_retry(), probe),
    },
    Subject {
        // What it detaches never reaches a caller; `detach::readiness` holds that to the same.
        name: "DetachLayer",
        wrap: |probe| {
            let layer =
                DetachLayer::new().endpoint("POST /login-events".parse().unwrap(), |config| config);
            layered(&layer, probe)
        },
    },
    Subject {
        name: "ReplayBodyLayer",
        wrap: |probe| {
            let collected = MapRequestLayer::new(|request: Request<ReplayBody<Body>>| {
                request.map(|_| Body::from("sent"))
            });
            layered(&ReplayBodyLayer::default(), collected.layer(probe))
        },
    },
    Subject { name: "AttemptSpanLayer", wrap: |probe| layered(&AttemptSpanLayer::new(), probe) },
    #[cfg(feature = "reqwest")]
    Subject { name: "ReqwestService", wrap: |probe| boxed(by_reqwest(probe)) },
    Subject { name: "Stack", wrap: |probe| boxed(Stack::new().service(probe)) },
    Subject {
        name: "Stack with a fallback",
        wrap: |probe| boxed(Stack::new().fallback(FallbackLayer::fail_closed()).service(probe)),
    },
    Subject {
        name: "Stack with spans",
        wrap: |probe| boxed(Stack::new().attempt_span(AttemptSpanLayer::new()).service(probe)),
    },
    Subject {
        name: "Stack with a token",
        wrap: |probe| {
            boxed(Stack::new().token_cache(tokens().allow_any_https_origin()).service(probe))
        },
    },
];

/// The resource that the cases write to is one whose responses are kept.
#[cfg(feature = "response-cache")]
fn kept() -> tower_heed::ResponseCacheLayer {
    let minute = Duration::from_secs(60);
    tower_heed::ResponseCacheLayer::new()
        .endpoint("GET /users/{id}".parse().unwrap(), |config| config.ttl(minute))
}

/// The adapter around a probe that takes the place of a reqwest client.
#[cfg(feature = "reqwest")]
fn by_reqwest(
    probe: Probe,
) -> impl Service<Request<Body>, Response = Response<reqwest::Body>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let client = probe
        .map_request(|request: reqwest::Request| {
            Request::<reqwest::Body>::try_from(request).unwrap().map(|_| Body::from("sent"))
        })
        .map_response(|response| response.map(reqwest::Body::wrap).into());
    tower_heed::integrations::reqwest::ReqwestService::with_body(client)
}

fn tokens() -> TokenCacheLayer {
    TokenCacheLayer::new(service_fn(async |_: TokenRequest| {
        sleep(Duration::from_millis(5)).await;
        Token::bearer("token")
    }))
}

pub(crate) fn nothing(probe: Probe) -> Client {
    boxed(probe)
}

pub(crate) fn layered<I, L, S, RB>(layer: &L, inner: I) -> Client
where
    L: Layer<I, Service = S>,
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + Sync + 'static,
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    boxed(layer.layer(inner))
}

/// Boxes a service, and holds it to what every service here has to be: `Clone + Send + Sync + 'static`, its future `Send`.
pub(crate) fn boxed<S, RB>(service: S) -> Client
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + Sync + 'static,
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = service.map_err(Into::into);
    BoxCloneService::new(service.map_response(|response: Response<RB>| {
        response.map(|body| body.map_err(Into::into).boxed_unsync())
    }))
}
