//! Layers that each break one case, as layers in the field have.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceExt};
use tower_heed::BoxError;

use super::subjects::{Wrap, boxed};
use crate::support::probe::{Body, Probe};

pub(super) struct Fault {
    pub(super) breaks: &'static str,
    pub(super) how: &'static str,
    pub(super) wrap: Wrap,
}

macro_rules! faults {
    ($($breaks:literal: $how:literal => $kind:ident),* $(,)?) => {
        pub(super) const FAULTS: &[Fault] = &[$(Fault {
            breaks: $breaks,
            how: $how,
            wrap: |probe| boxed(Broken { inner: probe, kind: Kind::$kind, spare: None }),
        }),*];
    };
}

faults![
    "the_readied_instance_is_called": "a clone is called" => CallsClone,
    "pending_is_passed_on_and_wakes": "the waker is dropped" => LosesWaker,
    "a_readiness_error_arrives_unchanged_and_is_not_retried": "another error" => RewritesReadinessError,
    "readiness_asked_twice_takes_one_permit": "each asking readies a new clone" => KeepsSpares,
    "a_clone_starts_without_a_permit": "always ready, waits in the call" => ClaimsReadiness,
    "readiness_given_up_before_a_call_gives_the_permit_back": "the readied instance is leaked" => Leaks,
    "a_dropped_future_stops_the_inner_call": "the call is spawned" => Spawns,
    "a_success_passes_untouched": "a new body of the same text" => RewritesResponse,
    "an_error_passes_untouched": "only the text is kept" => RewritesError,
    "every_attempt_asks_for_readiness": "the second attempt goes to a bare clone" => AttemptsUnready,
    "dropped_at_any_poll_it_leaves_nothing": "a permit is kept during a wait" => KeepsPermit,
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    CallsClone,
    LosesWaker,
    RewritesReadinessError,
    KeepsSpares,
    ClaimsReadiness,
    Leaks,
    Spawns,
    RewritesResponse,
    RewritesError,
    AttemptsUnready,
    KeepsPermit,
}

struct Broken {
    inner: Probe,
    kind: Kind,
    spare: Option<Probe>,
}

impl Clone for Broken {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), kind: self.kind, spare: None }
    }
}

impl Service<Request<Body>> for Broken {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self.kind {
            Kind::LosesWaker => {
                let mut deaf = Context::from_waker(std::task::Waker::noop());
                self.inner.poll_ready(&mut deaf).map_err(Into::into)
            }
            Kind::RewritesReadinessError => {
                self.inner.poll_ready(cx).map_err(|_| "not ready".into())
            }
            Kind::KeepsSpares => {
                let mut fresh = self.inner.clone();
                let polled = fresh.poll_ready(cx).map_err(Into::into);
                self.spare = Some(std::mem::replace(&mut self.inner, fresh));
                polled
            }
            Kind::ClaimsReadiness => Poll::Ready(Ok(())),
            Kind::Leaks => {
                let polled = self.inner.poll_ready(cx).map_err(Into::into);
                let clone = self.inner.clone();
                std::mem::forget(std::mem::replace(&mut self.inner, clone));
                polled
            }
            _ => self.inner.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.kind {
            Kind::CallsClone => {
                let future = self.inner.clone().call(request);
                Box::pin(async move { future.await.map_err(Into::into) })
            }
            Kind::ClaimsReadiness => {
                let inner = self.inner.clone();
                Box::pin(async move { inner.oneshot(request).await.map_err(Into::into) })
            }
            Kind::Spawns => {
                let task = tokio::spawn(self.inner.call(request));
                Box::pin(async move { task.await?.map_err(Into::into) })
            }
            Kind::RewritesResponse => {
                let future = self.inner.call(request);
                Box::pin(async move {
                    let mut response = future.await.map_err(BoxError::from)?;
                    response.extensions_mut().clear();
                    Ok(response.map(|_| Full::from("the body")))
                })
            }
            Kind::RewritesError => {
                let future = self.inner.call(request);
                Box::pin(async move { future.await.map_err(|error| error.to_string().into()) })
            }
            Kind::AttemptsUnready => {
                let mut again = self.inner.clone();
                let copy = request.clone();
                let future = self.inner.call(request);
                Box::pin(async move {
                    let response = future.await.map_err(BoxError::from)?;
                    if response.status().is_success() {
                        return Ok(response);
                    }
                    again.call(copy).await.map_err(Into::into)
                })
            }
            Kind::KeepsPermit => {
                let mut kept = std::mem::ManuallyDrop::new(self.inner.clone());
                let future = self.inner.call(request);
                Box::pin(async move {
                    let response = future.await.map_err(BoxError::from)?;
                    kept.ready().await?;
                    tokio::task::yield_now().await;
                    drop(std::mem::ManuallyDrop::into_inner(kept));
                    Ok(response)
                })
            }
            _ => {
                let future = self.inner.call(request);
                Box::pin(async move { future.await.map_err(Into::into) })
            }
        }
    }
}
