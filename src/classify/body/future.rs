use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Response, StatusCode, response};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::time::{Duration, Instant, Sleep, sleep_until};

use super::{
    ClassifiedBody,
    layer::{ClassifyBodyConfig, Settings},
};
use crate::{
    BoxError,
    classify::{Classification, ResponseHead},
    endpoint::EndpointIndex,
};

/// The longest wait for a body: a far instant, and still one that can be added to the time.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The most frames that are read: a server may send any number without data.
const MAX_FRAMES: usize = 1024;

pin_project! {
    /// The future of [`ClassifyBody`](super::ClassifyBody).
    pub struct ClassifyBodyFuture<F, B: Body> {
        settings: Arc<Settings>,
        endpoint: EndpointIndex,
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B: Body> {
        /// The request is in flight.
        InFlight { #[pin] inner: F },
        /// The beginning of the body is read.
        Reading { reading: Option<Box<Reading<B>>> },
    }
}

struct Reading<B: Body> {
    head: response::Parts,
    body: Pin<Box<B>>,
    frames: VecDeque<Result<Frame<Bytes>, B::Error>>,
    /// The data in the frames.
    data: Vec<u8>,
    is_over: bool,
    until: Instant,
    /// Made at the first wait.
    timer: Option<Pin<Box<Sleep>>>,
}

// === impl ClassifyBodyFuture ===

impl<F, B: Body> ClassifyBodyFuture<F, B> {
    pub(super) const fn new(inner: F, settings: Arc<Settings>, endpoint: EndpointIndex) -> Self {
        Self { settings, endpoint, state: State::InFlight { inner } }
    }
}

impl<F, B, E> Future for ClassifyBodyFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Error: Into<BoxError>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ClassifiedBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let config = this.settings.endpoints.at(*this.endpoint).config();
            let next = match this.state.as_mut().project() {
                StateProj::InFlight { inner } => {
                    let response = ready!(inner.poll(cx)).map_err(Into::into)?;
                    if !reads(config, &response, this.settings) {
                        return Poll::Ready(Ok(response.map(ClassifiedBody::unread)));
                    }
                    let now = this.settings.clock.now();
                    let until = now.checked_add(config.max_wait.min(FAR)).unwrap_or(now);
                    State::Reading { reading: Some(Box::new(Reading::new(response, until))) }
                }
                StateProj::Reading { reading } => {
                    if let Some(reading) = reading {
                        ready!(reading.poll(config.max_bytes, cx));
                    }
                    #[allow(
                        clippy::expect_used,
                        reason = "a future that was ready is not polled again"
                    )]
                    let mut reading =
                        reading.take().expect("`ClassifyBodyFuture` polled after it was ready");
                    if config.whole && !is_failure(reading.head.status) {
                        if let Some(error) = reading.take_error() {
                            return Poll::Ready(Err(error.into()));
                        }
                    }
                    return Poll::Ready(Ok(reading.end(config, this.settings)));
                }
            };
            this.state.set(next);
        }
    }
}

impl<F, B: Body> fmt::Debug for ClassifyBodyFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyBodyFuture").finish_non_exhaustive()
    }
}

fn reads<B>(config: &ClassifyBodyConfig, response: &Response<B>, settings: &Settings) -> bool {
    let now = || settings.clock.system_time();
    let by_classifier = || {
        config.classifier.as_ref().is_some_and(|classifier| {
            classifier.reads_body(&ResponseHead::new(response.status(), response.headers(), &now))
        })
    };
    (config.whole && !is_failure(response.status())) || by_classifier()
}

/// Its head says how long to wait and more, whatever becomes of its body.
fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

// === impl Reading ===

impl<B: Body> Reading<B> {
    fn new(response: Response<B>, until: Instant) -> Self {
        let (head, body) = response.into_parts();
        let (frames, data) = (VecDeque::new(), Vec::new());
        Self { head, body: Box::pin(body), frames, data, is_over: false, until, timer: None }
    }

    fn poll(&mut self, max_bytes: usize, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_over && self.data.len() < max_bytes && self.frames.len() < MAX_FRAMES {
            if self.body.is_end_stream() {
                self.is_over = true;
                break;
            }
            let Poll::Ready(frame) = self.body.as_mut().poll_frame(cx) else {
                let until = self.until;
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
                return timer.as_mut().poll(cx);
            };
            let Some(frame) = frame else {
                self.is_over = true;
                break;
            };
            let frame =
                frame.map(|it| it.map_data(|mut data| data.copy_to_bytes(data.remaining())));
            match &frame {
                Ok(frame) => {
                    let data = frame.data_ref().map_or(&[][..], |data| data);
                    let room = max_bytes - self.data.len();
                    self.data.extend_from_slice(&data[..data.len().min(room)]);
                }
                Err(_) => self.is_over = true,
            }
            self.frames.push_back(frame);
        }
        Poll::Ready(())
    }

    /// The error that the body ended with.
    fn take_error(&mut self) -> Option<B::Error> {
        self.frames.back()?.as_ref().err()?;
        self.frames.pop_back()?.err()
    }

    /// Whether the data is all of the body. What has broken off is not.
    fn is_whole(&self) -> bool {
        let frames = self.frames.iter();
        let all: Option<usize> =
            frames.map(|frame| Some(frame.as_ref().ok()?.data_ref().map_or(0, Bytes::len))).sum();
        (self.is_over || self.body.is_end_stream()) && all == Some(self.data.len())
    }

    fn end(self, config: &ClassifyBodyConfig, settings: &Settings) -> Response<ClassifiedBody<B>> {
        let now = || settings.clock.system_time();
        let found = config.classifier.as_ref().and_then(|classifier| {
            let head = ResponseHead::new(self.head.status, &self.head.headers, &now);
            let found = classifier.classify_body(&head, &self.data, self.is_whole())?;
            Some(Classification::of_body(&found, &head, &now))
        });
        let mut response = Response::from_parts(
            self.head,
            ClassifiedBody::read(self.frames, self.body, self.is_over),
        );
        if let Some(found) = found {
            response.extensions_mut().insert(found);
        }
        response
    }
}
