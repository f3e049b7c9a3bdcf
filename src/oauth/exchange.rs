//! From the answer of a token endpoint to a token, or to the reason why there is none.

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
    error::{TokenErrorKind, failing_response},
    token_cache::{Token, TokenError},
};

/// The most that is read of an answer.
const MAX_BODY_LEN: usize = 64 * 1024;

/// A redirect was answered, and not followed.
#[derive(Debug)]
struct RedirectRefused;

/// Why a body could not be read.
enum Unread {
    TooLong,
    Broken(BoxError),
}

/// By what an exchange goes.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) clock: Clock,
    pub(super) timeout: Duration,
}

/// How an issuer writes its answers.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// The token in the body of a success.
    pub(super) token: fn(StatusCode, &[u8]) -> Result<Token, TokenError>,
    /// The error with what the body of a refusal says about it.
    pub(super) described: fn(TokenError, &[u8]) -> TokenError,
}

/// That of RFC 6749, section 5.
pub(super) const OAUTH: Dialect = Dialect { token, described };

/// Waits for the answer to a request that was sent, and reads it.
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
    let now = terms.clock.now();
    let until = now.checked_add(terms.timeout).unwrap_or(now);
    let response = match timeout_at(until, sent?).await {
        Ok(answered) => answered.map_err(|error| of_client(dialect, error.into()))?,
        Err(_) => return Err(TokenError::new(TokenErrorKind::Timeout)),
    };
    let status = response.status();
    if status.is_success() {
        let body = whole(status, timeout_at(until, read(response.into_body())).await)?;
        (dialect.token)(status, &body)
    } else {
        Err(refusal(terms, dialect, response, until).await)
    }
}

/// What an error of the endpoint's client says. One that holds the answer says what that does.
fn of_client(dialect: Dialect, error: BoxError) -> TokenError {
    let body = failing_response(&*error).map(|(_, response)| response.body().clone());
    let error = TokenError::of_source(error);
    match body {
        Some(body) => (dialect.described)(error, &body),
        None => error,
    }
}

/// The body of a successful answer.
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
        Some(life) => token.expires_in(life),
        None => token,
    })
}

pub(super) fn malformed(status: StatusCode, why: MalformedToken) -> TokenError {
    TokenError::new(TokenErrorKind::Malformed).with_status(status).with_source(why)
}

/// What any other answer means.
async fn refusal<B>(
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
    // The head has said what matters: a body that cannot be read takes nothing away.
    match timeout_at(until, read(response.into_body())).await {
        Ok(Ok(body)) => (dialect.described)(error, &body),
        Ok(Err(_)) | Err(_) => error,
    }
}

/// The error with what the body says about it, if that is an OAuth error.
fn described(error: TokenError, body: &[u8]) -> TokenError {
    let Some(said) = OAuthError::from_slice(body) else { return error };
    let error = error.with_code(said.code());
    match said.description() {
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
    // For the longest: a buffer that grows, as under a body that is longer than it said, leaves its old bytes behind, not wiped.
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

// === impl RedirectRefused ===

impl fmt::Display for RedirectRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token endpoint's redirect is not followed")
    }
}

impl Error for RedirectRefused {}
