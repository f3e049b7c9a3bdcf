use std::fmt;

use tokio::sync::watch;

/// Whether the client is signed in, as far as the responses so far tell.
///
/// The [module page](super) has the table of its changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthStatus {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// The API serves this client.
    Active,
    /// The API rate limits this client, fails, or cannot be reached. That says nothing about the credentials.
    Degraded,
    /// The API rejected the credentials, and has accepted none since.
    Unauthenticated,
}

/// Reads the [`AuthStatus`] of a session, and waits for its changes.
///
/// [`ErrorClassifyLayer::status`](super::ErrorClassifyLayer::status) returns one. It outlives the layer: when the layer, its
/// clones and their services are gone, the status stays as it was.
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

// === impl AuthStatus ===

impl AuthStatus {
    /// The status in snake case, as in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

impl fmt::Display for AuthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl SessionStatus ===

impl SessionStatus {
    pub(super) const fn new(receiver: watch::Receiver<AuthStatus>) -> Self {
        Self { receiver }
    }

    /// The current status. It does not count as seen by [`changed`](Self::changed).
    #[must_use]
    pub fn get(&self) -> AuthStatus {
        *self.receiver.borrow()
    }

    /// Waits for a change that was not seen yet, and returns the new status. Returns `None` at once if no change can follow,
    /// because the layer, its clones and their services are gone.
    ///
    /// Seen is the status at the call of [`status`](super::ErrorClassifyLayer::status), and each status that `changed` or
    /// [`until`](Self::until) returned. After several changes only the last is returned, which may equal the status before them.
    /// A clone has seen what its original had.
    ///
    /// Cancel safe: if the future is dropped, no change is missed.
    pub async fn changed(&mut self) -> Option<AuthStatus> {
        self.receiver.changed().await.ok()?;
        Some(*self.receiver.borrow_and_update())
    }

    /// Waits until `wanted` accepts the status, and returns it. Returns `None` if no change can follow.
    ///
    /// It lets a request wait for the end of a recovery. Put a time limit around it: a recovery that fails leaves the status
    /// as it is.
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
