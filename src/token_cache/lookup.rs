//! Which token a request gets, and when a fetch begins: the state table of the module page.

use std::sync::Arc;

use super::{
    FetchReason, TokenError, TokenState,
    cache::Cache,
    cached::{Cached, time_pair},
    fetch::{Running, TokenFetch, Waiter},
};

/// What a request gets at once.
#[derive(Debug)]
pub(super) enum Lookup {
    Token(Arc<Cached>),
    /// It waits for a fetch: [`Cache::join`].
    Wait,
    /// There is no token, and none is fetched before the cooldown ends.
    Cooldown(TokenError),
}

/// What a request gets that has to wait.
#[derive(Debug)]
pub(super) enum Join {
    Token(Arc<Cached>),
    Cooldown(TokenError),
    /// A fetch to wait for, and the token to fall back on while that is usable.
    Fetch(Waiter, Option<Arc<Cached>>),
}

// === impl Cache ===

impl Cache {
    /// The path of nearly every request: what `attach` makes of the token, if that is fresh. No lock, and no allocation.
    #[inline]
    pub(super) fn fresh<T>(&self, attach: impl FnOnce(&Arc<Cached>) -> T) -> Option<T> {
        let current = self.slot().peek();
        let cached = current.as_ref().filter(|cached| cached.is_fresh(&self.settings().clock))?;
        Some(attach(cached))
    }

    /// What a request gets at once, whatever the state of the token.
    pub(super) fn lookup(&self) -> Lookup {
        match self.present() {
            Some((cached, TokenState::Fresh)) => Lookup::Token(cached),
            Some((cached, TokenState::RefreshDue)) => {
                // Refreshes in the background, unless a fetch is in flight or the cooldown forbids one.
                match self.join() {
                    Join::Token(newest) => Lookup::Token(newest),
                    Join::Cooldown(_) | Join::Fetch(..) => Lookup::Token(cached),
                }
            }
            Some((cached, TokenState::Grace)) => self.wait_unless_cooldown(Some(cached)),
            Some((_, TokenState::Expired)) | None => self.wait_unless_cooldown(None),
        }
    }

    /// The request waits for another token, or gets the usable one during a cooldown.
    fn wait_unless_cooldown(&self, usable: Option<Arc<Cached>>) -> Lookup {
        let now = time_pair(&self.settings().clock);
        let mut state = self.slot().lock();
        self.uses_previous(&mut state);
        let usable = usable.or_else(|| self.usable());
        match (self.cooldown(&mut state, &now), usable) {
            (Some(_), Some(cached)) => Lookup::Token(cached),
            // A forced fetch.
            (Some(_), None) if state.fetch_in_flight(now.instant()).is_some() => Lookup::Wait,
            (Some(error), None) => Lookup::Cooldown(error),
            (None, _) => Lookup::Wait,
        }
    }

    /// A token, or the one fetch that is in flight, which begins here if there is none.
    pub(super) fn join(&self) -> Join {
        let (join, fetch) = self.join_unspawned();
        TokenFetch::spawn(fetch);
        join
    }

    /// The same, with a new fetch that has yet to be spawned, after the lock is released.
    pub(super) fn join_unspawned(&self) -> (Join, Option<Running>) {
        let now = time_pair(&self.settings().clock);
        let mut state = self.slot().lock();
        let uses_previous = self.uses_previous(&mut state);
        let present = self.present();
        if let (true, Some((previous, _))) = (uses_previous, &present) {
            // The next one is there already.
            return (Join::Token(Arc::clone(previous)), None);
        }
        let reason = match &present {
            Some((cached, TokenState::Fresh)) => return (Join::Token(Arc::clone(cached)), None),
            Some((_, TokenState::RefreshDue | TokenState::Grace)) => FetchReason::Due,
            Some((_, TokenState::Expired)) => FetchReason::Expired,
            None => FetchReason::Missing,
        };
        let usable = present.filter(|(_, state)| *state != TokenState::Expired);
        let cooldown = self
            .cooldown(&mut state, &now)
            .filter(|_| state.fetch_in_flight(now.instant()).is_none());
        if let Some(error) = cooldown {
            let join = usable.map_or(Join::Cooldown(error), |(cached, _)| Join::Token(cached));
            return (join, None);
        }
        let (waiter, fetch) = self.fetch(&mut state, reason, None);
        let join = match usable {
            Some((cached, TokenState::RefreshDue)) => Join::Token(cached),
            fallback => Join::Fetch(waiter, fallback.map(|(cached, _)| cached)),
        };
        (join, fetch)
    }
}
