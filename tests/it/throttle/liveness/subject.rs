//! The clients under test, and two that are bad on purpose.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::{Request, Response, StatusCode};
use limiter_sim::trouble::EPOCH;
use tower::{
    Service, ServiceBuilder, ServiceExt, layer::layer_fn, limit::GlobalConcurrencyLimitLayer,
    util::BoxCloneSyncService,
};
use tower_heed::{
    BoxError, RetryOnRateLimit, Stack, ThrottleLayer, TimeoutLayer, classify::ErrorClassifyLayer,
    clock::Clock,
};

use super::world::{Api, Scenario};
use crate::support::probe::Body;

pub type Client = BoxCloneSyncService<Request<Body>, StatusCode, BoxError>;

/// A client. Each has the scenario's time limits for calls and attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `RetryOnRateLimit` alone, for comparison.
    Retry,
    /// `ThrottleLayer` alone.
    Throttle,
    /// `RetryOnRateLimit` around `ThrottleLayer`.
    RetryThrottle,
    /// `Stack` with its defaults.
    Stack,
    /// No layer but the time limits: a throttle that never waits.
    Careless,
    /// A throttle that lets some through and then waits for ever.
    Stuck,
    /// A throttle that has one request in flight at a time.
    Serial,
}

/// Lets so many requests through and none after.
#[derive(Clone)]
struct Stuck<S> {
    inner: S,
    left: Arc<AtomicUsize>,
}

// === impl Subject ===

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Throttle => "throttle",
            Self::RetryThrottle => "retry + throttle",
            Self::Stack => "stack",
            Self::Careless => "careless",
            Self::Stuck => "stuck",
            Self::Serial => "serial",
        }
    }

    /// Whether it sends again what was refused.
    pub fn retries(self) -> bool {
        matches!(self, Self::Retry | Self::RetryThrottle | Self::Stack)
    }

    pub fn client(self, api: Api, scenario: &Scenario) -> Client {
        let clock = Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_nanos(EPOCH));
        let call = TimeoutLayer::new(scenario.call_timeout);
        let attempt = TimeoutLayer::new(scenario.attempt_timeout);
        let retry = RetryOnRateLimit::new().clock(clock.clone());
        let mut throttle = ThrottleLayer::new().clock(clock.clone());
        if let Some(max_block) = scenario.max_block {
            throttle = throttle.max_block(max_block);
        }
        let builder = ServiceBuilder::new().layer(call.clone());
        match self {
            Self::Retry => boxed(builder.layer(retry).layer(attempt).service(api)),
            Self::Throttle => boxed(builder.layer(throttle).layer(attempt).service(api)),
            Self::RetryThrottle => {
                boxed(builder.layer(retry).layer(throttle).layer(attempt).service(api))
            }
            Self::Stack => {
                let stack = Stack::new().call_timeout(call).attempt_timeout(attempt);
                let stack = stack.retry(retry).throttle(throttle);
                boxed(stack.classify(ErrorClassifyLayer::new().clock(clock)).service(api))
            }
            Self::Careless => boxed(builder.layer(attempt).service(api)),
            Self::Serial => boxed(
                builder.layer(GlobalConcurrencyLimitLayer::new(1)).layer(attempt).service(api),
            ),
            Self::Stuck => {
                let left = Arc::new(AtomicUsize::new(100));
                let stuck = layer_fn(move |inner| Stuck { inner, left: Arc::clone(&left) });
                boxed(builder.layer(stuck).layer(attempt).service(api))
            }
        }
    }
}

fn boxed<S, B>(service: S) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: 'static,
{
    let service = service.map_response(|response: Response<B>| response.status());
    BoxCloneSyncService::new(service.map_err(Into::into))
}

// === impl Stuck ===

impl<S> Service<Request<Body>> for Stuck<S>
where
    S: Service<Request<Body>>,
    S::Response: 'static,
    S::Error: 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let less = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Box::pin(self.inner.call(request)),
            Err(_) => Box::pin(std::future::pending()),
        }
    }
}
