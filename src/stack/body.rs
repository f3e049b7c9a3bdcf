use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::nest::{BareBody, FullBody};
use crate::BoxError;

pin_project! {
    /// The response body of a [`StackService`](super::StackService) around a client whose responses have a body of `B`.
    pub struct Body<B: HttpBody> {
        #[pin]
        inner: NestBody<B>,
    }
}

pin_project! {
    /// The body of a response, by the nest that it comes from.
    #[project = NestBodyProject]
    enum NestBody<RB: HttpBody> {
        Bare { #[pin] body: BareBody<RB> },
        Full { #[pin] body: FullBody<RB> },
    }
}

// === impl Body ===

impl<B: HttpBody> Body<B> {
    #[inline]
    pub(super) const fn bare(body: BareBody<B>) -> Self {
        Self { inner: NestBody::Bare { body } }
    }

    #[inline]
    pub(super) const fn full(body: FullBody<B>) -> Self {
        Self { inner: NestBody::Full { body } }
    }
}

impl<B: HttpBody> HttpBody for Body<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: HttpBody> fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

// === impl NestBody ===

impl<RB: HttpBody> HttpBody for NestBody<RB> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            NestBodyProject::Bare { body } => body.poll_frame(cx),
            NestBodyProject::Full { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bare { body } => body.is_end_stream(),
            Self::Full { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bare { body } => body.size_hint(),
            Self::Full { body } => body.size_hint(),
        }
    }
}
