//! One exchange with a token endpoint: reads its response as a token or an error.

use std::{error::Error, fmt, future::Future, pin::pin, time::Duration};

use bytes::Buf;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::{
    oauth_error::OAuthError,
    token_response::{MalformedToken, TokenResponse},
};
use crate::{
    BoxError,
    classify::{Classification, Preset},
    clock::Clock,
    error::{TokenError, TokenErrorKind, failing_response},
    token_cache::Token,
};

/// The most that is read of a response body.
const MAX_BODY_LEN: usize = 64 * 1024;

/// How long an exchange may take: as long as the cache waits for a source.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time limit, which every clock can hold.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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
}

/// How an issuer writes its responses.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// The token in the body of a success.
    pub(super) token: fn(StatusCode, &[u8]) -> Result<Token, TokenError>,
    /// The error with what the body of a failing response says about it.
    pub(super) described: fn(TokenError, &[u8]) -> TokenError,
}

/// The dialect of RFC 6749, section 5.
pub(super) const OAUTH: Dialect = Dialect { token, described };

/// Waits for the response to a request that was sent, and reads it.
pub(super) async fn exchange<F, B, E>(
    terms: &Terms,
    dialect: Dialect,
    sent: Result<F, TokenError>,
) -> Result<Token, TokenError>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let until = terms.clock.now() + terms.timeout;
    let response = match timeout_at(until, sent?).await {
        Ok(response) => response.map_err(|error| of_client(dialect, error.into()))?,
        Err(_) => return Err(TokenError::new(TokenErrorKind::Timeout)),
    };
    let status = response.status();
    if status.is_success() {
        let body = whole(status, timeout_at(until, read(response.into_body())).await)?;
        (dialect.token)(status, &body)
    } else {
        Err(token_error(terms, dialect, response, until).await)
    }
}

/// The token error of an error of the endpoint's client. One that has a response is described by its body.
fn of_client(dialect: Dialect, error: BoxError) -> TokenError {
    let body = failing_response(&*error).map(|(_, response)| response.body().clone());
    let error = TokenError::of_source(error);
    match body {
        Some(body) => (dialect.described)(error, &body),
        None => error,
    }
}

/// The body of a successful response.
fn whole<T>(
    status: StatusCode,
    body: Result<Result<Zeroizing<Vec<u8>>, Unread>, T>,
) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    match body {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(Unread::TooLong)) => Err(malformed(status, MalformedToken::TooLong)),
        Ok(Err(Unread::Broken(error))) => Err(TokenError::of_source(error).with_status(status)),
        Err(_) => Err(TokenError::new(TokenErrorKind::Timeout).with_status(status)),
    }
}

fn token(status: StatusCode, body: &[u8]) -> Result<Token, TokenError> {
    let response =
        TokenResponse::from_slice(body).map_err(|why| described(malformed(status, why), body))?;
    let token = Token::bearer(response.access_token())?;
    Ok(match response.expires_in() {
        Some(lifetime) => token.expires_in(lifetime),
        None => token,
    })
}

pub(super) fn malformed(status: StatusCode, why: MalformedToken) -> TokenError {
    TokenError::new(TokenErrorKind::Malformed).with_status(status).with_source(why)
}

/// The error of a response without a token.
async fn token_error<B>(
    terms: &Terms,
    dialect: Dialect,
    response: Response<B>,
    until: Instant,
) -> TokenError
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let status = response.status();
    let found = Classification::of_response(
        &Preset::Standard,
        status,
        response.headers(),
        terms.clock.system_time(),
    );
    let Some(found) = found else {
        return TokenError::new(TokenErrorKind::Malformed)
            .with_status(status)
            .with_source(RedirectRefused);
    };
    let error = TokenError::of_classification(&found);
    // The head has all that matters: an unreadable body changes nothing.
    match timeout_at(until, read(response.into_body())).await {
        Ok(Ok(body)) => (dialect.described)(error, &body),
        Ok(Err(_)) | Err(_) => error,
    }
}

/// The error with what the body says about it, if that is an OAuth error.
fn described(error: TokenError, body: &[u8]) -> TokenError {
    let Some(oauth) = OAuthError::from_slice(body) else { return error };
    let error = error.with_code(oauth.code());
    match oauth.description() {
        Some(description) => error.with_description(description),
        None => error,
    }
}

async fn read<B>(body: B) -> Result<Zeroizing<Vec<u8>>, Unread>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > MAX_BODY_LEN as u64 {
        return Err(Unread::TooLong);
    }
    // The capacity is the maximum: a buffer that grows leaves its old bytes behind unwiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BODY_LEN));
    let mut body = pin!(body);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unread::Broken(error.into()))?;
        let Ok(mut data) = frame.into_data() else { continue };
        if data.remaining() > MAX_BODY_LEN - bytes.len() {
            return Err(Unread::TooLong);
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            let len = chunk.len();
            bytes.extend_from_slice(chunk);
            data.advance(len);
        }
    }
    Ok(bytes)
}

// === impl Terms ===

impl Terms {
    pub(super) fn set_timeout(&mut self, limit: Duration) {
        self.timeout = limit.clamp(Duration::from_millis(1), YEAR);
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self { clock: Clock::default(), timeout: DEFAULT_TIMEOUT }
    }
}

// === impl RedirectRefused ===

impl fmt::Display for RedirectRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token endpoint's redirect is not followed")
    }
}

impl Error for RedirectRefused {}
