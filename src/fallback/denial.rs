//! Whether a failure concerns credentials, whatever its class.

use std::error::Error as StdError;

use http::{HeaderMap, StatusCode, header::WWW_AUTHENTICATE};

use crate::{
    classify::{Classification, ErrorClass},
    error::{Error, TokenError, TokenErrorKind, as_a, chain},
};

/// [`Unauthenticated`](ErrorClass::Unauthenticated) or [`Forbidden`](ErrorClass::Forbidden) for a response that concerns
/// credentials.
///
/// The class alone does not say so: a 403 that names a limit may be a denial to a caller whose limit happens to be exhausted, and a
/// classifier may give a 401 any class.
pub(super) fn of_response(
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

/// The same for an error and its sources. All are checked, because an outer error may have its own class.
pub(super) fn of_error(error: &(dyn StdError + 'static)) -> Option<ErrorClass> {
    chain(error).find_map(|link| {
        if let Some(error) = as_a::<Error>(link) {
            let found = error.classification()?;
            return match error.response() {
                Some(response) => of_response(found, response.status(), response.headers()),
                None => of_classification(found),
            };
        }
        as_a::<TokenError>(link).and_then(of_token)
    })
}

fn of_classification(found: &Classification) -> Option<ErrorClass> {
    let of_class = match (found.class(), found.cause()) {
        (class @ (ErrorClass::Unauthenticated | ErrorClass::Forbidden), _)
        | (_, Some(class @ (ErrorClass::Unauthenticated | ErrorClass::Forbidden))) => Some(class),
        // The token endpoint rejected the credentials.
        (_, Some(ErrorClass::Rejected)) => Some(ErrorClass::Unauthenticated),
        _ => None,
    };
    of_class.or_else(|| found.status().and_then(of_status))
}

/// RFC 9110 sections 15.5.2, 15.5.4 and 15.5.8, and RFC 6585 section 6: the server, a proxy or the network asks for credentials.
pub(super) fn of_status(status: StatusCode) -> Option<ErrorClass> {
    match status.as_u16() {
        401 | 407 | 511 => Some(ErrorClass::Unauthenticated),
        // IIS, Esri and the load balancers of AWS: see `classify::Preset`.
        440 | 498 | 561 => Some(ErrorClass::Unauthenticated),
        403 => Some(ErrorClass::Forbidden),
        _ => None,
    }
}

/// A rejected token request concerns credentials. So may a response without a token, or an error of unknown class. A token
/// endpoint that is down or limits the client says nothing about credentials.
fn of_token(error: &TokenError) -> Option<ErrorClass> {
    let has_unknown_source = || {
        let source = error.source().filter(|_| error.status().is_none());
        source.is_some_and(|source| Classification::of_error(source).is_none())
    };
    let denied = match error.kind() {
        TokenErrorKind::Rejected | TokenErrorKind::Malformed => true,
        TokenErrorKind::RateLimited | TokenErrorKind::Unavailable | TokenErrorKind::Timeout => {
            has_unknown_source()
        }
    };
    let of_status = error.status().and_then(of_status);
    of_status.or_else(|| denied.then_some(ErrorClass::Unauthenticated))
}
