//! One request for a response, whose outcome is shared.

use std::{future::Future, sync::Arc};

use http::{HeaderMap, Request, Response, header::CONTENT_LENGTH, response::Parts};
use http_body::Body;
use tokio::{sync::oneshot, time::timeout_at};
use tracing::Instrument;

use super::{
    AfterFailure, CacheBody, ResponseCacheLayer,
    body::{ReadBody, read_body},
    events,
    generations::Version,
    in_flight::{Fetched, Limit, PendingFetch},
    key::Variant,
    request::{CacheableRequest, tags},
    shared::Shared,
    store_policy::NotStorable,
    stored::{CompleteResponse, StoredResponse},
};
use crate::{
    BoxError,
    classify::{Classification, ErrorClass},
    extensions::Deadline,
    single_flight::{self, Abandoned, Interruption, Outcome, Publisher, Running},
};

/// The longest body of a failing response that all waiters share, if `max_body_bytes` is less. A response that is not shared is
/// requested again by each of them, which is too much for a server that is down.
const SHARED_FAILURE: usize = ResponseCacheLayer::DEFAULT_MAX_BODY_BYTES;

/// A fetch of a response.
pub(super) struct Fetch {
    shared: Arc<Shared>,
    request: CacheableRequest,
    /// The header fields of the request, for `Vary`.
    headers: HeaderMap,
    version: Version,
    limit: Limit,
}

type Received<B> = Result<(Parts, ReadBody<B>), BoxError>;

// === impl Fetch ===

impl Fetch {
    /// A fetch that is yet to be [spawned](spawn).
    pub(super) fn begin<B>(
        shared: &Arc<Shared>,
        cacheable: &CacheableRequest,
        request: &Request<B>,
        deadline: Option<Deadline>,
    ) -> (Running<Self>, PendingFetch) {
        let sent_at = shared.clock.now();
        let limit = Limit::new(sent_at, shared.fetch_timeout, deadline);
        let version = shared.store.generations.version(sent_at, tags(shared, request));
        let fetch = Self {
            shared: Arc::clone(shared),
            request: cacheable.clone(),
            headers: request.headers().clone(),
            version: version.clone(),
            limit,
        };
        let (running, waiter) = Running::new(fetch, Some(limit.overdue()));
        (running, PendingFetch { waiter, version, limit })
    }

    /// When the fetch is given up.
    pub(super) const fn deadline(&self) -> Deadline {
        Deadline::at(self.limit.at)
    }

    async fn receive<F, B, E>(&self, response: F) -> Received<B>
    where
        F: Future<Output = Result<Response<B>, E>>,
        E: Into<BoxError>,
        B: Body,
        B::Error: Into<BoxError>,
    {
        let read = async {
            let (head, body) = response.await.map_err(Into::into)?.into_parts();
            let max_body_bytes = self.request.endpoint.config.max_body_bytes;
            let max_bytes = match head.status.is_success() {
                true => max_body_bytes,
                false => max_body_bytes.max(SHARED_FAILURE),
            };
            let body = read_body(body, max_bytes).await.map_err(Into::into)?;
            Ok((head, body))
        };
        timeout_at(self.limit.at, read).await.unwrap_or_else(|_| {
            let limit = self.limit.at.saturating_duration_since(self.version.sent_at);
            Err(self.request.endpoint.timed_out(limit).into())
        })
    }

    /// Stores what may be stored. The second value is a response that cannot be shared.
    fn store<B>(&self, received: Received<B>) -> (Fetched, Option<Response<CacheBody<B>>>) {
        let (head, body) = match received {
            Err(error) => {
                let class = self.note_failure(Classification::of_error(error.as_ref()));
                return (Fetched::Failed(self.request.endpoint.fetch_failed(error), class), None);
            }
            Ok(received) => received,
        };
        let failure = self.shared.failure(head.status, &head.headers, &head.extensions);
        let failure = self.note_failure(failure);
        let (response, reason) = match body {
            ReadBody::Partial(start, rest, reason) => {
                (Response::from_parts(head, CacheBody::partial(start, rest)), reason)
            }
            ReadBody::Complete(body, trailers) => {
                let hash_key = &self.shared.store.hash_key;
                let variant = Variant::new(hash_key, &head.headers, &self.headers).ok();
                let response = CompleteResponse { head, body, trailers, variant };
                let stored = match failure {
                    Some(_) => Ok(()),
                    None => self.store_complete(&response),
                };
                match stored {
                    Ok(()) => return (Fetched::Response(Arc::new(response), failure), None),
                    Err(reason) => (response.into_response(), reason),
                }
            }
        };
        if failure.is_none() {
            self.note_not_storable(reason);
        }
        (Fetched::NotShared(failure), Some(response))
    }

    fn store_complete(&self, response: &CompleteResponse) -> Result<(), NotStorable> {
        let endpoint = &self.request.endpoint;
        let (head, now) = (&response.head, self.shared.clock.system_time());
        let lifetime = endpoint.config.policy.lifetime(head.status, &head.headers, now)?;
        let variant = response.variant.clone().ok_or(NotStorable::VaryAny)?;
        if !has_length(&head.headers, response.body.len()) {
            return Err(NotStorable::Incomplete);
        }
        let version = self.version.clone();
        let stored = StoredResponse::new(response, variant, lifetime, version);
        let (bytes, fresh_for) = (stored.weight(), stored.fresh_for());
        self.shared.store.insert(self.request.key, stored);
        events::stored(endpoint, bytes, fresh_for);
        events::recovered(endpoint);
        Ok(())
    }

    fn note_not_storable(&self, reason: NotStorable) {
        let endpoint = &self.request.endpoint;
        let version = self.version.clone();
        self.shared.store.insert_not_stored(self.request.key, version, endpoint.config.policy.ttl);
        events::not_stored(endpoint, reason);
        events::recovered(endpoint);
    }

    /// Notes a failure, and gives its class.
    fn note_failure(&self, failure: Option<Classification>) -> Option<ErrorClass> {
        let failure = failure?;
        let sent_at = self.version.sent_at;
        let now = self.shared.clock.now();
        self.shared.store.insert_failure(self.request.key, sent_at, &failure, now);
        if AfterFailure::of(failure.class()) == AfterFailure::Remove {
            events::recovered(&self.request.endpoint);
        }
        Some(failure.class())
    }

    /// Leaves the fetches in flight.
    fn leave(&self, publisher: &Publisher<Fetched>) {
        self.shared.in_flight.lock().remove(self.request.key, publisher);
    }
}

impl single_flight::Fetch for Fetch {
    type Output = Fetched;

    fn interrupted(
        &mut self,
        publisher: &Publisher<Fetched>,
        by: Interruption,
    ) -> Outcome<Fetched> {
        let outcome = match by {
            Interruption::Dropped => Err(Abandoned),
            Interruption::Panicked => {
                // A panic is a failure of the server: a stale response is served. The clock may have panicked, so it is not read.
                let (class, sent_at) = (ErrorClass::Interrupted, self.version.sent_at);
                let failure = Classification::of_class(class);
                self.shared.store.insert_failure(self.request.key, sent_at, &failure, sent_at);
                let error = self.request.endpoint.fetch_failed("the request panicked");
                Ok(Fetched::Failed(error, Some(class)))
            }
        };
        self.leave(publisher);
        outcome
    }
}

/// Awaits the response on its own task. A response that cannot be shared goes to `leader`.
pub(super) fn spawn<F, B, E>(
    running: Running<Fetch>,
    response: F,
    leader: oneshot::Sender<Response<CacheBody<B>>>,
) where
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    let run = |mut running: Running<Fetch>| async move {
        let received = running.fetch().receive(response).await;
        let (fetched, not_shared) = running.fetch().store(received);
        if let Some(response) = not_shared {
            // If the leader is gone, the response is dropped: no other call may have it.
            drop(leader.send(response));
        }
        running.end(|fetch, publisher| {
            fetch.leave(publisher);
            Ok(fetched)
        });
        running.fetch().shared.store.settle();
    };
    running.spawn(|running| run(running).in_current_span());
}

/// Whether a body has the length that the header fields announce, if they do.
fn has_length(headers: &HeaderMap, length: usize) -> bool {
    let length = length.to_string();
    headers.get_all(CONTENT_LENGTH).iter().all(|field| field.as_bytes() == length.as_bytes())
}
