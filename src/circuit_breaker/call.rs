//! A request that the layer has let through, and how it ended.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};

use super::{
    circuit::{Admitted, Change, Failure, Outcome},
    config::Scope,
    events,
    key::Key,
    layer::Shared,
};
use crate::{
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
        let mut admitted = Ok(Admitted { at: now, is_probe: false });
        if !shared.circuits.is_empty() {
            admitted = shared.circuits.with(|table| {
                table.sweep(now);
                let Some(slot) = table.get(hash) else { return admitted };
                let admitted = slot.circuit.admit(now, config);
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
            Some(found) => of_classification(found),
            None if response.extensions().get::<Degraded>().is_some() => Outcome::Unknown,
            None => {
                let now = || self.shared.clock.system_time();
                let (status, headers) = (response.status(), response.headers());
                let classifier = &*self.shared.classifier;
                Classification::of_response_when(classifier, status, headers, &now)
                    .as_ref()
                    .map_or(Outcome::Success, of_classification)
            }
        };
        self.end(outcome);
    }

    pub(super) fn on_error(mut self, error: &(dyn StdError + 'static)) {
        let found = Classification::of_error(error);
        self.end(found.as_ref().map_or(Outcome::Unknown, of_classification));
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
        let timeout = Failure { class: ErrorClass::Timeout, retry_after: None };
        let outcome = match self.activity {
            Activity::Waiting => Outcome::Unknown,
            Activity::Sending if self.deadline.is_some_and(is_over) => Outcome::Failure(timeout),
            Activity::Sending => Outcome::Left,
        };
        self.end(outcome);
    }
}

/// What a failure says about the upstream.
fn of_classification(found: &Classification) -> Outcome {
    let failure = Failure { class: found.class(), retry_after: found.pause() };
    match found.class() {
        ErrorClass::Unavailable => match found.status() {
            // About this request, and not about the server.
            Some(
                StatusCode::TOO_EARLY
                | StatusCode::NOT_IMPLEMENTED
                | StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            ) => Outcome::Success,
            _ => Outcome::Failure(failure),
        },
        // 408: the server waited for this request.
        ErrorClass::Timeout if found.status() == Some(StatusCode::REQUEST_TIMEOUT) => {
            Outcome::Success
        }
        ErrorClass::Timeout | ErrorClass::Connect | ErrorClass::Interrupted => {
            Outcome::Failure(failure)
        }
        ErrorClass::RateLimited
        | ErrorClass::Unauthenticated
        | ErrorClass::Forbidden
        | ErrorClass::Rejected => Outcome::Success,
        ErrorClass::Throttled | ErrorClass::TokenUnavailable => Outcome::Unknown,
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
