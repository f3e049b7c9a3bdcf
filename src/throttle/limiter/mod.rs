//! At the server's limit, without being refused: when may the next request be sent?
//!
//! A [`Quota`] is what all callers of one key share. It is asked for a [`Turn`] before each send and told of each [`Answer`];
//! from these it learns what kind of limiter the server keeps, and when the limiter gives back what was taken. It reads no clock,
//! waits for nothing, and its chance is an argument, so the layer above holds it in a short lock, and a test runs through an hour
//! in no time.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use http::{HeaderMap, HeaderValue};
//! use tokio::time::Instant;
//! use tower_heed::{throttle::limiter::{Answer, Quota, Turn}, headers::RateLimit};
//!
//! let (mut quota, now, wall) = (Quota::new(), Instant::now(), SystemTime::UNIX_EPOCH);
//! let Turn::Now(ticket) = quota.next_turn(now) else { unreachable!("nothing is known of a limit") };
//! // Whether there is a limit is not known yet: one asks, the others wait for its answer.
//! assert!(matches!(quota.next_turn(now), Turn::AfterAnswer { .. }));
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("ratelimit-limit", HeaderValue::from_static("50"));
//! headers.insert("ratelimit-remaining", HeaderValue::from_static("0"));
//! headers.insert("ratelimit-reset", HeaderValue::from_static("30"));
//! let limit = RateLimit::from_headers(&headers, wall);
//! let now = now + Duration::from_millis(5);
//! quota.on_answer(ticket, now, &Answer::new(false, &headers, limit.as_ref(), wall));
//!
//! // Nothing is left, and nobody needs to be refused to find out.
//! let Turn::At(at) = quota.next_turn(now) else { unreachable!() };
//! assert!(at >= now + Duration::from_secs(30));
//! assert_eq!(quota.snapshot(now).remaining, Some(0));
//! ```
//!
//! # How it works
//!
//! `docs/throttle.md` explains and draws it. In short: with counters in the headers (`counter/`), a few requests of each window
//! are held back as *scouts* until the limiter's ways are known, and go out over the time in which the window may end; none of
//! them can be refused, and what they find tells a fixed window, a sliding one and a bucket apart. Without counters (`silent/`),
//! limit and period are learned from what is refused, as little of it as will do. When others turn out to take from the same quota
//! (`crowd.rs`), it goes at a pace of its own.
//!
//! # Bounds
//!
//! No wait is longer than [`max_hold`](Quota::max_hold). A request of which nothing is heard is waited for by others for no more than
//! a second, and forgotten after two minutes. Of an answer's counters the first four are heeded, and memory does not grow with what a server says.

mod contention;
mod counter;
mod evidence;
mod headerless;
mod in_flight;
mod level;
mod observation;
mod period;
mod quota;
mod snapshot;
mod streak;
mod view;

use tokio::time::Instant;

use self::view::{Verdict, View, ago, later};
pub use self::{
    in_flight::Ticket,
    observation::{Answer, Reading, Reset},
    quota::Quota,
    snapshot::{Kind, Snapshot},
};

/// Whether a request may be sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Turn {
    /// Now; the turn is taken.
    Now(Ticket),
    /// Not yet: ask again at this moment, and whenever an answer was reported.
    At(Instant),
    /// Not before something is known of a request that is out: ask again when an answer or a loss was reported, and at this
    /// moment at the latest.
    AfterAnswer {
        /// When one that is out is not waited for any more.
        or_at: Instant,
    },
}
