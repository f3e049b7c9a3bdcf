//! What happened, counted where it happens: at the source of tokens, and at each attempt to the API.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Response, StatusCode};
use serde::Serialize;
use tower_heed::{
    BoxError,
    error::TokenError,
    headers::BearerChallenge,
    token_cache::{FetchReason, Token},
};

/// Clones count together.
#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<Counted>>);

/// How often each thing happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counted {
    /// Calls that got a success.
    pub ok: usize,
    pub failed: usize,
    /// Requests to the token endpoint.
    pub exchanges: usize,
    /// Tokens that came while the one before was still good.
    pub refreshed_early: usize,
    /// Attempts whose token the API rejected: a 401 that says nothing else.
    pub rejected: usize,
    /// Attempts after the first of a call.
    pub replayed: usize,
    /// Why the last call failed that did, or the last exchange.
    pub last_error: Option<String>,
}

/// How often one call was sent. It travels in the request's extensions, which the copy of the request shares.
#[derive(Clone, Default)]
pub struct AttemptCount(Arc<Mutex<usize>>);

// === impl Counts ===

impl Counts {
    pub fn so_far(&self) -> Counted {
        self.lock().clone()
    }

    pub fn exchanged(&self, reason: FetchReason, outcome: &Result<Token, TokenError>) {
        let mut counted = self.lock();
        counted.exchanges += 1;
        match outcome {
            Ok(_) => counted.refreshed_early += usize::from(reason == FetchReason::Due),
            Err(error) => counted.last_error = Some(chain(error)),
        }
    }

    pub fn sent(&self, attempts: Option<&AttemptCount>) {
        let Some(attempts) = attempts else { return };
        let mut attempts = attempts.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock().replayed += usize::from(*attempts > 0);
        *attempts += 1;
    }

    pub fn responded<B>(&self, response: &Response<B>) {
        let rejected = response.status() == StatusCode::UNAUTHORIZED
            && BearerChallenge::from_headers(response.headers()) == BearerChallenge::TokenRejected;
        self.lock().rejected += usize::from(rejected);
    }

    pub fn ended(&self, outcome: &Result<StatusCode, BoxError>) {
        let mut counted = self.lock();
        match outcome {
            Ok(status) if status.is_success() => counted.ok += 1,
            Ok(status) => {
                counted.failed += 1;
                counted.last_error = Some(format!("the API responded {status}"));
            }
            Err(error) => {
                counted.failed += 1;
                counted.last_error = Some(chain(error.as_ref()));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error and those below it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = format!("{text}: {error}");
        below = error.source();
    }
    text
}
