use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "response-cache")]
use crate::response_cache::ResponseCacheConfig;
use crate::{
    attempt_span::SpanConfig, circuit_breaker::CircuitBreakerConfig, classify::ClassifyConfig,
    extensions::Priority, fallback::FallbackConfig, retry::RetryConfig, throttle::ThrottleConfig,
    timeout::TimeoutConfig, token_cache::TokenConfig,
};

/// The settings of all layers for one endpoint, as [`Stack::endpoint`](super::Stack::endpoint) hands them to its closure.
///
/// There is a setter for each layer, named as in [`Stack`](super::Stack). It takes a closure, as the layer's own `endpoint` does, and
/// starts from that layer's settings for these requests so far:
///
/// ```
/// use std::time::Duration;
/// use tower_heed::Stack;
///
/// Stack::new()
///     .endpoint("POST /events".parse()?, |endpoint| endpoint.timeout(Duration::from_secs(3)).idempotent())
///     .endpoint("GET /export".parse()?, |endpoint| endpoint.retry(|config| config.max_retries(1).max_wait(Duration::from_secs(9))));
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct EndpointConfig {
    pub(super) fallback: Changes<FallbackConfig>,
    pub(super) call_timeout: Changes<TimeoutConfig>,
    #[cfg(feature = "response-cache")]
    pub(super) response_cache: Changes<ResponseCacheConfig>,
    pub(super) retry: Changes<RetryConfig>,
    pub(super) circuit_breaker: Changes<CircuitBreakerConfig>,
    pub(super) throttle: Changes<ThrottleConfig>,
    pub(super) classify: Changes<ClassifyConfig>,
    pub(super) token_cache: Changes<TokenConfig>,
    pub(super) attempt_span: Changes<SpanConfig>,
    pub(super) attempt_timeout: Changes<TimeoutConfig>,
}

/// Changes to a layer's settings. They are applied when the stack is put around a client, so the order of its setters does not
/// matter.
pub(super) struct Changes<C>(Vec<Arc<dyn Fn(C) -> C + Send + Sync>>);

macro_rules! setters {
    ($($(#[$attribute:meta])* $name:ident: $config:ty,)*) => {
        $(
            $(#[$attribute])*
            pub fn $name<F>(mut self, change: F) -> Self
            where
                F: Fn($config) -> $config + Send + Sync + 'static,
            {
                self.$name.0.push(Arc::new(change));
                self
            }
        )*
    };
}

// === impl EndpointConfig ===

impl EndpointConfig {
    setters! {
        /// As [`FallbackLayer::endpoint`](crate::FallbackLayer::endpoint).
        fallback: FallbackConfig,
        /// As [`TimeoutLayer::endpoint`](crate::TimeoutLayer::endpoint), for the whole call.
        call_timeout: TimeoutConfig,
        /// As [`ResponseCacheLayer::endpoint`](crate::ResponseCacheLayer::endpoint).
        #[cfg(feature = "response-cache")]
        #[cfg_attr(docsrs, doc(cfg(feature = "response-cache")))]
        response_cache: ResponseCacheConfig,
        /// As [`RetryOnRateLimit::endpoint`](crate::RetryOnRateLimit::endpoint).
        retry: RetryConfig,
        /// As [`CircuitBreakerLayer::endpoint`](crate::CircuitBreakerLayer::endpoint).
        circuit_breaker: CircuitBreakerConfig,
        /// As [`ThrottleLayer::endpoint`](crate::ThrottleLayer::endpoint).
        throttle: ThrottleConfig,
        /// As [`ErrorClassifyLayer::endpoint`](crate::ErrorClassifyLayer::endpoint).
        classify: ClassifyConfig,
        /// As [`TokenCacheLayer::endpoint`](crate::TokenCacheLayer::endpoint).
        token_cache: TokenConfig,
        /// As [`AttemptSpanLayer::endpoint`](crate::AttemptSpanLayer::endpoint).
        attempt_span: SpanConfig,
        /// As [`TimeoutLayer::endpoint`](crate::TimeoutLayer::endpoint), for each attempt.
        attempt_timeout: TimeoutConfig,
    }

    /// Sets the time limit of the whole call, with its waits and retries.
    ///
    /// Each attempt keeps its own limit, [`Stack::ATTEMPT_TIMEOUT`](super::Stack::ATTEMPT_TIMEOUT) by default. A slow endpoint needs
    /// both:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_heed::Stack;
    ///
    /// let (one, all) = (Duration::from_secs(60), Duration::from_secs(70));
    /// Stack::new().endpoint("GET /export".parse()?, |e| e.timeout(all).attempt_timeout(move |config| config.limit(one)));
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn timeout(self, limit: Duration) -> Self {
        self.call_timeout(move |config| config.limit(limit))
    }

    /// Sets the largest number of retries, as [`RetryConfig::max_retries`](crate::retry::RetryConfig::max_retries) counts them.
    pub fn max_retries(self, max_retries: u32) -> Self {
        self.retry(move |config| config.max_retries(max_retries))
    }

    /// Allows a retry after any failure, whatever the method.
    pub fn idempotent(self) -> Self {
        self.retry(RetryConfig::idempotent)
    }

    /// Sends these requests without a permit.
    pub fn throttle_exempt(self) -> Self {
        self.throttle(ThrottleConfig::exempt)
    }

    /// Sets the priority of these requests in the queue.
    pub fn priority(self, priority: Priority) -> Self {
        self.throttle(move |config| config.priority(priority))
    }

    /// Sends these requests without a token.
    pub fn without_token(self) -> Self {
        self.token_cache(TokenConfig::without_token)
    }
}

// === impl Changes ===

impl<C> Changes<C> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All changes as one; `None` if there are none.
    pub(super) fn change(&self) -> Option<impl FnOnce(C) -> C> {
        let apply = |config| self.0.iter().fold(config, |config, change| change(config));
        (!self.is_empty()).then_some(apply)
    }
}

impl<C> Clone for Changes<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> Default for Changes<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C> fmt::Debug for Changes<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.len())
    }
}
