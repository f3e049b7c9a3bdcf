//! What a stack tells its layers: its name, its clock and the settings of its endpoints.

use std::sync::Arc;

use super::{EndpointConfig, Stack};
use crate::endpoint::EndpointPattern;

// === impl Stack ===

impl Stack {
    /// The stack whose layers know its name.
    fn with_name(self) -> Self {
        let Some(name) = &self.name else { return self };
        let name = || Arc::clone(name);
        Self {
            name: Some(name()),
            fallback: self.fallback.map(|layer| layer.name(name())),
            #[cfg(feature = "response-cache")]
            cache: self.cache.map(|layer| layer.name(name())),
            retry: self.retry.name(name()),
            breaker: self.breaker.map(|layer| layer.name(name())),
            throttle: self.throttle.name(name()),
            classify: self.classify.name(name()),
            token: self.token.map(|layer| layer.name(name())),
            attempt_span: self.attempt_span.map(|layer| layer.name(name())),
            ..self
        }
    }

    fn with_clock(self) -> Self {
        let Some(clock) = &self.clock else { return self };
        let clock = || clock.clone();
        Self {
            clock: Some(clock()),
            fallback: self.fallback.map(|layer| layer.clock(clock())),
            #[cfg(feature = "response-cache")]
            cache: self.cache.map(|layer| layer.clock(clock())),
            retry: self.retry.clock(clock()),
            breaker: self.breaker.map(|layer| layer.clock(clock())),
            throttle: self.throttle.clock(clock()),
            classify: self.classify.clock(clock()),
            token: self.token.map(|layer| layer.clock(clock())),
            ..self
        }
    }

    /// Warns of endpoints with settings for a layer that is absent.
    pub(super) fn warn_of_ignored_settings(&self) {
        let mut ignored: Vec<String> = Vec::new();
        for (pattern, config) in &self.endpoints {
            let layers = [
                ("fallback", self.fallback.is_none() && !config.fallback.is_empty()),
                #[cfg(feature = "response-cache")]
                ("response_cache", self.cache.is_none() && !config.response_cache.is_empty()),
                ("circuit_breaker", self.breaker.is_none() && !config.circuit_breaker.is_empty()),
                ("token_cache", self.token.is_none() && !config.token_cache.is_empty()),
                ("attempt_span", self.attempt_span.is_none() && !config.attempt_span.is_empty()),
            ];
            let layers = layers.into_iter().filter(|(_, is_ignored)| *is_ignored);
            ignored.extend(layers.map(|(layer, _)| format!("{layer} of `{pattern}`")));
        }
        if !ignored.is_empty() {
            let (stack, settings) = (self.name.as_deref(), ignored.join(", "));
            tracing::warn!(
                target: "tower_heed::stack",
                stack,
                settings,
                "endpoint settings without effect: the stack does not have their layer"
            );
        }
    }

    /// The stack whose layers know its name, its clock and their endpoints.
    pub(super) fn with_endpoints(&self) -> Self {
        let mut endpoints: Vec<_> = self.endpoints.iter().collect();
        // A narrow pattern starts from a wide one, and not the other way round.
        endpoints.sort_by(|(one, _), (other, _)| one.compare(other));
        #[cfg_attr(not(feature = "metrics"), expect(unused_mut, reason = "nothing is measured"))]
        let mut stack = self.clone();
        #[cfg(feature = "metrics")]
        stack.attempt_span.get_or_insert_with(crate::AttemptSpanLayer::without_spans);
        let with = |stack: Self, (pattern, config): &(_, _)| stack.with_endpoint(pattern, config);
        endpoints.into_iter().fold(stack.with_name().with_clock(), with)
    }

    fn with_endpoint(self, pattern: &EndpointPattern, config: &EndpointConfig) -> Self {
        macro_rules! set {
            ($layer:expr, $name:ident) => {
                $layer.set_endpoint(pattern.clone(), config.$name.change())
            };
        }
        Self {
            name: self.name,
            clock: self.clock,
            fallback: self.fallback.map(|layer| set!(layer, fallback)),
            call_timeout: set!(self.call_timeout, call_timeout),
            #[cfg(feature = "response-cache")]
            cache: self.cache.map(|layer| set!(layer, response_cache)),
            retry: set!(self.retry, retry),
            breaker: self.breaker.map(|layer| set!(layer, circuit_breaker)),
            throttle: set!(self.throttle, throttle),
            classify: set!(self.classify, classify),
            token: self.token.map(|layer| set!(layer, token_cache)),
            attempt_span: self.attempt_span.map(|layer| set!(layer, attempt_span)),
            attempt_timeout: set!(self.attempt_timeout, attempt_timeout),
            endpoints: self.endpoints,
        }
    }
}
