use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

use super::ReplayableBody;
use super::shared::Shared;
use super::state::Cursor;

/// A streaming body that can be sent again, as long as it is no longer than a cap.
///
/// What is sent is recorded as it passes: nothing is read ahead and nothing is waited for. [The module's page](super) tells the
/// rest.
///
/// # Example
///
/// ```
/// use http_body_util::BodyExt;
/// use tower_heed::body::{ReplayBody, ReplayableBody};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let first = ReplayBody::new(axum::body::Body::from("a login"), 1024);
/// let kept = first.try_clone().unwrap();
/// assert_eq!(first.collect().await.unwrap().to_bytes(), "a login");
///
/// let second = kept.recall().unwrap();
/// assert_eq!(second.collect().await.unwrap().to_bytes(), "a login");
/// # }
/// ```
pub struct ReplayBody<B> {
    shared: Arc<Shared<B>>,
    cursor: Cursor,
}

// === impl ReplayBody ===

impl<B: Body> ReplayBody<B> {
    /// Wraps a body of which at most `max_bytes` bytes, data and trailers together, are kept.
    ///
    /// A body that says beforehand that it is longer ([`Body::size_hint`], lower bound) is sent once and nothing of it is kept.
    #[must_use]
    pub fn new(body: B, max_bytes: usize) -> Self {
        Self { shared: Arc::new(Shared::new(body, max_bytes)), cursor: Cursor::default() }
    }
}

impl<B> ReplayBody<B> {
    fn another(&self) -> Self {
        Self { shared: self.shared.clone(), cursor: Cursor::default() }
    }
}

impl<B> ReplayableBody for ReplayBody<B> {
    fn try_clone(&self) -> Option<Self> {
        self.is_replayable().then(|| self.another())
    }

    fn is_replayable(&self) -> bool {
        self.shared.can_be_sent_again()
    }

    fn recall(&self) -> Option<Self> {
        self.shared.take_back().then(|| self.another())
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { shared, cursor } = &mut *self;
        shared.poll_frame(cursor, cx)
    }

    fn is_end_stream(&self) -> bool {
        self.shared.is_end_stream(&self.cursor)
    }

    fn size_hint(&self) -> SizeHint {
        self.shared.size_hint(&self.cursor)
    }
}

/// Prints how far this send has come, and no data: a body may hold a secret.
impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
