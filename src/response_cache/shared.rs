//! What the services of a layer share: settings, and the store that the layer's clones and handles share as well.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Response, StatusCode, request::Parts, response};

use super::{ResponseCacheConfig, in_flight::InFlight, store::Store};
use crate::{
    BoxError, EndpointPattern, Error, ErrorKind,
    classify::{Classification, Classifier},
    clock::Clock,
    endpoint::Endpoints,
    error::{Details, Phase},
    extensions::Degraded,
    metrics::CacheMeter,
    ready::NotReady,
};

/// Tells whose a request's response is.
pub(super) type Credential = dyn for<'a> Fn(&'a Parts) -> Option<Cow<'a, [u8]>> + Send + Sync;

#[derive(Clone)]
pub(super) struct Shared {
    /// `None` for requests that pass through.
    pub(super) endpoints: Endpoints<Option<Arc<CachedEndpoint>>>,
    pub(super) credential: Option<Arc<Credential>>,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
    pub(super) fetch_timeout: Duration,
    pub(super) store: Arc<Store>,
    pub(super) in_flight: Arc<InFlight>,
}

/// An endpoint whose responses are stored.
#[derive(Debug)]
pub(super) struct CachedEndpoint {
    /// The name of the stack that the layer belongs to.
    pub(super) stack: Option<Arc<str>>,
    pub(super) pattern: Arc<str>,
    pub(super) config: ResponseCacheConfig,
    pub(super) metrics: CacheMeter,
    /// Whether a warning was logged that the server forbids storing.
    pub(super) has_warned: AtomicBool,
    /// Whether stale responses were served since the server's last success.
    pub(super) is_down: AtomicBool,
}

// === impl Shared ===

impl Shared {
    /// The classification of a failing response: what an inner layer has found, or else the classifier. A response that stands in
    /// for the upstream's is the failure that it stands in for.
    pub(super) fn failure(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Option<Classification> {
        if let Some(found) = extensions.get::<Classification>() {
            return Some(found.clone());
        }
        if let Some(degraded) = extensions.get::<Degraded>() {
            return Some(Classification::of_degraded(*degraded));
        }
        let now = || self.clock.system_time();
        Classification::of_response_when(&*self.classifier, status, headers, &now)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

// === impl CachedEndpoint ===

impl CachedEndpoint {
    /// `None` without a time to live.
    pub(super) fn new(
        pattern: &EndpointPattern,
        config: ResponseCacheConfig,
        stack: Option<&Arc<str>>,
    ) -> Option<Self> {
        let ttl = config.policy.ttl;
        (!ttl.is_zero()).then(|| Self::of(pattern.as_str().into(), config, stack))
    }

    /// The same endpoint in a stack of another name.
    pub(super) fn in_stack(&self, stack: &Arc<str>) -> Self {
        Self::of(Arc::clone(&self.pattern), self.config.clone(), Some(stack))
    }

    fn of(pattern: Arc<str>, config: ResponseCacheConfig, stack: Option<&Arc<str>>) -> Self {
        Self {
            stack: stack.cloned(),
            metrics: CacheMeter::new(&pattern, stack),
            pattern,
            config,
            has_warned: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
        }
    }

    /// The error of a fetch that brought no response.
    pub(super) fn fetch_failed(&self, source: impl Into<BoxError>) -> Error {
        let source = source.into();
        let classification = Classification::of_error(source.as_ref());
        self.error(ErrorKind::FetchFailed, classification, Some(source))
    }

    /// The error of a failing response whose body broke off or was late: it is the failure that its head says.
    pub(super) fn broke_off(
        &self,
        failure: Classification,
        head: response::Parts,
        source: impl Into<BoxError>,
    ) -> Error {
        let details = Details {
            classification: Some(failure),
            endpoint: Some(Arc::clone(&self.pattern)),
            response: Some(Response::from_parts(head, Bytes::new())),
            source: Some(source.into()),
        };
        Error::new(ErrorKind::Response { is_body_complete: false }, details)
    }

    /// The error of a fetch that will not end, because its runtime does not run it.
    pub(super) fn fetch_abandoned(&self) -> Error {
        self.fetch_failed("its runtime was shut down or is not being driven")
    }

    /// The error of a call that waits for the response of a fetch.
    pub(super) fn timed_out(&self, limit: Duration) -> Error {
        Error::timeout(limit, Phase::Headers, Some(Arc::clone(&self.pattern)))
    }

    /// The error of a call that must send its request and whose service is not ready in time.
    pub(super) fn not_ready(&self, NotReady(limit): NotReady) -> Error {
        Error::not_ready(limit, Some(Arc::clone(&self.pattern)))
    }

    fn error(
        &self,
        kind: ErrorKind,
        classification: Option<Classification>,
        source: Option<BoxError>,
    ) -> Error {
        let endpoint = Some(Arc::clone(&self.pattern));
        Error::new(kind, Details { classification, endpoint, source, ..Details::default() })
    }
}
