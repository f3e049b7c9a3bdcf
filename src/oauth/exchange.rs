//! One exchange with a token endpoint: sends its request, and reads its response up to a limit.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tokio::time::{Instant, timeout_at};
use tower::{ServiceExt, util::BoxCloneService};
use tower_service::Service;
use zeroize::Zeroizing;

use super::{issuer_clock::IssuerClock, token_response::MalformedToken};
use crate::{
    BoxError,
    classify::{Classification, Preset},
    clock::Clock,
    error::{TokenError, TokenErrorKind, failing_response},
    headers::RateLimit,
};

/// The most that is read of a response body.
const MAX_BODY_LEN: usize = 64 * 1024;

/// The most frames of a response body that are read: a body of endless empty ones would never give the time limit a chance.
const MAX_FRAMES: usize = 4096;

/// How long an exchange may take: as long as the cache waits for a source.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time limit, which every clock can hold.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Any HTTP service that reaches a token endpoint: implemented for each whose request body can be made from [`Bytes`], as
/// `Full<Bytes>`, `axum::body::Body` and reqwest's.
pub trait HttpService<B>: IntoTransport<B> {}

/// Seals [`HttpService`].
#[allow(unnameable_types, reason = "nobody else implements it")]
pub trait IntoTransport<B> {
    fn into_transport(self) -> Transport;
}

/// An HTTP service of any type.
#[allow(unnameable_types, reason = "only sources have one")]
#[derive(Clone)]
pub struct Transport(Arc<Mutex<Inner>>);

type Inner = BoxCloneService<Request<Bytes>, Response<Unbuffered>, BoxError>;

/// A body to be read, and how long it claims to be at least.
struct Unbuffered {
    least: u64,
    body: UnsyncBoxBody<Bytes, BoxError>,
}

/// The response is a redirect, which is not followed.
#[derive(Debug)]
struct RedirectRefused;

/// Why a body could not be read.
enum Unread {
    TooLong,
    Broken(BoxError),
}

/// The settings of an exchange.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) clock: Clock,
    pub(super) timeout: Duration,
    pub(super) issuer_clock: IssuerClock,
    pub(super) preset: Preset,
}

/// A response that has arrived.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The issuer's time, if it said so, or else ours.
    pub(super) now: SystemTime,
    pub(super) content: Content,
}

/// What a response holds.
pub(super) enum Content {
    Success(Zeroizing<Vec<u8>>),
    /// The body may describe the error, if it could be read.
    Failure(TokenError, Option<Zeroizing<Vec<u8>>>),
}

// === impl HttpService ===

impl<S: IntoTransport<B>, B> HttpService<B> for S {}

impl<S, B, ResponseBody> IntoTransport<B> for S
where
    S: Service<Request<B>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + 'static,
    S::Future: Send + 'static,
    B: From<Bytes> + 'static,
    ResponseBody: Body + Send + 'static,
    ResponseBody::Data: Send,
    ResponseBody::Error: Into<BoxError>,
{
    fn into_transport(self) -> Transport {
        let service = self
            .map_request(|request: Request<Bytes>| request.map(B::from))
            .map_response(|response: Response<ResponseBody>| {
                response.map(|body| {
                    let least = body.size_hint().lower();
                    let bytes = |mut data: ResponseBody::Data| data.copy_to_bytes(data.remaining());
                    let body = body.map_frame(move |frame| frame.map_data(bytes));
                    Unbuffered { least, body: body.map_err(Into::into).boxed_unsync() }
                })
            })
            .map_err(Into::into);
        Transport(Arc::new(Mutex::new(BoxCloneService::new(service))))
    }
}

// === impl Transport ===

impl Transport {
    fn service(&self) -> Inner {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends `request`, waits for the response, and reads it.
    ///
    /// # Errors
    ///
    /// There is no response in time, or none that may be read.
    pub(super) async fn exchange(
        &self,
        terms: &Terms,
        request: Request<Bytes>,
        until: Instant,
    ) -> Result<Reply, TokenError> {
        let sent = self.service().oneshot(request);
        let response = match within(until, sent).await? {
            Ok(response) => response,
            Err(error) => return of_client(terms, error),
        };
        let (head, body) = response.into_parts();
        let (status, headers) = (head.status, head.headers);
        let now = terms.heard(&headers);
        let content = if status.is_success() {
            Content::Success(whole(status, within(until, read(body)).await)?)
        } else {
            // The head has all that matters: an unreadable body changes nothing.
            let error = terms.failure(status, &headers)?;
            let body = within(until, read(body)).await.ok().and_then(Result::ok);
            Content::Failure(error, body)
        };
        Ok(Reply { status, headers, now, content })
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

async fn within<T>(until: Instant, future: impl Future<Output = T>) -> Result<T, TokenError> {
    timeout_at(until, future).await.map_err(|_| TokenError::new(TokenErrorKind::Timeout))
}

/// What an error of the endpoint's client is. One that has a response is that response.
fn of_client(terms: &Terms, error: BoxError) -> Result<Reply, TokenError> {
    let response = failing_response(&*error).map(|(_, response)| response.clone());
    let error = TokenError::of_source(error);
    let Some(response) = response else { return Err(error) };
    let (head, body) = response.into_parts();
    let now = terms.heard(&head.headers);
    let content = Content::Failure(error, Some(Zeroizing::new(body.to_vec())));
    Ok(Reply { status: head.status, headers: head.headers, now, content })
}

/// The body of a successful response.
fn whole(
    status: StatusCode,
    body: Result<Result<Zeroizing<Vec<u8>>, Unread>, TokenError>,
) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    match body {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(Unread::TooLong)) => Err(malformed(status, MalformedToken::TooLong)),
        Ok(Err(Unread::Broken(error))) => Err(TokenError::of_source(error).with_status(status)),
        Err(timeout) => Err(timeout.with_status(status)),
    }
}

pub(super) fn malformed(status: StatusCode, why: MalformedToken) -> TokenError {
    TokenError::new(TokenErrorKind::Malformed).with_status(status).with_source(why)
}

async fn read(body: Unbuffered) -> Result<Zeroizing<Vec<u8>>, Unread> {
    if body.least > MAX_BODY_LEN as u64 {
        return Err(Unread::TooLong);
    }
    // The capacity is the maximum: a buffer that grows leaves its old bytes behind unwiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BODY_LEN));
    let (mut body, mut frames) = (pin!(body.body), 0);
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(Unread::Broken)?.into_data().unwrap_or_default();
        frames += 1;
        if data.len() > MAX_BODY_LEN - bytes.len() || frames > MAX_FRAMES {
            return Err(Unread::TooLong);
        }
        bytes.extend_from_slice(&data);
        // A body that is always ready gives the time limit a chance.
        tokio::task::consume_budget().await;
    }
    Ok(bytes)
}

// === impl Terms ===

impl Terms {
    pub(super) fn set_timeout(&mut self, limit: Duration) {
        self.timeout = limit.clamp(Duration::from_millis(1), YEAR);
    }

    /// When an exchange that begins now is over.
    pub(super) fn until(&self) -> Instant {
        self.clock.now() + self.timeout
    }

    /// The issuer's time as far as it is known.
    pub(super) fn issuer_time(&self) -> SystemTime {
        self.issuer_clock.time(self.clock.system_time(), self.clock.now())
    }

    /// Takes note of a response's date, and gives it or else our time.
    fn heard(&self, headers: &HeaderMap) -> SystemTime {
        self.issuer_clock.heard(headers, self.clock.system_time(), self.clock.now())
    }

    /// The error of a failing response.
    fn failure(&self, status: StatusCode, headers: &HeaderMap) -> Result<TokenError, TokenError> {
        let now = self.clock.system_time();
        let found = Classification::of_response(&self.preset, status, headers, now);
        found.map(|found| TokenError::of_classification(&found)).ok_or_else(|| {
            let error = TokenError::new(TokenErrorKind::Malformed).with_status(status);
            error.with_source(RedirectRefused)
        })
    }

    /// The wait that a response tells whose body is an error, though its status is none.
    pub(super) fn wait(&self, headers: &HeaderMap) -> Option<Duration> {
        RateLimit::from_headers(headers, self.clock.system_time())?.retry_after()
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            timeout: DEFAULT_TIMEOUT,
            issuer_clock: IssuerClock::default(),
            preset: Preset::Standard,
        }
    }
}

// === impl RedirectRefused ===

impl fmt::Display for RedirectRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token endpoint's redirect is not followed")
    }
}

impl Error for RedirectRefused {}
