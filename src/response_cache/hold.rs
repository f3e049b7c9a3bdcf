//! For how long the server is left alone after a failure.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::{
    chance,
    classify::{Classification, ErrorClass},
    cooldown::Cooldown,
    error::TokenErrorKind,
};

/// Until when the server is not asked again for a response.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    cooldown: Cooldown,
    until: Option<(Instant, ErrorClass)>,
}

// === impl Hold ===

impl Hold {
    /// Has the server left alone for a while: as long as it said, or else longer with each failure.
    pub(super) fn begin(&self, failure: &Classification, now: Instant) {
        let class = failure.class();
        let kind = match failure.retry_after() {
            Some(_) => TokenErrorKind::RateLimited,
            None => TokenErrorKind::of_class(class),
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A day at most, and some jitter.
        let wait = state.cooldown.after(kind, failure.retry_after(), chance::draw());
        state.until = Some((now + wait, class));
    }

    /// Why the server is left alone now, if it is.
    pub(super) fn at(&self, now: Instant) -> Option<ErrorClass> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.until.filter(|(until, _)| now < *until).map(|(_, class)| class)
    }
}
