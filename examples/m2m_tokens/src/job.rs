//! One call to the API.

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tower::{Service, ServiceExt};
use tower_heed::BoxError;

use super::{
    counts::{AttemptCount, Counts},
    http_client::Body,
};

/// The most that is read of a response.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Calls `url` and reads the response to its end, so that the connection is kept.
pub async fn call<S, B>(client: S, url: &str, counts: Counts)
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let outcome = response(client, url).await;
    counts.ended(&outcome);
}

async fn response<S, B>(client: S, url: &str) -> Result<StatusCode, BoxError>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let request = Request::get(url).extension(AttemptCount::default()).body(Body::default())?;
    let response = client.oneshot(request).await?;
    let status = response.status();
    let body = response.into_body();
    if !body.is_end_stream() {
        Limited::new(body, MAX_BODY).collect().await?;
    }
    Ok(status)
}
