use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::{Phase, limit::Limit};
use crate::{BoxError, extensions::ambient::Activity};

pin_project! {
    /// A response body within the time limit of its call.
    ///
    /// When the limit is exceeded, the body yields one [`Error`](crate::Error) and drops the inner body, and with it the
    /// connection. A first frame that is ready at the first poll is yielded even if the limit is exceeded by then, so that a caller
    /// that reads a short response late still gets it.
    #[derive(Debug)]
    pub struct TimeoutBody<B> {
        #[pin]
        inner: Option<B>,
        limit: Option<Limit>,
        // Whether a frame was yielded.
        started: bool,
        // Boxed, so that the body is `Unpin` if the inner one is. Made only for a body that is pending.
        timer: Option<Pin<Box<Sleep>>>,
    }
}

// === impl TimeoutBody ===

impl<B> TimeoutBody<B> {
    pub(super) const fn new(inner: B, limit: Option<Limit>) -> Self {
        Self { inner: Some(inner), limit, started: false, timer: None }
    }
}

impl<B> Body for TimeoutBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let scope = this.limit.as_ref().map(Limit::enter_poll);
        let polled = inner.poll_frame(cx);
        drop(scope);
        let limit = match (&polled, this.limit.as_mut()) {
            (Poll::Ready(None | Some(Err(_))), _) | (_, None) => return map_error(polled),
            (_, Some(limit)) => limit,
        };
        // A body that always has a next frame never lets a timer be polled, so the clock is read from the second frame on.
        let error = match polled {
            Poll::Ready(_) => {
                limit.arrived();
                if *this.started { limit.check(Phase::Body) } else { None }
            }
            Poll::Pending => {
                let Some(end) = limit.end(Activity::Sending) else { return Poll::Pending };
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
                Some(ready!(limit.poll_exceeded(timer.as_mut(), end, cx, Phase::Body)))
            }
        };
        let Some(error) = error else {
            *this.started = true;
            return map_error(polled);
        };
        this.inner.set(None);
        Poll::Ready(Some(Err(error.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

fn map_error<T, E: Into<BoxError>>(
    polled: Poll<Option<Result<Frame<T>, E>>>,
) -> Poll<Option<Result<Frame<T>, BoxError>>> {
    polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
}
