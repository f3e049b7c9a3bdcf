//! One request, sent in the background.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body::Body;
use tokio::time::timeout;
use tower::ServiceExt;
use tower_service::Service;
use tracing::Instrument;

use super::{Cause, outcome::Outcome};
use crate::{
    BoxError,
    body::drain,
    classify::{Classification, Classifier},
    clock::Clock,
};

/// What is read of the answer that nobody waits for, so that its connection is kept: more than the answers of such
/// endpoints have, and less than a new connection costs.
const DRAIN_MAX_BYTES: usize = 64 * 1024;

/// For how long. What is left then is dropped, and the connection with it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A request on its way. Its end is that of the answer's head; the body is left to be read away after that.
pub(super) type Sending = Boxed<(Outcome, Option<Boxed<()>>)>;

/// Boxed, because requests of different services share a queue.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Says what an answer means.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
}

/// Sends `request` by `service`, made ready first, in the span of this moment.
pub(super) fn send<S, B, RB>(mut service: S, request: Request<B>, reader: Reader) -> Sending
where
    S: Service<Request<B>, Response = Response<RB>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    RB: Body + Send + 'static,
{
    let send = async move {
        let future = match service.ready().await.map_err(Into::into) {
            Ok(ready) => ready.call(request),
            Err(error) => return (Outcome::failed(Cause::Failed(error)), None),
        };
        // What it holds is not needed any more, and others may wait for it.
        drop(service);
        match future.await {
            Ok(response) => (reader.read(&response), read_away(response.into_body())),
            Err(error) => (Outcome::failed(Cause::Failed(error.into())), None),
        }
    };
    Box::pin(send.in_current_span())
}

fn read_away<RB: Body + Send + 'static>(body: RB) -> Option<Boxed<()>> {
    if body.is_end_stream() {
        return None;
    }
    let drained = async { drop(timeout(DRAIN_TIMEOUT, drain(body, DRAIN_MAX_BYTES)).await) };
    Some(Box::pin(drained.in_current_span()))
}

// === impl Reader ===

impl Reader {
    fn read<RB>(&self, response: &Response<RB>) -> Outcome {
        let found = response.extensions().get::<Classification>().cloned();
        let failure = found.or_else(|| {
            let now = || self.clock.system_time();
            let (status, headers) = (response.status(), response.headers());
            Classification::of_response_when(&*self.classifier, status, headers, &now)
        });
        match failure {
            Some(failure) => Outcome::failed(Cause::Answered(failure)),
            None => Outcome::Succeeded(response.status()),
        }
    }
}
