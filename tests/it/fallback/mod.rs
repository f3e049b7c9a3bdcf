//! `FallbackLayer`: which failures fail open, which fail closed, and which pass through.

mod closed;
mod config;
mod events;
mod never_open;
mod on_failure;
mod open;
mod release;
mod spelling;
mod stack;
mod table;

use std::{
    error::Error,
    fmt, io,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, Error as LayerError, ErrorClassifyLayer, ErrorKind, FallbackLayer,
    classify::{Classification, Classifier, ErrorClass, Preset},
    extensions::Degraded,
    fallback::FallbackBody,
};

use crate::support::{
    probe::Body,
    scripted::{get, response, scripted},
};

/// How one call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Open,
    Closed,
    Passed,
}

type Outcome = Result<Response<FallbackBody<Body>>, BoxError>;

/// What `layer` makes of one outcome of the upstream, for a `GET` of `path`.
async fn outcome_of(
    layer: &FallbackLayer,
    path: &str,
    upstream: Result<Response<Body>, BoxError>,
) -> Outcome {
    let upstream = Arc::new(Mutex::new(Some(upstream)));
    let service = service_fn(move |_: Request<Body>| {
        let outcome = upstream.lock().unwrap().take().expect("sent once");
        async move { outcome }
    });
    let mut client = layer.layer(service);
    client.ready().await?.call(get(path)).await
}

fn ended(outcome: &Outcome) -> Ended {
    match outcome {
        Ok(response) if response.extensions().get::<Degraded>().is_some() => Ended::Open,
        Err(error) if is_unavailable(error) => Ended::Closed,
        Ok(_) | Err(_) => Ended::Passed,
    }
}

fn is_unavailable(error: &BoxError) -> bool {
    let error: Option<&LayerError> = error.downcast_ref();
    error.is_some_and(|error| *error.kind() == ErrorKind::UpstreamUnavailable)
}

fn unavailable(outcome: &Outcome) -> &LayerError {
    let error = outcome.as_ref().map(|_| ()).unwrap_err();
    crate::support::error::unavailable(error.as_ref())
}

async fn text(outcome: Outcome) -> String {
    let body = outcome.unwrap().into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// A response that an inner layer has classified.
fn classed(status: u16, class: ErrorClass) -> Response<Body> {
    let mut response = response(status, &[]);
    response.extensions_mut().insert(Classification::of_class(class));
    response
}

/// The error that a response becomes by `error_for_status`.
async fn as_error(response: Response<Body>) -> BoxError {
    as_error_by(Preset::Standard, response).await
}

async fn as_error_by(reader: impl Classifier, failed: Response<Body>) -> BoxError {
    let headers = failed.headers().clone();
    let status = failed.status();
    let upstream = scripted(move |_| {
        let mut response = response(status.as_u16(), &[]);
        response.headers_mut().clone_from(&headers);
        response
    });
    let mut client =
        ErrorClassifyLayer::new().classifier(reader).error_for_status().layer(upstream);
    let error = client.ready().await.unwrap().call(get("/")).await.map(drop).unwrap_err();
    assert!(error.is::<LayerError>());
    error
}

fn io_error(kind: io::ErrorKind) -> BoxError {
    io::Error::from(kind).into()
}

/// An error around another, as clients make them.
#[derive(Debug)]
struct Wrapper(BoxError);

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request failed")
    }
}

impl Error for Wrapper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
