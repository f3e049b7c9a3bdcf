//! The client below every strategy.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, response::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::{
    client::legacy::{Client, Error},
    rt::{TokioExecutor, TokioTimer},
};
use tower::{Service, ServiceExt, service_fn};
use tower_heed::BoxError;

use super::{connector::Connector, tally::Tally};

/// hyper-util's client, with a connection for each worker at most, and counted.
pub fn client(
    tally: &Tally,
    workers: usize,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Incoming>,
    Error = Error,
    Future: Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    let http = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(workers)
        .build(Connector::new(tally, workers));
    let tally = tally.clone();
    service_fn(move |request| {
        let tally = tally.clone();
        tally.sent();
        let response = http.request(request);
        async move {
            let response = response.await;
            tally.ended(response.as_ref().ok().map(Response::status));
            response
        }
    })
}

/// One call, and whether its response was a 200.
pub async fn get<C, B>(client: C, uri: Uri) -> bool
where
    C: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>>,
{
    head(client, uri).await.is_ok_and(|head| head.status == StatusCode::OK)
}

/// One call, of which the response is read to its end, so that the connection can be used again.
pub async fn head<C, B>(mut client: C, uri: Uri) -> Result<Parts, BoxError>
where
    C: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>>,
{
    let mut request = Request::new(Full::default());
    *request.uri_mut() = uri;
    let response = client.ready().await.map_err(Into::into)?.call(request);
    let (head, body) = response.await.map_err(Into::into)?.into_parts();
    body.collect().await.map_err(Into::into)?;
    Ok(head)
}
