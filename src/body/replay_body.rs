use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Extensions;
use http_body::{Body, Frame, SizeHint};

use super::{ReplayableBody, shared::Shared, state::Cursor};
use crate::BoxError;

/// A streaming body that can be sent again, up to a cap.
///
/// The body is recorded as it is read, and never read ahead. See [the module page](super).
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
/// let second = kept.rewind().unwrap();
/// assert_eq!(second.collect().await.unwrap().to_bytes(), "a login");
/// # }
/// ```
pub struct ReplayBody<B> {
    shared: Arc<Shared<B>>,
    cursor: Cursor,
}

// === impl ReplayBody ===

impl<B: Body> ReplayBody<B> {
    /// Wraps a body and records at most `max_bytes` of its data and trailers.
    ///
    /// A body with a longer announced length (the lower bound of [`Body::size_hint`]) is sent once and not recorded.
    #[must_use]
    pub fn new(body: B, max_bytes: usize) -> Self {
        Self { shared: Arc::new(Shared::new(body, max_bytes)), cursor: Cursor::default() }
    }
}

impl<B> ReplayBody<B> {
    fn copy(&self) -> Self {
        Self { shared: self.shared.clone(), cursor: Cursor::default() }
    }
}

impl<B> ReplayableBody for ReplayBody<B> {
    fn try_clone(&self) -> Option<Self> {
        self.is_replayable().then(|| self.copy())
    }

    fn is_replayable(&self) -> bool {
        self.shared.can_replay()
    }

    fn mark(&self, extensions: &mut Extensions) {
        extensions.insert(self.shared.upload());
    }

    fn rewind(&self) -> Option<Self> {
        self.shared.supersede().then(|| self.copy())
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

/// Prints the position only, because the data may contain a secret.
impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
