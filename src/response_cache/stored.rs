//! A stored response, and the complete response that it is made from.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode, Version as HttpVersion,
    header::{AGE, SET_COOKIE},
    response::Parts,
};
use tokio::time::Instant;

use super::{
    CacheBody, Stale,
    cache_control::Accepts,
    generations::Version,
    key::{HashKey, Variant},
    memory,
    store_policy::{FreshnessLifetime, FreshnessState},
    validators::{self, Validators},
};
use crate::{
    classify::{Classification, ErrorClass},
    cooldown::{Cooldown, asked_for},
    error::TokenErrorKind,
    jitter,
};

/// The bytes that the cache itself takes for an entry, rounded up from a measurement.
const BOOKKEEPING: usize = 512;

/// A response that was read to its end.
pub(super) struct CompleteResponse {
    pub(super) head: Parts,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
    /// `None` if `Vary` is unreadable.
    pub(super) variant: Option<Variant>,
}

/// A response in the store.
pub(super) struct StoredResponse {
    status: StatusCode,
    http_version: HttpVersion,
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
    lifetime: FreshnessLifetime,
    pub(super) version: Version,
    pub(super) variant: Variant,
    cooldown: Mutex<RefreshCooldown>,
}

/// The time after a failed refresh in which the server is not asked for the response.
#[derive(Debug, Default)]
struct RefreshCooldown {
    failures: Cooldown,
    until: Option<(Instant, ErrorClass)>,
}

// === impl CompleteResponse ===

impl CompleteResponse {
    /// Whether a request with these header fields may get it.
    pub(super) fn matches(&self, key: &HashKey, headers: &HeaderMap) -> bool {
        self.variant.as_ref().is_none_or(|variant| variant.matches(key, headers))
    }

    /// The response for one of the waiters. Cookies are for the caller whose request was sent.
    pub(super) fn respond<B>(&self, with_cookies: bool) -> Response<CacheBody<B>> {
        let mut head = self.head.clone();
        if !with_cookies {
            head.headers.remove(SET_COOKIE);
        }
        let body = CacheBody::complete(self.body.clone(), self.trailers.clone());
        Response::from_parts(head, body)
    }

    pub(super) fn into_response<B>(self) -> Response<CacheBody<B>> {
        Response::from_parts(self.head, CacheBody::complete(self.body, self.trailers))
    }
}

// === impl StoredResponse ===

impl StoredResponse {
    /// Copies what is stored of a response.
    pub(super) fn new(
        response: &CompleteResponse,
        variant: Variant,
        lifetime: FreshnessLifetime,
        version: Version,
    ) -> Self {
        let head = &response.head;
        let (body, headers, trailers) =
            memory::copy(&response.body, &head.headers, response.trailers.as_ref());
        Self {
            status: head.status,
            http_version: head.version,
            headers,
            body,
            trailers,
            lifetime,
            version,
            variant,
            cooldown: Mutex::default(),
        }
    }

    /// The approximate size in bytes, including its share of the cache's tables.
    pub(super) fn weight(&self) -> usize {
        let trailers = self.trailers.as_ref().map_or(0, memory::bytes);
        let texts = self.body.len() + memory::bytes(&self.headers) + trailers;
        let apart = self.variant.bytes() + self.version.bytes();
        texts + apart + size_of::<Self>() + BOOKKEEPING
    }

    pub(super) fn state(&self, now: Instant) -> FreshnessState {
        self.lifetime.state(self.elapsed(now))
    }

    /// Whether a request accepts it while it is fresh.
    pub(super) fn is_accepted(&self, accepts: Accepts, now: Instant) -> bool {
        self.lifetime.is_accepted(accepts, self.elapsed(now))
    }

    /// Whether it may be served at once while it is refreshed.
    pub(super) fn is_served_while_refreshed(&self, now: Instant) -> bool {
        self.lifetime.is_served_while_refreshed(self.elapsed(now))
    }

    /// Whether it is validated for each request, so that no other request can share the validation.
    pub(super) const fn is_never_fresh(&self) -> bool {
        self.lifetime.fresh_for().is_zero()
    }

    pub(super) fn validators(&self, now: SystemTime) -> Option<Validators<'_>> {
        Validators::of(&self.headers, now)
    }

    /// This response after a 304 with this head, which becomes its own. `None` if the 304 is about another response.
    pub(super) fn confirmed(
        &self,
        head: &mut Parts,
        now: SystemTime,
    ) -> Option<(Bytes, Option<HeaderMap>)> {
        let is_confirmed = |validators: Validators<'_>| validators.are_confirmed_by(&head.headers);
        self.validators(now).filter(|validators| is_confirmed(*validators))?;
        let mut headers = self.headers.clone();
        validators::update(&mut headers, &head.headers);
        head.headers = headers;
        head.status = self.status;
        Some((self.body.clone(), self.trailers.clone()))
    }

    pub(super) const fn fresh_for(&self) -> Duration {
        self.lifetime.fresh_for()
    }

    /// The response, with its age, and marked if it is stale.
    pub(super) fn respond<B>(
        &self,
        now: Instant,
        stale: Option<ErrorClass>,
    ) -> Response<CacheBody<B>> {
        let age = self.lifetime.age(self.elapsed(now));
        let body = CacheBody::complete(self.body.clone(), self.trailers.clone());
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.version_mut() = self.http_version;
        *response.headers_mut() = self.headers.clone();
        let age_field = HeaderValue::from(age.as_secs());
        drop(response.headers_mut().try_insert(AGE, age_field));
        if let Some(class) = stale {
            response.extensions_mut().insert(Stale::new(age, class));
        }
        response
    }

    /// Begins a cooldown: for as long as the server asked, or else longer with each failure.
    pub(super) fn begin_cooldown(&self, failure: &Classification, now: Instant) {
        let class = failure.class();
        let mut cooldown = self.cooldown.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = match failure.retry_after() {
            Some(told) => asked_for(told, jitter::draw()),
            None => cooldown.failures.after(TokenErrorKind::of_class(class), None, jitter::draw()),
        };
        cooldown.until = Some((now + wait, class));
    }

    /// The class of the failure that began the cooldown, while it lasts.
    pub(super) fn in_cooldown(&self, now: Instant) -> Option<ErrorClass> {
        let cooldown = self.cooldown.lock().unwrap_or_else(PoisonError::into_inner);
        cooldown.until.filter(|(until, _)| now < *until).map(|(_, class)| class)
    }

    fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.version.sent_at)
    }
}
