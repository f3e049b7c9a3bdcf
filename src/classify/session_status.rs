use tokio::sync::watch;

use super::AuthStatus;

/// The [`AuthStatus`] of a session, to look at and to wait for.
///
/// Given by [`ErrorClassifyLayer::status`](super::ErrorClassifyLayer::status). It outlives the layer: when the layer, its
/// clones and their services are gone, the status stays what it was. A clone has seen what its original had.
///
/// ```
/// use http::{Request, Response};
/// use http_body_util::Empty;
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_heed::{BoxError, ErrorClassifyLayer, classify::AuthStatus};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let http = service_fn(async |_: Request<Empty<bytes::Bytes>>| {
///     Ok::<_, BoxError>(Response::new(Empty::<bytes::Bytes>::new()))
/// });
/// let layer = ErrorClassifyLayer::new();
/// let mut session = layer.status();
/// let watching = tokio::spawn(async move {
///     while let Some(status) = session.changed().await {
///         println!("the session is {status}"); // for a health page, or a gauge
///     }
/// });
///
/// let mut session = layer.status();
/// assert_eq!(session.get(), AuthStatus::Unknown);
/// layer.layer(http).oneshot(Request::new(Empty::new())).await?;
/// assert_eq!(session.until(|status| status == AuthStatus::Active).await, Some(AuthStatus::Active));
///
/// drop(layer);
/// watching.await?; // there will be no further change
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SessionStatus {
    receiver: watch::Receiver<AuthStatus>,
}

// === impl SessionStatus ===

impl SessionStatus {
    pub(super) const fn new(receiver: watch::Receiver<AuthStatus>) -> Self {
        Self { receiver }
    }

    /// The status at this moment. To [`changed`](Self::changed) it stays unseen.
    #[must_use]
    pub fn get(&self) -> AuthStatus {
        *self.receiver.borrow()
    }

    /// Waits for a change that was not seen yet, and gives the status as it then is. `None`, at once, when there can be no
    /// further one, because the layer, its clones and their services are gone.
    ///
    /// What there was when [`status`](super::ErrorClassifyLayer::status) was called, and what this or [`until`](Self::until)
    /// gave, has been seen. Changes are not counted and not kept: after several, the last is given, which may be the status
    /// that was there before them.
    ///
    /// Cancel safe: if the future is dropped, no change is missed.
    pub async fn changed(&mut self) -> Option<AuthStatus> {
        self.receiver.changed().await.ok()?;
        Some(*self.receiver.borrow_and_update())
    }

    /// Waits until the status is one that is wanted, and gives it: at once if it is so already. `None` when it is not and
    /// there can be no further change.
    ///
    /// For a request that should wait until a recovery has ended. Put a time limit around it: a recovery that fails leaves
    /// the status as it is.
    ///
    /// Cancel safe: it may be dropped and called again.
    pub async fn until<F>(&mut self, mut wanted: F) -> Option<AuthStatus>
    where
        F: FnMut(AuthStatus) -> bool,
    {
        loop {
            let status = *self.receiver.borrow_and_update();
            if wanted(status) {
                return Some(status);
            }
            self.receiver.changed().await.ok()?;
        }
    }
}
