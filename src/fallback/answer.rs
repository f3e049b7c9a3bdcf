//! What stands in the place of an upstream's answer.

use std::{fmt, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::Response;

use super::Failure;

/// What a closure of [`FallbackLayer::fail_open`](super::FallbackLayer::fail_open) may give: a response, or perhaps one.
///
/// The body is anything that becomes [`Bytes`]: a `&'static str`, a `String`, a `Vec<u8>`.
pub trait IntoFallback {
    /// The response. None says that there is nothing to answer with, and the call fails closed.
    fn into_fallback(self) -> Option<Response<Bytes>>;
}

pub(super) type Later = Pin<Box<dyn Future<Output = Option<Response<Bytes>>> + Send>>;

type AnswerNow = dyn Fn(&Failure) -> Option<Response<Bytes>> + Send + Sync;
type AnswerLater = dyn Fn(Failure) -> Later + Send + Sync;

/// The closure, behind one type.
#[derive(Clone)]
pub(super) enum Answer {
    Now(Arc<AnswerNow>),
    Later(Arc<AnswerLater>),
}

// === impl IntoFallback ===

impl<T: Into<Bytes>> IntoFallback for Response<T> {
    fn into_fallback(self) -> Option<Response<Bytes>> {
        Some(self.map(Into::into))
    }
}

impl<T: Into<Bytes>> IntoFallback for Option<Response<T>> {
    fn into_fallback(self) -> Option<Response<Bytes>> {
        self.map(|response| response.map(Into::into))
    }
}

// === impl Answer ===

impl Answer {
    pub(super) fn now<F, A>(answer: F) -> Self
    where
        F: Fn(&Failure) -> A + Send + Sync + 'static,
        A: IntoFallback,
    {
        Self::Now(Arc::new(move |failure| answer(failure).into_fallback()))
    }

    pub(super) fn later<F, Fut, A>(answer: F) -> Self
    where
        F: Fn(Failure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = A> + Send + 'static,
        A: IntoFallback,
    {
        Self::Later(Arc::new(move |failure| {
            let answer = answer(failure);
            Box::pin(async move { answer.await.into_fallback() })
        }))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}
