use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use super::{FailedRequest, FallbackConfig, respond::Respond};

/// How one request fails, by the choice of whoever makes it: an extension of the request.
///
/// A pattern of the layer knows the upstream's path. Often it is the app's own route that decides: the login must not fail open
/// on a profile that an avatar may do without, and both are the upstream's `GET /users/{id}`.
///
/// ```
/// # use std::convert::Infallible;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_heed::{BoxError, FallbackLayer, fallback::OnFailure};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// # let http = service_fn(async |_: Request<Full<Bytes>>| {
/// #     Ok::<_, Infallible>(Response::builder().status(503).body(Full::<Bytes>::default()).unwrap())
/// # });
/// let client = FallbackLayer::fail_closed().layer(http); // an API that is down
/// let user = || Request::get("https://id.example/users/7");
///
/// let avatar = user().extension(OnFailure::fail_open(|_| Response::new("a grey picture")));
/// let response = client.clone().oneshot(avatar.body(Full::default())?).await?;
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "a grey picture");
///
/// let login = user().extension(OnFailure::fail_closed());
/// assert!(client.oneshot(login.body(Full::default())?).await.is_err());
/// # Ok(())
/// # }
/// ```
///
/// **Closed wins.** A request that asks to fail closed does so, whatever the layer says. One that asks to fail open does so unless
/// the layer's settings for its endpoint say otherwise: a class fails open only if both do. Where no pattern matches, nothing was
/// said about the endpoint, and the request fails open on the classes of [`FallbackLayer::fail_open`](super::FallbackLayer::fail_open),
/// but for those that [`fail_closed_on`](super::FallbackLayer::fail_closed_on) names. A failure that concerns credentials never
/// fails open because of the request.
#[derive(Clone, Debug)]
pub struct OnFailure(pub(super) Option<Arc<FallbackConfig>>);

// === impl OnFailure ===

impl OnFailure {
    /// Fails open with the response of `respond`, as [`FallbackLayer::fail_open`](super::FallbackLayer::fail_open) does. It
    /// replaces the layer's closure.
    #[must_use]
    pub fn fail_open<F, R, T>(respond: F) -> Self
    where
        F: Fn(&FailedRequest) -> R + Send + Sync + 'static,
        R: Into<Option<Response<T>>>,
        T: Into<Bytes>,
    {
        Self(Some(Arc::new(FallbackConfig::open(Respond::sync(respond)))))
    }

    /// Fails closed, as [`FallbackLayer::fail_closed`](super::FallbackLayer::fail_closed) does.
    #[must_use]
    pub const fn fail_closed() -> Self {
        Self(None)
    }
}
