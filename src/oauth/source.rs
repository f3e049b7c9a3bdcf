//! What all sources have in common: the service around an exchange, and its span.

use std::future::Future;

use http::Uri;
use tracing::{Instrument, field::Empty, info_span};

use crate::error::TokenErrorKind;

/// Makes a type with a method `token` a source, and shows one of its fields.
macro_rules! token_source {
    ($source:ident, $shown:ident) => {
        impl ::tower_service::Service<$crate::token_cache::TokenRequest> for $source {
            type Response = $crate::token_cache::Token;
            type Error = $crate::error::TokenError;
            type Future = ::std::pin::Pin<
                Box<dyn ::std::future::Future<Output = Result<Self::Response, Self::Error>> + Send>,
            >;

            fn poll_ready(
                &mut self,
                _cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Result<(), Self::Error>> {
                ::std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: $crate::token_cache::TokenRequest) -> Self::Future {
                Box::pin(self.clone().token(request))
            }
        }

        impl ::std::fmt::Debug for $source {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($source))
                    .field(stringify!($shown), &self.$shown)
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use token_source;

const TARGET: &str = "tower_heed::oauth";

/// An exchange in a span of its own. `kind` tells the kind of a failure.
pub(super) async fn traced<T, E>(
    grant_type: &str,
    endpoint: &Uri,
    kind: impl FnOnce(&E) -> TokenErrorKind,
    exchange: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = info_span!(
        target: TARGET,
        "token exchange",
        otel.kind = "client",
        oauth.grant_type = grant_type,
        server.address = endpoint.host(),
        outcome = Empty,
    );
    let exchanged = exchange.instrument(span.clone()).await;
    span.record("outcome", exchanged.as_ref().err().map_or("ok", |error| kind(error).as_str()));
    exchanged
}
