use std::{pin::Pin, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body::Body;
use tokio::time::timeout;
use tower_service::Service;
use tracing::Instrument;

use super::{Failure, failure::Outcome};
use crate::{
    BoxError, Error,
    body::drain,
    classify::{Classification, Classifier},
    clock::Clock,
    extensions::Degraded,
    ready::{NotReady, make_ready},
};

/// The part of a response body that is read to keep its connection: more than such endpoints send, and cheaper than a new
/// connection.
const DRAIN_MAX_BYTES: usize = 64 * 1024;

/// The time for that. Then the body is dropped, and with it the connection.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends one request. It ends with the response head, and leaves the body to be drained.
pub(super) type Sending = Boxed<(Outcome, Option<Boxed<()>>)>;

/// Boxed, because requests of different services share a queue.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Classifies responses.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
}

/// Makes `service` ready and sends `request`, in the current span.
pub(super) fn send<S, B, RB>(
    mut service: S,
    request: Request<B>,
    endpoint: Arc<str>,
    reader: Reader,
) -> Sending
where
    S: Service<Request<B>, Response = Response<RB>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    RB: Body + Send + 'static,
{
    let send = async move {
        let readied = make_ready(&mut service, None)
            .await
            .unwrap_or_else(|NotReady(limit)| Err(Error::not_ready(limit, Some(endpoint)).into()));
        if let Err(error) = readied {
            return (Err(Box::new(Failure::Error(error))), None);
        }
        let future = service.call(request);
        // The service may hold permits that others wait for.
        drop(service);
        match future.await {
            Ok(response) => (reader.read(&response), drain_later(response.into_body())),
            Err(error) => (Err(Box::new(Failure::Error(error.into()))), None),
        }
    };
    Box::pin(send.in_current_span())
}

fn drain_later<RB: Body + Send + 'static>(body: RB) -> Option<Boxed<()>> {
    if body.is_end_stream() {
        return None;
    }
    let drained = async { drop(timeout(DRAIN_TIMEOUT, drain(body, DRAIN_MAX_BYTES)).await) };
    Some(Box::pin(drained.in_current_span()))
}

// === impl Reader ===

impl Reader {
    fn read<RB>(&self, response: &Response<RB>) -> Outcome {
        let extensions = response.extensions();
        let attached = extensions.get::<Classification>().cloned();
        // A fallback's response stands in for a failure: the request was not delivered.
        let degraded = || extensions.get::<Degraded>().copied().map(Classification::of_degraded);
        let failure = attached.or_else(degraded).or_else(|| {
            let now = || self.clock.system_time();
            let (status, headers) = (response.status(), response.headers());
            Classification::of_response_when(&*self.classifier, status, headers, &now)
        });
        match failure {
            Some(failure) => Err(Box::new(Failure::Response(failure))),
            None => Ok(response.status()),
        }
    }
}
