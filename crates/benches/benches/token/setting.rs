//! The API that is called, and the requests and tokens that all rows have in common.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Full;
use tower::{Service, service_fn};
use tower_heed::{
    TokenCacheLayer,
    error::TokenError,
    token_cache::{Token, TokenRequest},
};

pub(super) type Body = Full<Bytes>;

pub(super) const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl";
pub(super) const ORIGIN: &str = "https://acme.eu.auth0.com";
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// The API, which allocates nothing.
#[derive(Clone)]
pub(super) struct Api;

impl Service<Request<Body>> for Api {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(())))
    }
}

pub(super) fn request() -> Request<Body> {
    let json = HeaderValue::from_static("application/json");
    Request::patch(Uri::from_static("https://acme.eu.auth0.com/api/v2/users/1"))
        .header(CONTENT_TYPE, json.clone())
        .header(ACCEPT, json)
        .header(USER_AGENT, HeaderValue::from_static("bench"))
        .body(Full::from(Bytes::from_static(b"{}")))
        .unwrap()
}

pub(super) fn header() -> HeaderValue {
    let bytes = Bytes::from_owner(format!("Bearer {TOKEN}").into_bytes());
    let mut header = HeaderValue::from_maybe_shared(bytes).unwrap();
    header.set_sensitive(true);
    header
}

pub(super) fn source() -> TokenCacheLayer {
    TokenCacheLayer::new(service_fn(|_: TokenRequest| async {
        Ok::<_, TokenError>(Token::bearer(TOKEN)?.expires_in(DAY))
    }))
    .allow_origin(ORIGIN.parse().unwrap())
}
