//! The client of both servers: hyper's, with rustls where an address needs it.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::TokioExecutor,
};
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_heed::BoxError;

pub type Body = Full<Bytes>;
pub type Http =
    BoxCloneSyncService<Request<Body>, Response<BoxBody<Bytes, hyper::Error>>, BoxError>;

/// A client for these addresses, with the system's certificates if one is an `https` one.
pub fn client(addresses: &[&str]) -> Result<Http, BoxError> {
    let plain = HttpConnector::new();
    if addresses.iter().all(|address| address.starts_with("http://")) {
        return Ok(over(plain));
    }
    let tls = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
    Ok(over(tls.build()))
}

fn over<C>(connector: C) -> Http
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let boxed = |response: Response<Incoming>| response.map(BodyExt::boxed);
    BoxCloneSyncService::new(client.map_response(boxed).map_err(Into::into))
}
