//! A response in the cache.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header::AGE, response::Parts};
use tokio::time::Instant;

use super::{CacheBody, Stale, generations::Marks, hold::Hold, memory, variant::Variant};
use crate::{
    classify::ErrorClass,
    response_cache::{ShelfLife, ShelfState},
};

/// What the cache's own books take for an entry, rounded up from what was measured.
const BOOKKEEPING: usize = 512;

/// A response that is kept.
pub(super) struct Kept {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
    life: ShelfLife,
    /// The moment before its request was sent.
    pub(super) asked: Instant,
    pub(super) marks: Marks,
    pub(super) variant: Variant,
    pub(super) hold: Hold,
}

// === impl Kept ===

impl Kept {
    /// What is kept of a response.
    pub(super) fn new(
        head: &Parts,
        body: &Bytes,
        trailers: Option<&HeaderMap>,
        life: ShelfLife,
        asked: Instant,
        marks: Marks,
        variant: Variant,
    ) -> Self {
        let (body, headers, trailers) = memory::copies(body, &head.headers, trailers);
        let (status, version, hold) = (head.status, head.version, Hold::default());
        Self { status, version, headers, body, trailers, life, asked, marks, variant, hold }
    }

    /// The bytes that it takes, nearly: those of its memory and of the tables around it.
    pub(super) fn weight(&self) -> usize {
        let trailers = self.trailers.as_ref().map_or(0, memory::bytes);
        let apart = self.variant.bytes() + self.marks.bytes();
        let texts = self.body.len() + memory::bytes(&self.headers) + trailers;
        texts + apart + size_of::<Self>() + BOOKKEEPING
    }

    pub(super) fn state(&self, now: Instant) -> ShelfState {
        self.life.state(now.saturating_duration_since(self.asked))
    }

    /// Whether it will still be fresh then.
    pub(super) fn stays_fresh(&self, now: Instant, span: Duration) -> bool {
        let elapsed = now.saturating_duration_since(self.asked).saturating_add(span);
        self.life.state(elapsed) == ShelfState::Fresh
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.life.age(now.saturating_duration_since(self.asked))
    }

    pub(super) const fn fresh_for(&self) -> Duration {
        self.life.fresh_for()
    }

    /// It as a response, with its age, and marked where it is stale.
    pub(super) fn respond<B>(
        &self,
        now: Instant,
        stale: Option<ErrorClass>,
    ) -> Response<CacheBody<B>> {
        let age = self.age(now);
        let mut response = Response::new(CacheBody::kept(self.body.clone(), self.trailers.clone()));
        *response.status_mut() = self.status;
        *response.version_mut() = self.version;
        *response.headers_mut() = self.headers.clone();
        let shown = HeaderValue::from(age.as_secs());
        drop(response.headers_mut().try_insert(AGE, shown));
        if let Some(class) = stale {
            response.extensions_mut().insert(Stale::new(age, class));
        }
        response
    }
}
