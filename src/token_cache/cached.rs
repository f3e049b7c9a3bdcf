//! A token in its slot.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use tokio::time::Instant;

use super::{Token, TokenError, config::Settings, token::Life};
use crate::{
    chance,
    clock::Clock,
    error::TokenErrorKind,
    extensions::ambient,
    token_cache::{Freshness, Moment, TokenState},
};

/// A token of a shorter life has ended by the time it is used: each request would fetch another.
pub(super) const LEAST_LIFE: Duration = Duration::from_secs(1);

/// A token that is given out.
#[derive(Debug)]
pub(super) struct Cached {
    header: HeaderValue,
    /// The number of the token within its slot.
    generation: u64,
    /// The moment *before* it was asked for: its life had begun by the time it came.
    asked: Moment,
    /// None for a token without end.
    freshness: Option<Freshness>,
    /// Before this point on both clocks it is fresh. None if that is before all points that the clocks can hold.
    fresh_until: Option<(Instant, SystemTime)>,
    replaceable: bool,
}

// === impl Cached ===

impl Cached {
    /// The token as `settings` have it, if its life can be used.
    pub(super) fn new(
        token: Token,
        generation: u64,
        asked: Moment,
        settings: &Settings,
    ) -> Result<Arc<Self>, TokenError> {
        let life = match token.life() {
            Life::NotSaid => Some(settings.default_life),
            Life::Lasts(life) if life < LEAST_LIFE => {
                let error = TokenError::new(TokenErrorKind::Malformed);
                return Err(error.with_source("the token lives for less than a second"));
            }
            Life::Lasts(life) => Some(life),
            Life::Endless | Life::Fixed => None,
        };
        let freshness = life.map(|life| freshness(life.min(settings.max_life), settings));
        let replaceable = token.life() != Life::Fixed;
        let fresh_until = freshness.and_then(|freshness| {
            let age = freshness.refresh_at();
            Some((asked.instant().checked_add(age)?, asked.system_time().checked_add(age)?))
        });
        let header = token.into_header_value();
        Ok(Arc::new(Self { header, generation, asked, freshness, fresh_until, replaceable }))
    }

    /// Whether it is given out and nothing is to be done: [`TokenState::Fresh`], told with as little work as can be.
    #[inline]
    pub(super) fn is_fresh(&self, clock: &Clock) -> bool {
        match (&self.fresh_until, &self.freshness) {
            (Some((instant, system_time)), _) => {
                let now = ambient::call_began().unwrap_or_else(|| clock.now());
                now < *instant && clock.system_time() < *system_time
            }
            (None, freshness) => freshness.is_none(),
        }
    }

    /// What may be done with it now.
    pub(super) fn state(&self, clock: &Clock) -> TokenState {
        match &self.freshness {
            Some(freshness) => freshness.state(moment(clock).since(&self.asked)),
            None => TokenState::Fresh,
        }
    }

    pub(super) fn is_usable(&self, clock: &Clock) -> bool {
        self.state(clock) != TokenState::Expired
    }

    /// Whether it was asked for at this moment or before.
    pub(super) fn is_no_newer_than(&self, asked: &Moment) -> bool {
        self.asked.instant() <= asked.instant()
    }

    /// The finished value of `Authorization`.
    pub(super) const fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// The generation to name if a server rejects it; none if no other token can be had.
    pub(super) fn replaceable(&self) -> Option<u64> {
        self.replaceable.then_some(self.generation)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// It as a token of what is left of its life.
    pub(super) fn token(&self, clock: &Clock) -> Token {
        let life = match self.ends_in(&moment(clock)) {
            _ if !self.replaceable => Life::Fixed,
            Some(left) => Life::Lasts(left),
            None => Life::Endless,
        };
        Token::of(self.header.clone(), life)
    }

    /// What is left of its life, zero past its end; none if it has no end.
    pub(super) fn ends_in(&self, now: &Moment) -> Option<Duration> {
        Some(self.life()?.saturating_sub(now.since(&self.asked)))
    }

    /// The life it is given, for the event; none if it has no end.
    pub(super) fn life(&self) -> Option<Duration> {
        self.freshness.map(|freshness| freshness.life())
    }
}

/// Now, on both clocks.
pub(super) fn moment(clock: &Clock) -> Moment {
    Moment::new(clock.now(), clock.system_time())
}

fn freshness(life: Duration, settings: &Settings) -> Freshness {
    match settings.refresh_buffer {
        Some(buffer) => Freshness::with_buffer(life, buffer, chance::draw()),
        None => Freshness::new(life, settings.fetch_timeout, chance::draw()),
    }
}
