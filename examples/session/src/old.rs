//! Session recovery as people write it before the first bad night. Do not copy it.

use std::pin::Pin;

use http::{Request, Response, StatusCode};
use tower::{Service, ServiceExt};
use tower_heed::BoxError;

use super::{
    provider::{Body, Call, Provider},
    user::{Ended, Page},
};

/// The guard that was put in when this had run for a whole night: after so many attempts it is the login page.
const MAX_ATTEMPTS: usize = 30;

/// One user's session.
struct Session<S> {
    http: S,
    user: usize,
    /// How often a response was treated as a sign-out.
    sign_outs: usize,
}

pub fn session(
    provider: &Provider,
    user: usize,
) -> impl Future<Output = Result<Ended, BoxError>> + Send + use<> {
    let http = provider.client();
    async move {
        let mut session = Session { http, user, sign_outs: 0 };
        let page = match session.call(Call::Token.of(user)).await? {
            StatusCode::OK => Page::Wanted,
            _ => Page::Login,
        };
        Ok(Ended { page, sign_outs: session.sign_outs })
    }
}

// === impl Session ===

impl<S> Session<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError> + Send,
    S::Future: Send,
{
    /// The middleware: each 4xx is "the user is signed out", whatever it says.
    async fn call(&mut self, request: Request<Body>) -> Result<StatusCode, BoxError> {
        let response = self.http.ready().await?.call(request).await?;
        if response.status().is_client_error() {
            self.sign_outs += 1;
            return self.recover(response.status()).await;
        }
        Ok(response.status())
    }

    /// Recovery is a call like any other, so it goes through the middleware, and at once.
    fn recover(
        &mut self,
        failed: StatusCode,
    ) -> Pin<Box<dyn Future<Output = Result<StatusCode, BoxError>> + Send + '_>> {
        Box::pin(async move {
            if self.sign_outs > MAX_ATTEMPTS {
                return Ok(failed);
            }
            self.call(Call::Touch.of(self.user)).await
        })
    }
}
