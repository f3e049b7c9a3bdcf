use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use crate::{BoxError, error::Error};

/// Limits the time that a connector takes for a connection, TLS included: it goes around the outermost connector, inside the client.
///
/// A connection that hangs becomes an [`Error`](crate::Error) with the phase [`Connecting`](crate::error::Phase::Connecting) and the
/// class [`Connect`](crate::classify::ErrorClass::Connect): the request was never sent, so any request is sent again. Without this limit the time of the
/// [attempt](crate::Stack::attempt_timeout) runs out, and nobody knows whether the request was sent. reqwest has a `connect_timeout` of
/// its own, with the same class.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::TokioExecutor};
/// use tower_heed::{Stack, timeout::ConnectTimeout};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let connector = ConnectTimeout::new(HttpConnector::new(), Duration::from_secs(3));
/// let http = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
/// let client = Stack::new().service(http);
/// # drop(client);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConnectTimeout<S> {
    inner: S,
    limit: Duration,
}

pin_project! {
    /// The future of [`ConnectTimeout`].
    #[derive(Debug)]
    pub struct ConnectFuture<F> {
        #[pin]
        inner: F,
        limit: Duration,
        // Boxed, since hyper-util's client needs a future that is `Unpin`.
        timer: Pin<Box<Sleep>>,
    }
}

// === impl ConnectTimeout ===

impl<S> ConnectTimeout<S> {
    /// Limits each connection of `connector` to `limit`, from the resolution of the name to the end of the TLS handshake.
    pub const fn new(connector: S, limit: Duration) -> Self {
        Self { inner: connector, limit }
    }

    inner_accessors!();
}

impl<S, T> Service<T> for ConnectTimeout<S>
where
    S: Service<T>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ConnectFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let timer = Box::pin(sleep(self.limit));
        ConnectFuture { inner: self.inner.call(target), limit: self.limit, timer }
    }
}

// === impl ConnectFuture ===

impl<F, T, E> Future for ConnectFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(connected) = this.inner.poll(cx) {
            return Poll::Ready(connected.map_err(Into::into));
        }
        this.timer.as_mut().poll(cx).map(|()| Err(Error::not_connected(*this.limit).into()))
    }
}
