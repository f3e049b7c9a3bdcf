use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The inner service's body, or the empty one of a 202.
    #[derive(Debug)]
    pub struct DetachBody<B> {
        #[pin]
        inner: Option<B>,
    }
}

// === impl DetachBody ===

impl<B> DetachBody<B> {
    pub(super) const fn of(inner: B) -> Self {
        Self { inner: Some(inner) }
    }

    pub(super) const fn empty() -> Self {
        Self { inner: None }
    }
}

impl<B: Body> Body for DetachBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
