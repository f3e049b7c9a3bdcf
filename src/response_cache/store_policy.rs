//! Whether a response is stored, and for how long it is served.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, SET_COOKIE, VARY},
};

use super::{
    cache_control::{Accepts, CacheControl, age},
    validators::Validators,
};
use crate::classify::ErrorClass;

/// An endpoint's configured policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StorePolicy {
    /// How long a response is fresh at most.
    pub(super) ttl: Duration,
    /// How long a stale response may be served while the server is down.
    pub(super) stale_for: Duration,
    /// Whether `Cache-Control` and `Expires` of responses are ignored.
    pub(super) override_no_store: bool,
    /// Whether a response that sets cookies is stored, without them.
    pub(super) strip_set_cookie: bool,
}

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotStorable {
    /// The status is none of 200, 203 and 204.
    Status,
    /// `no-store`.
    NoStore,
    /// `no-cache`, or stale on arrival, and no validator to ask by: the server wants to be asked each time.
    NoCache,
    /// The response sets a cookie.
    SetCookie,
    /// `Vary: *`: the response depends on more than the request's header fields.
    VaryAny,
    /// The body is longer than the configured maximum.
    TooLong,
    /// The body ended before its announced length
    /// ([RFC 9111 section 3.3](https://www.rfc-editor.org/rfc/rfc9111#section-3.3)).
    Incomplete,
    /// The body is a stream of events, or goes on without an announced end.
    Stream,
    /// Other fetches hold too many bytes.
    Busy,
}

/// How long a stored response is used, counted from just before its request was sent.
///
/// ```text
/// request sent                      fresh_for                              fresh_for + stale_for
/// ├──────────────────────────────────┼──────────────────────────────────────────┼──────────►
///               Fresh                            Stale                             Expired
///            served                    served while the server is down           never served
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FreshnessLifetime {
    age: Duration,
    /// Zero for a response that is validated for each request.
    fresh_for: Duration,
    stale_for: Duration,
    /// How long it is served at once while it is refreshed, at most `stale_for`.
    refreshing_for: Duration,
}

/// What may be done with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FreshnessState {
    /// Served.
    Fresh,
    /// Served while the server is down.
    Stale,
    /// Never served.
    Expired,
}

/// What a failed refresh means for the stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterFailure {
    /// The failure says nothing about the resource: the stale response may be served.
    ServeStale,
    /// The failure is the resource's present state: it is passed on, and the stored response is removed.
    Remove,
}

// === impl StorePolicy ===

impl StorePolicy {
    /// How long a response with this status and these header fields is used, or why it is not stored. `now` is the client's
    /// wall time.
    ///
    /// The server's directives shorten what is configured and never lengthen it: its freshness lifetime (less `Age`) the
    /// `ttl`, and `must-revalidate` or `stale-if-error` the `stale_for`. What is to be validated each time is stored if there is a
    /// validator.
    pub(super) fn lifetime(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<FreshnessLifetime, NotStorable> {
        if !matches!(status.as_u16(), 200 | 203 | 204) {
            return Err(NotStorable::Status);
        }
        let (directives, stated) = match self.override_no_store {
            true => (CacheControl::default(), None),
            false => {
                let directives = CacheControl::from_headers(headers);
                (directives, directives.lifetime(headers, now))
            }
        };
        if directives.no_store {
            return Err(NotStorable::NoStore);
        }
        if headers.contains_key(SET_COOKIE) && !self.strip_set_cookie {
            return Err(NotStorable::SetCookie);
        }
        if headers.get_all(VARY).iter().any(|vary| vary.as_bytes().contains(&b'*')) {
            return Err(NotStorable::VaryAny);
        }
        if is_stream(headers) {
            return Err(NotStorable::Stream);
        }
        let age = age(headers);
        let fresh_for = match directives.no_cache {
            true => Duration::ZERO,
            false => stated.map_or(self.ttl, |stated| self.ttl.min(stated.saturating_sub(age))),
        };
        if fresh_for.is_zero() && Validators::of(headers, now).is_none() {
            return Err(NotStorable::NoCache);
        }
        let allowed = match directives.must_revalidate || directives.no_cache {
            true => Duration::ZERO,
            false => self.stale_for,
        };
        let refreshing_for = directives.stale_while_revalidate.unwrap_or_default().min(allowed);
        let stale_for = directives.stale_if_error.unwrap_or(allowed).min(allowed);
        let stale_for = stale_for.max(refreshing_for);
        Ok(FreshnessLifetime { age, fresh_for, stale_for, refreshing_for })
    }
}

// === impl NotStorable ===

impl NotStorable {
    /// The reason in snake case, as events show it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::NoStore => "no_store",
            Self::NoCache => "no_cache",
            Self::SetCookie => "set_cookie",
            Self::VaryAny => "vary_any",
            Self::TooLong => "too_long",
            Self::Incomplete => "incomplete",
            Self::Stream => "stream",
            Self::Busy => "busy",
        }
    }
}

// === impl FreshnessLifetime ===

impl FreshnessLifetime {
    /// The state `elapsed` after the request was sent.
    pub(super) fn state(&self, elapsed: Duration) -> FreshnessState {
        if elapsed < self.fresh_for {
            FreshnessState::Fresh
        } else if elapsed < self.fresh_for.saturating_add(self.stale_for) {
            FreshnessState::Stale
        } else {
            FreshnessState::Expired
        }
    }

    /// Whether a request accepts the response while that is fresh.
    pub(super) fn is_accepted(&self, accepts: Accepts, elapsed: Duration) -> bool {
        let stays_fresh = match accepts {
            Accepts::Fresh { min_fresh, .. } => {
                self.state(elapsed.saturating_add(min_fresh)) == FreshnessState::Fresh
            }
            Accepts::Anything | Accepts::Nothing => true,
        };
        stays_fresh && accepts.age(self.age(elapsed))
    }

    /// The age ([RFC 9111 section 4.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.3)): the `Age` on arrival, and the
    /// time since the request was sent. The server's clock has no part in it.
    pub(super) const fn age(&self, elapsed: Duration) -> Duration {
        self.age.saturating_add(elapsed)
    }

    pub(super) const fn fresh_for(&self) -> Duration {
        self.fresh_for
    }

    /// Whether it may be served at once, stale, while it is refreshed
    /// ([RFC 5861 section 3](https://www.rfc-editor.org/rfc/rfc5861#section-3)).
    pub(super) fn is_served_while_refreshed(&self, elapsed: Duration) -> bool {
        elapsed < self.fresh_for.saturating_add(self.refreshing_for)
    }
}

/// Whether the body is a stream, whose parts are to arrive one by one.
fn is_stream(headers: &HeaderMap) -> bool {
    const STREAMS: [&str; 8] = [
        "text/event-stream",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json-seq",
        "application/stream+json",
        "application/grpc",
        "multipart/x-mixed-replace",
    ];
    let is_unbuffered = headers.get("x-accel-buffering").is_some_and(|buffers| buffers == "no");
    is_unbuffered
        || headers.get_all(CONTENT_TYPE).iter().any(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let essence = parts.next().unwrap_or_default();
            // Kubernetes: `application/json;stream=watch`.
            STREAMS.iter().any(|stream| essence == stream.as_bytes())
                || essence.starts_with(b"application/grpc+")
                || parts.any(|parameter| parameter == b"stream=watch")
        })
}

// === impl AfterFailure ===

impl AfterFailure {
    /// What a failure of this class means for the stored response.
    #[must_use]
    pub const fn of(class: ErrorClass) -> Self {
        match class {
            ErrorClass::RateLimited
            | ErrorClass::Timeout
            | ErrorClass::Unavailable
            | ErrorClass::Connect
            | ErrorClass::Interrupted
            | ErrorClass::Throttled
            | ErrorClass::TokenUnavailable => Self::ServeStale,
            ErrorClass::Unauthenticated | ErrorClass::Forbidden | ErrorClass::Rejected => {
                Self::Remove
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const POLICY: StorePolicy = StorePolicy {
        ttl: Duration::from_secs(300),
        stale_for: Duration::from_secs(600),
        override_no_store: false,
        strip_set_cookie: false,
    };

    fn lifetime(
        policy: &StorePolicy,
        fields: &[(&'static str, &'static str)],
    ) -> Result<(u64, u64), NotStorable> {
        let headers = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let life = policy.lifetime(StatusCode::OK, &headers.collect(), SystemTime::UNIX_EPOCH)?;
        Ok((life.fresh_for.as_secs(), life.stale_for.as_secs()))
    }

    #[test]
    fn the_servers_directives_shorten_and_never_lengthen() {
        let of = |field| lifetime(&POLICY, &[("cache-control", field)]);
        assert_eq!(lifetime(&POLICY, &[]), Ok((300, 600)));
        assert_eq!(of("private, max-age=60"), Ok((60, 600)));
        assert_eq!(of("max-age=4000, stale-if-error=9999"), Ok((300, 600)));
        assert_eq!(of("max-age=60, stale-if-error=30"), Ok((60, 30)));
        assert_eq!(of("max-age=60, must-revalidate"), Ok((60, 0)));
        assert_eq!(of("s-maxage=5"), Ok((300, 600)));
        let aged = [("cache-control", "max-age=60"), ("age", "20")];
        assert_eq!(lifetime(&POLICY, &aged), Ok((40, 600)));
    }

    #[test]
    fn a_response_that_may_not_be_stored_is_not() {
        for (name, value, reason) in [
            ("cache-control", "no-store", NotStorable::NoStore),
            ("cache-control", "no-cache", NotStorable::NoCache),
            ("cache-control", "max-age=0", NotStorable::NoCache),
            ("expires", "0", NotStorable::NoCache),
            ("set-cookie", "sid=1", NotStorable::SetCookie),
            ("vary", "accept, *", NotStorable::VaryAny),
        ] {
            assert_eq!(lifetime(&POLICY, &[(name, value)]), Err(reason), "{name}: {value}");
        }
        let stale = [("cache-control", "max-age=60"), ("age", "60")];
        assert_eq!(lifetime(&POLICY, &stale), Err(NotStorable::NoCache));
        for status in [206, 301, 304, 404, 429, 500] {
            let status = StatusCode::from_u16(status).unwrap();
            let stored = POLICY.lifetime(status, &HeaderMap::new(), SystemTime::UNIX_EPOCH);
            assert_eq!(stored, Err(NotStorable::Status));
        }
    }

    #[test]
    fn an_override_is_for_what_it_names_alone() {
        let overrides = StorePolicy { override_no_store: true, ..POLICY };
        let all = ("cache-control", "no-store, no-cache, max-age=0, must-revalidate");
        assert_eq!(lifetime(&overrides, &[all, ("expires", "-1")]), Ok((300, 600)));
        let cookie = ("set-cookie", "sid=1");
        assert_eq!(lifetime(&overrides, &[cookie]), Err(NotStorable::SetCookie));
        assert_eq!(lifetime(&overrides, &[("vary", "*")]), Err(NotStorable::VaryAny));
        let strips = StorePolicy { strip_set_cookie: true, ..POLICY };
        assert_eq!(lifetime(&strips, &[cookie]), Ok((300, 600)));
        assert_eq!(lifetime(&strips, &[all]), Err(NotStorable::NoStore));
    }

    proptest! {
        #[test]
        fn a_response_is_fresh_then_stale_then_expired(ttl in 1_u64.., stale in 0_u64.., at in 0_u64..) {
            let seconds = Duration::from_secs;
            let policy = StorePolicy { ttl: seconds(ttl), stale_for: seconds(stale), ..POLICY };
            let life = policy.lifetime(StatusCode::OK, &HeaderMap::new(), SystemTime::UNIX_EPOCH);
            let expected = match at {
                _ if at < ttl => FreshnessState::Fresh,
                _ if at - ttl < stale => FreshnessState::Stale,
                _ => FreshnessState::Expired,
            };
            prop_assert_eq!(life.unwrap().state(seconds(at)), expected);
        }
    }
}
