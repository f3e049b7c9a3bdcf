//! A request that the layer has let through, and how it ended.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use http::{Request, Response};

use super::{
    circuit::{Admitted, Change, Failure, Outcome},
    config::Scope,
    events,
    key::Key,
    layer::Shared,
};
use crate::{
    body::Upload,
    classify::{Classification, ErrorClass},
    endpoint::EndpointIndex,
    error::{Details, Error, ErrorKind},
    extensions::{Deadline, Degraded, ambient::Activity},
    jitter,
    metrics::{Meter, OpenCircuit},
};

/// A request in flight. Dropped without an outcome, its caller has left.
#[derive(Debug)]
pub(super) struct Call {
    shared: Arc<Shared>,
    endpoint: EndpointIndex,
    key: Key,
    hash: u64,
    admitted: Admitted,
    deadline: Option<Deadline>,
    /// None if the whole body was there at the call, or nobody told.
    upload: Option<Upload>,
    /// What the layers inside were last doing.
    pub(super) activity: Activity,
    has_ended: bool,
}

// === impl Call ===

impl Call {
    /// `Ok(None)` for a request that is not looked at.
    ///
    /// # Errors
    ///
    /// The circuit is open.
    pub(super) fn admit<B>(
        shared: &Arc<Shared>,
        request: &Request<B>,
    ) -> Result<Option<Self>, Error> {
        let index = shared.endpoints.index_of(request);
        let endpoint = shared.endpoints.at(index);
        let config = endpoint.config();
        let own = match config.scope() {
            Scope::Exempt => return Ok(None),
            Scope::Endpoint(pattern) => Some(Arc::clone(pattern)),
            Scope::Origin | Scope::Own => None,
        };
        let key = Key::of(request, own);
        let hash = shared.circuits.hash(&key);
        let now = shared.clock.now();
        let upload: Option<Upload> = request.extensions().get().cloned();
        let mut admitted = Ok(Admitted { at: now, is_probe: false });
        if !shared.circuits.is_empty() {
            admitted = shared.circuits.with(|table| {
                table.sweep(now);
                let Some(slot) = table.get(hash) else { return admitted };
                let admitted = slot.circuit.admit(now, config, upload.as_ref());
                admitted.map_err(|wait| (wait, Arc::clone(&slot.name), slot.circuit.class()))
            });
        }
        match admitted {
            Ok(admitted) => Ok(Some(Self {
                shared: Arc::clone(shared),
                endpoint: index,
                key,
                hash,
                admitted,
                deadline: Deadline::of(request),
                upload,
                activity: Activity::Sending,
                has_ended: false,
            })),
            Err((wait, key, cause)) => {
                Meter::of(&endpoint).circuit_rejected();
                Err(open_error(wait, key, cause, endpoint.shared_pattern()))
            }
        }
    }

    pub(super) fn on_response<B>(mut self, response: &Response<B>) {
        let outcome = match response.extensions().get::<Classification>() {
            Some(found) => self.outcome_of(found),
            None if response.extensions().get::<Degraded>().is_some() => Outcome::Unknown,
            None => {
                let now = || self.shared.clock.system_time();
                let (status, headers) = (response.status(), response.headers());
                let classifier = &*self.shared.classifier;
                Classification::of_response_when(classifier, status, headers, &now)
                    .as_ref()
                    .map_or(Outcome::Success, |found| self.outcome_of(found))
            }
        };
        self.end(outcome);
    }

    pub(super) fn on_error(mut self, error: &(dyn StdError + 'static)) {
        let found = Classification::of_error(error);
        self.end(found.map_or(Outcome::Unknown, |found| self.outcome_of(&found)));
    }

    /// What a failure says about the upstream.
    fn outcome_of(&self, found: &Classification) -> Outcome {
        let class = found.class();
        if class.is_about_request(found.status()) {
            return Outcome::Success;
        }
        if class.is_about_upload(self.upload.as_ref()) {
            return Outcome::Unknown;
        }
        // A server that ends a connection, as after so many requests or for a restart, leaves several of its requests at once.
        if class == ErrorClass::Connect && found.resend().is_on_another_connection() {
            return Outcome::Unknown;
        }
        match class {
            ErrorClass::Unavailable
            | ErrorClass::Timeout
            | ErrorClass::Connect
            | ErrorClass::Interrupted => {
                Outcome::Failure(Failure { class, retry_after: found.pause() })
            }
            ErrorClass::RateLimited
            | ErrorClass::Unauthenticated
            | ErrorClass::Forbidden
            | ErrorClass::Rejected => Outcome::Success,
            ErrorClass::Throttled | ErrorClass::TokenUnavailable => Outcome::Unknown,
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.has_ended = true;
        let Self { shared, admitted, hash, .. } = self;
        let is_failure = matches!(outcome, Outcome::Failure(_));
        if !is_failure && shared.circuits.is_empty() {
            return;
        }
        let endpoint = shared.endpoints.at(self.endpoint);
        let (now, chance) = (shared.clock.now(), jitter::draw());
        let ended = shared.circuits.with(|table| {
            let slot = match is_failure {
                true => table.insert(*hash, &self.key, now, chance),
                false => table.get(*hash),
            }?;
            let change = slot.circuit.ended(*admitted, outcome, now, endpoint.config(), chance);
            slot.changed(change.as_ref(), || OpenCircuit::new(Meter::of(&endpoint)));
            Some((change?, Arc::clone(&slot.name)))
        });
        if let Some((change, key)) = ended {
            let meter = Meter::of(&endpoint);
            match change {
                Change::Opened { class, .. } => meter.circuit_opened(class.as_str()),
                Change::Closed => {}
            }
            events::changed(&change, &key, &endpoint);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let is_over = |deadline: Deadline| deadline.remaining(self.shared.clock.now()).is_zero();
        let class = ErrorClass::Timeout;
        let is_timeout = self.activity == Activity::Sending
            && self.deadline.is_some_and(is_over)
            && !class.is_about_upload(self.upload.as_ref());
        let outcome = match is_timeout {
            true => Outcome::Failure(Failure { class, retry_after: None }),
            false => Outcome::Unknown,
        };
        self.end(outcome);
    }
}

#[cold]
fn open_error(
    wait: Duration,
    key: Arc<str>,
    cause: ErrorClass,
    endpoint: Option<Arc<str>>,
) -> Error {
    let classification = Some(Classification::of_open_circuit(cause, wait));
    let details = Details { classification, endpoint, ..Details::default() };
    Error::new(ErrorKind::CircuitOpen { key }, details)
}
