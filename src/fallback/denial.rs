//! Whether a failure has to do with credentials, whatever class it was given.

use std::error::Error;

use http::{HeaderMap, StatusCode, header::WWW_AUTHENTICATE};

use crate::error::{as_a, chain};
use crate::{
    classify::{Classification, ErrorClass},
    error::{self, TokenError, TokenErrorKind, UpstreamUnavailable},
};

/// The class of an answer that has to do with credentials: [`Unauthenticated`](ErrorClass::Unauthenticated) or
/// [`Forbidden`](ErrorClass::Forbidden). None where it has not.
///
/// It looks past the class: a 403 that says it is a limit may be a true refusal whose limit happens to be used up, and a
/// classifier may call a 401 what it likes.
pub(crate) fn of_answer(
    found: &Classification,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<ErrorClass> {
    let challenged =
        status != StatusCode::TOO_MANY_REQUESTS && headers.contains_key(WWW_AUTHENTICATE);
    of_classification(found)
        .or_else(|| of_status(status))
        .or_else(|| challenged.then_some(ErrorClass::Unauthenticated))
}

/// The same of an error: of it and of all that is below it, since an error around another may be classed for itself.
pub(crate) fn of_error(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    chain(error).find_map(|link| {
        if let Some(error) = as_a::<error::Error>(link) {
            let found = error.classification()?;
            return match error.response() {
                Some(response) => of_answer(found, response.status(), response.headers()),
                None => of_classification(found),
            };
        }
        if let Some(error) = as_a::<UpstreamUnavailable>(link) {
            return of_classification(error.classification());
        }
        as_a::<TokenError>(link).and_then(of_token)
    })
}

fn of_classification(found: &Classification) -> Option<ErrorClass> {
    let of_class = match (found.class(), found.cause()) {
        (class @ (ErrorClass::Unauthenticated | ErrorClass::Forbidden), _)
        | (_, Some(class @ (ErrorClass::Unauthenticated | ErrorClass::Forbidden))) => Some(class),
        // The issuer would not give a token for these credentials.
        (_, Some(ErrorClass::Rejected)) => Some(ErrorClass::Unauthenticated),
        _ => None,
    };
    of_class.or_else(|| found.status().and_then(of_status))
}

/// RFC 9110 sections 15.5.2, 15.5.4 and 15.5.8, and RFC 6585 section 6: the server, a proxy or the network asks who is there.
pub(crate) fn of_status(status: StatusCode) -> Option<ErrorClass> {
    match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => Some(ErrorClass::Unauthenticated),
        StatusCode::FORBIDDEN => Some(ErrorClass::Forbidden),
        _ => None,
    }
}

/// A token that the issuer could not give for a while has nothing to do with credentials; one that it would not give has,
/// and so may an answer without a token, or an error of which nothing is known.
fn of_token(error: &TokenError) -> Option<ErrorClass> {
    let unknown = || {
        let source = error.source().filter(|_| error.status().is_none());
        source.is_some_and(|source| Classification::of_error(source).is_none())
    };
    let refused = match error.kind() {
        TokenErrorKind::Rejected | TokenErrorKind::Malformed => true,
        TokenErrorKind::RateLimited | TokenErrorKind::Unavailable | TokenErrorKind::Timeout => {
            unknown()
        }
    };
    let of_status = error.status().and_then(of_status);
    of_status.or_else(|| refused.then_some(ErrorClass::Unauthenticated))
}
