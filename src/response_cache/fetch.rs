//! One request for a response, whose outcome is shared.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Request, Response, StatusCode, header::CONTENT_LENGTH, response::Parts};
use http_body::Body;
use tokio::{sync::oneshot, time::timeout_at};
use tower_service::Service;
use tracing::Instrument;

use super::{
    AfterFailure, CacheBody, ResponseCacheLayer,
    again::{Again, by},
    body::{ReadBody, ReadLimits, read_body},
    events,
    generations::Version,
    in_flight::{Fetched, Limit, PendingFetch},
    key::Variant,
    request::{CacheableRequest, tags},
    shared::Shared,
    store_policy::{FreshnessLifetime, NotStorable},
    stored::{CompleteResponse, StoredResponse},
    waiters::{Waiters, Waiting},
};
use crate::{
    BoxError, Error,
    classify::{Classification, ErrorClass},
    extensions::{Deadline, Degraded},
    single_flight::{self, Abandoned, Interruption, Outcome, Publisher, Running},
};

/// The longest body of a failing response that all waiters share, if `max_body_bytes` is less. A response that is not shared is
/// requested again by each of them, which is too much for a server that is down.
const SHARED_FAILURE: usize = ResponseCacheLayer::DEFAULT_MAX_BODY_BYTES;

/// How long after its head a body of unknown length is read, as long as it goes on. Then it is treated as a stream, whose parts
/// are to arrive one by one.
const STREAM_AFTER: Duration = Duration::from_secs(5);

/// A fetch of a response.
pub(super) struct Fetch {
    shared: Arc<Shared>,
    request: CacheableRequest,
    /// The header fields of the request, for `Vary`.
    headers: HeaderMap,
    version: Version,
    limit: Limit,
    waiters: Arc<Waiters>,
    /// What the server may confirm.
    stored: Option<Arc<StoredResponse>>,
}

/// A response as far as a fetch has read it.
struct Received<B> {
    head: Parts,
    body: ReadBody<B>,
    failure: Option<Classification>,
    is_confirmed: bool,
}

/// A response that is of no use.
struct Broken {
    error: BoxError,
    /// Whether another attempt may bring a better one.
    is_passing: bool,
}

// === impl Fetch ===

impl Fetch {
    /// A fetch that is yet to be [spawned](spawn), and the first call that waits for it.
    pub(super) fn begin<B>(
        shared: &Arc<Shared>,
        cacheable: &CacheableRequest,
        request: &Request<B>,
        deadline: Option<Deadline>,
        stored: Option<Arc<StoredResponse>>,
    ) -> (Running<Self>, PendingFetch, Waiting) {
        let sent_at = shared.clock.now();
        let limit = Limit::new(sent_at, shared.fetch_timeout, deadline);
        let version = shared.store.generations.version(sent_at, tags(shared, request));
        let (waiters, waiting) = Waiters::new();
        let fetch = Self {
            shared: Arc::clone(shared),
            request: cacheable.clone(),
            headers: request.headers().clone(),
            version: version.clone(),
            limit,
            waiters: Arc::clone(&waiters),
            stored,
        };
        let (running, waiter) = Running::new(fetch, Some(limit.overdue()));
        (running, PendingFetch { waiter, waiters, version, limit }, waiting)
    }

    /// When the fetch is given up.
    pub(super) const fn deadline(&self) -> Deadline {
        Deadline::at(self.limit.at)
    }

    /// Makes the request conditional, if there is a stored response that the server may confirm.
    pub(super) fn add_validators(&self, request: &mut HeaderMap) {
        let now = self.shared.clock.system_time();
        if let Some(validators) = self.stored.as_ref().and_then(|stored| stored.validators(now)) {
            validators.add_to(request);
        }
    }

    async fn receive<S, B, RB>(
        &self,
        response: S::Future,
        again: Option<Again<S, B>>,
    ) -> Result<Received<RB>, BoxError>
    where
        S: Service<Request<B>, Response = Response<RB>>,
        S::Error: Into<BoxError>,
        RB: Body,
        RB::Error: Into<BoxError>,
    {
        let attempts = async {
            let response = by(self.deadline(), response).await.map_err(Into::into)?;
            let first = self.read(response, self.stored.as_deref()).await;
            let is_broken = match &first {
                Ok(received) => received.is_incomplete(),
                Err(broken) => broken.is_passing,
            };
            let last = match again {
                Some(again) if is_broken => {
                    drop(first);
                    let endpoint = &self.request.endpoint;
                    events::fetching_again(endpoint);
                    let response = again.send(self.deadline(), &self.shared.clock, endpoint);
                    self.read(response.await?, None).await
                }
                _ => first,
            };
            last.map_err(|broken| broken.error)
        };
        timeout_at(self.limit.at, attempts).await.unwrap_or_else(|_| Err(self.timed_out().into()))
    }

    fn timed_out(&self) -> Error {
        let limit = self.limit.at.saturating_duration_since(self.version.sent_at);
        self.request.endpoint.timed_out(limit)
    }

    /// Reads a response. What its head says is not stored is not read.
    async fn read<B>(
        &self,
        response: Response<B>,
        asked_of: Option<&StoredResponse>,
    ) -> Result<Received<B>, Broken>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let (mut head, body) = response.into_parts();
        if let Some(stored) = asked_of {
            let now = self.shared.clock.system_time();
            let confirmed = match head.status {
                StatusCode::NOT_MODIFIED => stored.confirmed(&mut head, now),
                _ => None,
            };
            if let Some((body, trailers)) = confirmed {
                let body = ReadBody::Complete(body, trailers);
                return Ok(Received { head, body, failure: None, is_confirmed: true });
            }
            // The caller has set no condition, so neither is for the caller.
            if matches!(head.status, StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED) {
                let error = "the server did not confirm the stored response, and sent no other";
                return Err(Broken { error: error.into(), is_passing: true });
            }
        }
        let failure = self.shared.failure(head.status, &head.headers, &head.extensions);
        let received = |head, body, failure| Received { head, body, failure, is_confirmed: false };
        if failure.is_none() {
            if let Err(reason) = self.lifetime(&head) {
                let body = ReadBody::Passed(CacheBody::passed(body), reason);
                return Ok(received(head, body, None));
            }
        }
        let max_body_bytes = self.request.endpoint.config.max_body_bytes;
        let (max_bytes, stream_from) = match failure {
            None => (max_body_bytes, Some(self.shared.clock.now() + STREAM_AFTER)),
            Some(_) => (max_body_bytes.max(SHARED_FAILURE), None),
        };
        let limits = ReadLimits { max_bytes, room: &self.shared.in_flight.room, stream_from };
        let read = read_body(body, limits);
        let read = match failure {
            None => read.await.map_err(Into::into),
            // What the head says stays known if the body does not end.
            Some(_) => match timeout_at(self.limit.at, read).await {
                Ok(read) => read.map_err(Into::into),
                Err(_) => Err(self.timed_out().into()),
            },
        };
        match (read, failure) {
            (Ok(body), failure) => Ok(received(head, body, failure)),
            (Err(error), Some(failure)) => {
                let error = self.request.endpoint.broke_off(failure, head, error);
                Err(Broken { error: error.into(), is_passing: false })
            }
            (Err(error), None) => {
                let class = Classification::of_error(error.as_ref()).map(|found| found.class());
                // An error of unknown class came half way through a response that succeeds, so the body broke.
                let broke = matches!(
                    class,
                    None | Some(
                        ErrorClass::Interrupted | ErrorClass::Unavailable | ErrorClass::Connect
                    )
                );
                Err(Broken { error, is_passing: broke })
            }
        }
    }

    /// For how long a response with this head is used, and by which requests; or why it is not stored.
    fn lifetime(&self, head: &Parts) -> Result<(FreshnessLifetime, Variant), NotStorable> {
        let (config, now) = (&self.request.endpoint.config, self.shared.clock.system_time());
        let lifetime = config.policy.lifetime(head.status, &head.headers, now)?;
        let variant = Variant::new(&self.shared.store.hash_key, &head.headers, &self.headers);
        let variant = variant.map_err(|_| NotStorable::VaryAny)?;
        match announced_length(&head.headers) {
            Some(length) if length > config.max_body_bytes as u64 => Err(NotStorable::TooLong),
            Some(_) | None => Ok((lifetime, variant)),
        }
    }

    /// Stores what may be stored. The second value is a response that cannot be shared.
    fn store<B>(
        &self,
        received: Result<Received<B>, BoxError>,
    ) -> (Fetched, Option<Response<CacheBody<B>>>) {
        let Received { head, body, failure, is_confirmed } = match received {
            Err(error) => {
                let class = self.note_failure(Classification::of_error(error.as_ref()));
                return (Fetched::Failed(self.request.endpoint.fetch_failed(error), class), None);
            }
            Ok(received) => received,
        };
        let failure = self.note_failure(failure);
        let (response, reason) = match body {
            ReadBody::Passed(body, reason) => (Response::from_parts(head, body), Some(reason)),
            ReadBody::Complete(body, trailers) => {
                let hash_key = &self.shared.store.hash_key;
                let variant = Variant::new(hash_key, &head.headers, &self.headers).ok();
                let response = CompleteResponse { head, body, trailers, variant };
                let is_shared = match failure {
                    // Another caller may have asked to fail closed, and the server did not say this.
                    _ if response.head.extensions.get::<Degraded>().is_some() => Ok(false),
                    Some(_) => Ok(true),
                    None => self.store_complete(&response, is_confirmed),
                };
                match is_shared {
                    Ok(true) => return (Fetched::Response(Arc::new(response), failure), None),
                    Ok(false) => (response.into_response(), None),
                    Err(reason) => (response.into_response(), Some(reason)),
                }
            }
        };
        if let (None, Some(reason)) = (failure, reason) {
            self.note_not_storable(reason);
        }
        (Fetched::NotShared(failure), Some(response))
    }

    /// Whether the waiters share the response: not one that is to be validated for each request.
    fn store_complete(
        &self,
        response: &CompleteResponse,
        is_confirmed: bool,
    ) -> Result<bool, NotStorable> {
        let endpoint = &self.request.endpoint;
        let (lifetime, variant) = self.lifetime(&response.head)?;
        if !has_length(&response.head.headers, response.body.len()) {
            return Err(NotStorable::Incomplete);
        }
        let version = self.version.clone();
        let stored = StoredResponse::new(response, variant, lifetime, version);
        let (bytes, fresh_for) = (stored.weight(), stored.fresh_for());
        let is_shared = !stored.is_never_fresh();
        self.shared.store.insert(self.request.key, stored);
        match is_confirmed {
            true => events::confirmed(endpoint, fresh_for),
            false => events::stored(endpoint, bytes, fresh_for),
        }
        events::recovered(endpoint);
        Ok(is_shared)
    }

    fn note_not_storable(&self, reason: NotStorable) {
        let endpoint = &self.request.endpoint;
        // The next response of the server may find room.
        if reason != NotStorable::Busy {
            let (version, ttl) = (self.version.clone(), endpoint.config.policy.ttl);
            self.shared.store.insert_not_stored(self.request.key, version, ttl);
        }
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

    /// Notes that no call waited for the response any longer, and that there was no room to go on. Without a cooldown, a request
    /// would be sent and given up for each call that gets the stale response.
    fn note_given_up(&self) {
        self.note_failure(Some(Classification::of_class(ErrorClass::Timeout)));
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
pub(super) fn spawn<S, B, RB>(
    running: Running<Fetch>,
    response: S::Future,
    again: Option<Again<S, B>>,
    leader: oneshot::Sender<Response<CacheBody<RB>>>,
) where
    S: Service<Request<B>, Response = Response<RB>> + Send + 'static,
    S::Error: Into<BoxError> + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Body + Send + 'static,
    RB::Error: Into<BoxError>,
{
    let run = |mut running: Running<Fetch>| async move {
        let fetch = running.fetch();
        let receive = fetch.receive(response, again);
        let Some(received) = fetch.waiters.run(&fetch.shared.in_flight.unattended, receive).await
        else {
            fetch.note_given_up();
            return;
        };
        let (fetched, not_shared) = fetch.store(received);
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

impl<B> Received<B> {
    /// Whether a body has ended before its announced length.
    const fn is_incomplete(&self) -> bool {
        matches!(self.body, ReadBody::Passed(_, NotStorable::Incomplete))
    }
}

/// The length that a response announces, if it is readable.
fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a body has the length that the header fields announce, if they do.
fn has_length(headers: &HeaderMap, length: usize) -> bool {
    let length = length.to_string();
    headers.get_all(CONTENT_LENGTH).iter().all(|field| field.as_bytes() == length.as_bytes())
}
