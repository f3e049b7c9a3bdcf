//! Whether a limit is one for all, or each caller or each path has its own.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use http::header::AUTHORIZATION;
use tokio::time::Instant;

use super::{limiter::Observation, queue::later, route::Target};

/// A shorter wait is not worth a test; and the units of a counter that is full again so soon may have come back meanwhile.
const WORTH_A_TEST: Duration = Duration::from_secs(2);

/// What a test has shown holds for this long.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// Who sends a request, and the path that it is sent to: what a limit may be counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    caller: u64,
    path: u64,
}

/// Whether a limit is one for all, or each caller or each path has its own.
///
/// A response with nothing left holds all requests of its slot at first. One of another caller, or to another path, is sent all the
/// same: if it is accepted although nothing was left, the limit is not one for all.
///
/// ```text
///   POST /pods/a/eviction  ── 429, in 10 s ─┐
///   POST /pods/b/eviction  ── 200 ──────────┴─▶ each path has its own
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Split {
    /// The limit was never near.
    #[default]
    Unasked,
    /// It was, and this is the last subject that a counter was shown to, or that was rejected.
    Noted(Option<Subject>),
    /// Nothing was left for the holder, and a request of another subject is on its way.
    Tested(Test),
    /// By what it is counted, and until when that is relied on.
    Known {
        by: CountedBy,
        until: Instant,
        /// The subject for which nothing was left, and until when.
        holder: Option<(Subject, Instant)>,
    },
}

/// A request that is sent although nothing was left for another subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    holder: Subject,
    held_until: Instant,
    by: Subject,
    /// Whether the server has named a wait: if not, only a counter shows what is left.
    is_wait: bool,
}

/// By what a limit is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CountedBy {
    Nothing,
    Caller,
    Path,
}

// === impl Subject ===

impl Subject {
    /// The hashes are random, since a caller is known by its credentials.
    pub(super) fn of(target: &Target<'_>, random: &RandomState) -> Self {
        let caller = target.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        Self { caller: random.hash_one(caller), path: random.hash_one(target.path) }
    }

    /// What tells it from others, if the limit is counted by this.
    pub(super) const fn part(&self, by: CountedBy) -> Option<u64> {
        match by {
            CountedBy::Nothing => None,
            CountedBy::Caller => Some(self.caller),
            CountedBy::Path => Some(self.path),
        }
    }
}

// === impl Split ===

impl Split {
    /// Whether the subjects of requests count.
    #[inline]
    pub(super) const fn is_asked(&self) -> bool {
        !matches!(self, Self::Unasked)
    }

    pub(super) fn counted_by(&self, now: Instant) -> CountedBy {
        match self {
            Self::Known { by, until, .. } if now < *until => *by,
            _ => CountedBy::Nothing,
        }
    }

    /// Until when nothing is left for this subject, as far as it was known when all were counted as one.
    pub(super) fn held_until(&self, subject: Subject) -> Option<Instant> {
        let Self::Known { by, holder: Some((holder, until)), .. } = self else { return None };
        (subject.part(*by) == holder.part(*by)).then_some(*until)
    }

    /// Begins a test if a request of this subject is worth one, although nothing is left until a moment. `is_shared` if paths are known
    /// to share the limit.
    pub(super) fn test(
        &mut self,
        by: Subject,
        held_until: Instant,
        is_wait: bool,
        is_shared: bool,
        now: Instant,
    ) -> bool {
        let Self::Noted(Some(holder)) = *self else { return false };
        let differs = holder.caller != by.caller || holder.path != by.path && !is_shared;
        let is_worth = differs && held_until.saturating_duration_since(now) >= WORTH_A_TEST;
        if is_worth {
            *self = Self::Tested(Test { holder, held_until, by, is_wait });
        }
        is_worth
    }

    /// Returns whether the response has shown that the limit is not one for all.
    pub(super) fn on_response(
        &mut self,
        subject: Option<Subject>,
        seen: &Observation,
        now: Instant,
    ) -> bool {
        let shown = seen.readings.iter().flatten().min_by_key(|shown| shown.remaining);
        let is_near =
            shown.is_some_and(|shown| shown.limit.is_none_or(|limit| shown.remaining < limit / 2));
        match *self {
            Self::Unasked if seen.rate_limited || is_near => *self = Self::Noted(subject),
            Self::Noted(_) if seen.rate_limited || shown.is_some() => *self = Self::Noted(subject),
            Self::Known { until, .. } if until <= now => *self = Self::Noted(None),
            Self::Tested(test) if subject == Some(test.by) => {
                let is_free = !seen.is_rejection() && !is_near && (shown.is_some() || test.is_wait);
                let by = match is_free {
                    false => CountedBy::Nothing,
                    true if test.holder.caller != test.by.caller => CountedBy::Caller,
                    true => CountedBy::Path,
                };
                let holder = Some((test.holder, test.held_until));
                *self = Self::Known { by, until: later(now, KNOWN_FOR), holder };
                return is_free;
            }
            _ => {}
        }
        false
    }

    /// The response to a test will not come.
    pub(super) fn on_lost(&mut self, subject: Option<Subject>) {
        match *self {
            Self::Tested(test) if subject == Some(test.by) => {
                *self = Self::Noted(Some(test.holder));
            }
            _ => {}
        }
    }
}
