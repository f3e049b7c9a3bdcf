//! Whether a response is kept, and for how long it answers for others.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, StatusCode,
    header::{SET_COOKIE, VARY},
};

use super::{KeepRules, NotKept};
use crate::response_cache::{CacheControl, age};

/// How long a response is used, counted from the moment before its request was sent.
///
/// ```text
/// asked for                     fresh_for                              fresh_for + stale_for
/// ├──────────────────────────────────┼──────────────────────────────────────────┼──────────►
///               Fresh                            Stale                             Expired
///           used as it is       used if the server refuses or is out            never used
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShelfLife {
    age: Duration,
    fresh_for: Duration,
    stale_for: Duration,
}

/// What may be done with a response that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShelfState {
    /// It answers for the server.
    Fresh,
    /// It answers where the server refuses or is out.
    Stale,
    /// It answers nobody.
    Expired,
}

// === impl ShelfLife ===

impl ShelfLife {
    /// How long this response is kept, or why it is not. `now` is the client's wall time.
    ///
    /// What the server says shortens what the user said and never lengthens it: the end of its freshness (`max-age`, or
    /// `Expires`, less the `Age` that it came with) its `ttl`, and `must-revalidate` or `stale-if-error` its `stale_for`.
    ///
    /// # Errors
    ///
    /// It is not to be kept.
    pub fn of_response(
        rules: &KeepRules,
        status: StatusCode,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<Self, NotKept> {
        if !matches!(status.as_u16(), 200 | 203 | 204) {
            return Err(NotKept::Status);
        }
        let said = match rules.overrides_no_store {
            true => CacheControl::default(),
            false => CacheControl::from_headers(headers),
        };
        if said.no_store() {
            return Err(NotKept::NoStore);
        }
        if said.no_cache() {
            return Err(NotKept::NoCache);
        }
        if headers.contains_key(SET_COOKIE) && !rules.strips_set_cookie {
            return Err(NotKept::SetCookie);
        }
        if headers.get_all(VARY).iter().any(|vary| vary.as_bytes().contains(&b'*')) {
            return Err(NotKept::VaryAny);
        }
        let age = age(headers);
        let lifetime = match rules.overrides_no_store {
            true => None,
            false => said.lifetime(headers, now),
        };
        let fresh_for = match lifetime {
            Some(lifetime) => rules.ttl.min(lifetime.saturating_sub(age)),
            None => rules.ttl,
        };
        if fresh_for.is_zero() {
            return Err(NotKept::NoCache);
        }
        let stale_for = match said.must_revalidate() {
            true => Duration::ZERO,
            false => said.stale_if_error().unwrap_or(Duration::MAX).min(rules.stale_for),
        };
        Ok(Self { age, fresh_for, stale_for })
    }

    /// What may be done with it when so much time has passed since just before its request was sent.
    #[must_use]
    pub fn state(&self, elapsed: Duration) -> ShelfState {
        if elapsed < self.fresh_for {
            ShelfState::Fresh
        } else if elapsed < self.fresh_for.saturating_add(self.stale_for) {
            ShelfState::Stale
        } else {
            ShelfState::Expired
        }
    }

    /// Its age then ([RFC 9111 section 4.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.3)): the `Age` that it came
    /// with, and all the time since, that of the exchange included. The server's clock does not come into it.
    #[must_use]
    pub const fn age(&self, elapsed: Duration) -> Duration {
        self.age.saturating_add(elapsed)
    }

    /// For how long it is fresh.
    #[must_use]
    pub const fn fresh_for(&self) -> Duration {
        self.fresh_for
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const RULES: KeepRules =
        KeepRules::new(Duration::from_secs(300)).stale_for(Duration::from_secs(600));

    fn life(
        rules: &KeepRules,
        fields: &[(&'static str, &'static str)],
    ) -> Result<(u64, u64), NotKept> {
        let headers = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let life = ShelfLife::of_response(
            rules,
            StatusCode::OK,
            &headers.collect(),
            SystemTime::UNIX_EPOCH,
        )?;
        Ok((life.fresh_for.as_secs(), life.stale_for.as_secs()))
    }

    #[test]
    fn what_the_server_says_shortens_and_never_lengthens() {
        let of = |field| life(&RULES, &[("cache-control", field)]);
        assert_eq!(life(&RULES, &[]), Ok((300, 600)));
        assert_eq!(of("private, max-age=60"), Ok((60, 600)));
        assert_eq!(of("max-age=4000, stale-if-error=9999"), Ok((300, 600)));
        assert_eq!(of("max-age=60, stale-if-error=30"), Ok((60, 30)));
        assert_eq!(of("max-age=60, must-revalidate"), Ok((60, 0)));
        assert_eq!(life(&RULES, &[("cache-control", "max-age=60"), ("age", "20")]), Ok((40, 600)));
        assert_eq!(life(&RULES, &[("cache-control", "s-maxage=5")]), Ok((300, 600)));
    }

    #[test]
    fn what_may_not_be_kept_is_not() {
        for (name, value, why) in [
            ("cache-control", "no-store", NotKept::NoStore),
            ("cache-control", "no-cache", NotKept::NoCache),
            ("cache-control", "max-age=0", NotKept::NoCache),
            ("expires", "0", NotKept::NoCache),
            ("set-cookie", "sid=1", NotKept::SetCookie),
            ("vary", "accept, *", NotKept::VaryAny),
        ] {
            assert_eq!(life(&RULES, &[(name, value)]), Err(why), "{name}: {value}");
        }
        let stale = [("cache-control", "max-age=60"), ("age", "60")];
        assert_eq!(life(&RULES, &stale), Err(NotKept::NoCache));
        for status in [206, 301, 304, 404, 429, 500] {
            let status = StatusCode::from_u16(status).unwrap();
            let kept =
                ShelfLife::of_response(&RULES, status, &HeaderMap::new(), SystemTime::UNIX_EPOCH);
            assert_eq!(kept, Err(NotKept::Status));
        }
    }

    #[test]
    fn an_override_is_for_what_it_names_alone() {
        let overrides = RULES.override_no_store();
        let all = ("cache-control", "no-store, no-cache, max-age=0, must-revalidate");
        assert_eq!(life(&overrides, &[all, ("expires", "-1")]), Ok((300, 600)));
        assert_eq!(life(&overrides, &[("set-cookie", "sid=1")]), Err(NotKept::SetCookie));
        assert_eq!(life(&overrides, &[("vary", "*")]), Err(NotKept::VaryAny));
        let strips = RULES.strip_set_cookie();
        assert_eq!(life(&strips, &[("set-cookie", "sid=1")]), Ok((300, 600)));
        assert_eq!(life(&strips, &[all]), Err(NotKept::NoStore));
    }

    proptest! {
        #[test]
        fn a_response_is_fresh_then_stale_then_gone(ttl in 1_u64.., stale in 0_u64.., at in 0_u64..) {
            let seconds = Duration::from_secs;
            let rules = KeepRules::new(seconds(ttl)).stale_for(seconds(stale));
            let life = ShelfLife::of_response(&rules, StatusCode::OK, &HeaderMap::new(), SystemTime::UNIX_EPOCH);
            let expected = match at {
                _ if at < ttl => ShelfState::Fresh,
                _ if at - ttl < stale => ShelfState::Stale,
                _ => ShelfState::Expired,
            };
            prop_assert_eq!(life.unwrap().state(seconds(at)), expected);
        }
    }
}
