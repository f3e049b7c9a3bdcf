use std::{fmt, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::Response;

use super::FailedRequest;

/// The closure that makes fallback responses.
#[derive(Clone)]
pub(super) enum Respond {
    Sync(Arc<SyncFn>),
    Async(Arc<AsyncFn>),
}

/// The fallback response; none to fail closed.
pub(super) type Responded = Option<Response<Bytes>>;

pub(super) type RespondFuture = Pin<Box<dyn Future<Output = Responded> + Send>>;

type SyncFn = dyn Fn(&FailedRequest) -> Responded + Send + Sync;
type AsyncFn = dyn Fn(FailedRequest) -> RespondFuture + Send + Sync;

// === impl Respond ===

impl Respond {
    pub(super) fn sync<F, R, T>(respond: F) -> Self
    where
        F: Fn(&FailedRequest) -> R + Send + Sync + 'static,
        R: Into<Option<Response<T>>>,
        T: Into<Bytes>,
    {
        Self::Sync(Arc::new(move |failed| erased(respond(failed))))
    }

    pub(super) fn asynchronous<F, Fut, R, T>(respond: F) -> Self
    where
        F: Fn(FailedRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: Into<Option<Response<T>>>,
        T: Into<Bytes>,
    {
        Self::Async(Arc::new(move |failed| {
            let response = respond(failed);
            Box::pin(async move { erased(response.await) })
        }))
    }
}

fn erased<T: Into<Bytes>>(response: impl Into<Option<Response<T>>>) -> Responded {
    response.into().map(|response| response.map(Into::into))
}

impl fmt::Debug for Respond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Respond")
    }
}
