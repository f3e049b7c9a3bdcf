//! A token in its slot.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use tokio::time::Instant;

use super::{
    Freshness, TimePair, Token, TokenError, TokenState, config::Settings, token::Lifetime,
};
use crate::{clock::Clock, error::TokenErrorKind, extensions::ambient, jitter};

/// A token of a shorter lifetime has expired by the time it is used: each request would fetch another.
pub(super) const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// A token that requests get.
#[derive(Debug)]
pub(super) struct Cached {
    /// Without its lifetime.
    token: Token,
    /// The number of the token within its slot.
    generation: u64,
    /// The time *before* it was requested: its lifetime had begun by the time it arrived.
    requested_at: TimePair,
    /// None for a token that does not expire.
    freshness: Option<Freshness>,
    /// It is fresh before this time on both clocks. None if the clocks cannot hold that time.
    fresh_until: Option<(Instant, SystemTime)>,
    replaceable: bool,
    /// When it arrived.
    obtained_at: Instant,
    /// For how long servers may not know it.
    young: Duration,
    /// Whether it took the place of a rejected one.
    is_replacement: bool,
    /// What is still to be found out about it: of nearly every token nothing.
    watched: AtomicU8,
    /// The endpoints that have accepted it while it was watched: one bit for each.
    accepted_by: AtomicU64,
}

/// A token this young may not be known to all servers yet: issuers replicate. Of a short lifetime it is a tenth.
const YOUNG: Duration = Duration::from_secs(5);

/// For as long a rejection of a token that replaced a rejected one is no fault of the token.
const REPLACED_LATELY: Duration = Duration::from_secs(10);

/// No server has accepted it yet.
const UNPROVEN: u8 = 1;

/// It matters which endpoints reject it.
const TRACKED: u8 = 2;

/// A server has rejected it, and none has accepted it since.
const REJECTED: u8 = 4;

// === impl Cached ===

impl Cached {
    /// The token under `settings`, unless its lifetime is too short.
    pub(super) fn new(
        token: Token,
        generation: u64,
        requested_at: TimePair,
        is_replacement: bool,
        settings: &Settings,
    ) -> Result<Arc<Self>, TokenError> {
        let lifetime = match token.lifetime() {
            Lifetime::Unknown => Some(settings.default_lifetime),
            Lifetime::Lasts(lifetime) if lifetime < MIN_LIFETIME => {
                let error = TokenError::new(TokenErrorKind::Malformed);
                return Err(error.with_source("the token's lifetime is less than a second"));
            }
            Lifetime::Lasts(lifetime) => Some(lifetime),
            Lifetime::Endless | Lifetime::Fixed => None,
        };
        let freshness =
            lifetime.map(|lifetime| freshness(lifetime.min(settings.max_lifetime), settings));
        let replaceable = token.lifetime() != Lifetime::Fixed;
        let fresh_until = freshness.and_then(|freshness| {
            let age = freshness.refresh_at();
            let instant = requested_at.instant().checked_add(age)?;
            Some((instant, requested_at.system_time().checked_add(age)?))
        });
        let watched = if is_replacement { UNPROVEN | TRACKED } else { UNPROVEN };
        Ok(Arc::new(Self {
            token,
            generation,
            requested_at,
            freshness,
            fresh_until,
            replaceable,
            obtained_at: settings.clock.now(),
            young: lifetime.map_or(YOUNG, |lifetime| YOUNG.min(lifetime / 10)),
            is_replacement,
            watched: AtomicU8::new(if replaceable { watched } else { 0 }),
            accepted_by: AtomicU64::new(0),
        }))
    }

    /// Whether it is [`TokenState::Fresh`], with as little work as possible.
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
            Some(freshness) => freshness.state(time_pair(clock).since(&self.requested_at)),
            None => TokenState::Fresh,
        }
    }

    pub(super) fn is_usable(&self, clock: &Clock) -> bool {
        self.state(clock) != TokenState::Expired
    }

    /// Whether it was requested at this time or before.
    pub(super) fn is_no_newer_than(&self, requested_at: &TimePair) -> bool {
        self.requested_at.instant() <= requested_at.instant()
    }

    /// Whether a request has the token's header field already.
    #[inline]
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        // Comparing each of the few names that a request has is faster than finding one in the map.
        headers.keys().any(|name| name == self.token.header_name())
    }

    #[inline]
    pub(super) fn attach(&self, headers: &mut HeaderMap) {
        headers.insert(self.token.header_name().clone(), self.token.header_value().clone());
    }

    /// The generation to name if a server rejects it; none if no other token can be had.
    pub(super) fn replaceable(&self) -> Option<u64> {
        self.replaceable.then_some(self.generation)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether anything is to be found out about it.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed) != 0
    }

    pub(super) fn is_unproven(&self) -> bool {
        self.watched.load(Ordering::Relaxed) & UNPROVEN != 0
    }

    /// From now on it matters which endpoints reject it.
    pub(super) fn track(&self) {
        self.watched.fetch_or(TRACKED, Ordering::Relaxed);
    }

    /// A server has rejected it, and there is no other.
    pub(super) fn rejected(&self) {
        self.watched.fetch_or(TRACKED | REJECTED, Ordering::Relaxed);
    }

    /// Whether a server has rejected it, and none has accepted it since.
    pub(super) fn is_rejected(&self) -> bool {
        self.watched.load(Ordering::Relaxed) & REJECTED != 0
    }

    /// Whether this endpoint has accepted it while it was watched. One of 64 others counts as this one.
    pub(super) fn was_accepted_by(&self, endpoint: u64) -> bool {
        self.accepted_by.load(Ordering::Relaxed) & bit(endpoint) != 0
    }

    /// A server has accepted it.
    pub(super) fn proven(&self, endpoint: u64, is_tracked: bool) {
        self.accepted_by.fetch_or(bit(endpoint), Ordering::Relaxed);
        let left = if is_tracked { TRACKED } else { 0 };
        self.watched.fetch_and(left, Ordering::Relaxed);
    }

    /// How long a server may not know it yet; zero if it should.
    pub(super) fn young_for(&self, now: Instant) -> Duration {
        self.young.saturating_sub(now.saturating_duration_since(self.obtained_at))
    }

    /// Whether it has just taken the place of a rejected one.
    pub(super) fn has_just_replaced(&self, now: Instant) -> bool {
        self.is_replacement && now.saturating_duration_since(self.obtained_at) < REPLACED_LATELY
    }

    /// The token without its lifetime.
    pub(super) const fn bare(&self) -> &Token {
        &self.token
    }

    /// The token, with its remaining lifetime.
    pub(super) fn token(&self, clock: &Clock) -> Token {
        let lifetime = match self.expires_in(&time_pair(clock)) {
            _ if !self.replaceable => Lifetime::Fixed,
            Some(left) => Lifetime::Lasts(left),
            None => Lifetime::Endless,
        };
        self.token.clone().with_lifetime(lifetime)
    }

    /// Its remaining lifetime, zero once it has expired; none if it does not expire.
    pub(super) fn expires_in(&self, now: &TimePair) -> Option<Duration> {
        Some(self.lifetime()?.saturating_sub(now.since(&self.requested_at)))
    }

    /// Its lifetime under the layer's settings; none if it does not expire.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.freshness.map(|freshness| freshness.lifetime())
    }
}

const fn bit(endpoint: u64) -> u64 {
    1 << (endpoint % 64)
}

/// Now, on both clocks.
pub(super) fn time_pair(clock: &Clock) -> TimePair {
    TimePair::new(clock.now(), clock.system_time())
}

fn freshness(lifetime: Duration, settings: &Settings) -> Freshness {
    match settings.refresh_buffer {
        Some(buffer) => Freshness::with_buffer(lifetime, buffer, jitter::draw()),
        None => Freshness::new(lifetime, settings.fetch_timeout, jitter::draw()),
    }
}
