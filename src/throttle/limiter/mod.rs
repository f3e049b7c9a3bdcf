//! How the throttle finds the server's limit. This page is for contributors.
//!
//! All callers of a key share one [`Quota`]. It is asked for a [`Permit`] before each attempt and told the result of each attempt. It
//! decides from these alone: it reads no clock and draws no random number, so the layer holds it behind a short lock, and a test
//! runs through an hour in no time. A rate-limited response is called a *rejection* on this page.
//!
//! ```text
//!              acquire                    on_response / on_lost / on_unsent
//!  callers ───────────▶ Now(permit) ─▶ attempt ─▶ response ──┐
//!     ▲                 At(moment)                           │
//!     └──── wait ◀───── AfterResponse ◀──────────────────────┘
//! ```
//!
//! # The first request
//!
//! Nothing is known, so one request is sent and the others wait for its response. If it shows a counter, the counter holds from then
//! on. If not, as many may be in flight as were accepted so far (up to eight, then a quarter of all): a server without a limit is at
//! full speed after a few round trips, and one with a limit rejects no more than were in flight.
//!
//! A request without a response for a second *hangs*, and other requests no longer wait for it: another one is sent in its place,
//! wherever a single one may be. Before anything was rate limited, as many more may be sent each second as hang, 16 at most: 64
//! callers of a cold endpoint that takes three seconds for each response are through in eleven. A hanging request is still taken off
//! the counters, until a response to a request that was sent later comes: then it was counted, or never will be.
//!
//! A response that takes long does not keep its request from counting when it arrived: at most 200 ms after it was sent, or when its
//! response came ([`in_flight`]). So a window that begins later than that is free of it, and a server with ten requests a second and
//! responses of five seconds has fifty in flight. A longer way costs a rejection at the end of a window.
//!
//! # Counters: what is left
//!
//! `remaining` is true for the moment at which the server counted the request. With requests in flight concurrently we cannot know
//! which was counted last, so the lowest value wins ([`level`]), less all that are in flight ([`in_flight`]). A lost request stays in
//! doubt for half a second: it may have been counted. One that never left (a refused connection, no token) cannot have been, and its
//! unit is available at once.
//!
//! # Counters: the kind of limiter, and when it gives back
//!
//! Headers say when a window ends, but in whole seconds, rounded up or down, and by a clock that is not ours. Rather than probe and be
//! rejected, a [counter](counter) holds back the last few units of a window and sends them one by one, as *scouts*, over the time in
//! which the window may end:
//!
//! ```text
//!   burst                              the reset is somewhere in here
//!  ▒▒▒▒▒▒▒▒▒▒                        ├───────────────────────────┤
//!  0 ─────────────────────────────────·──────·──────·──────·──────·──▶ time
//!                                     scouts      ▲
//!                                 this one finds the new window, and all others follow
//! ```
//!
//! A scout cannot be rejected: before the reset there is a unit left for it, after the reset there are all of them. None are held back
//! once the reset is known to 10 ms, to the average round trip (a scout must not arrive in the next window) or to the time that one
//! unit is worth, nor if the window ends more than five seconds later. What scouts find tells the limiters apart:
//!
//! | the responses show | treated as | what comes back, and when |
//! |---|---|---|
//! | the reset stands still, and everything is back when the server's `Date` reaches it | fixed window | everything at the reset |
//! | something is back before the reset, or nothing is back after it | sliding window | each request one period after it was counted |
//! | the reset moves away faster than time passes while `remaining` falls, or what comes back lies on a line | bucket | a steady rate |
//!
//! *Fixed window.* The reset is a moment of the server's clock, which [`ServerClock`](crate::headers::ServerClock) knows as an
//! interval: the `Date` of each response bounds it to a second, and their intersection is soon no wider than a round trip. Neither the
//! client's clock nor its time zone matters. After a reset one request probes; once two windows have begun as predicted, the full limit
//! is sent at once, less what is in flight. With slow responses whole windows pass before one of them is shown; a reset that does not
//! lie on the predicted ones then shows that a window is shorter.
//!
//! *Sliding window.* A ledger has each accepted request with the latest time at which it can have been counted. At most the limit in
//! *any* period is right for sliding windows, for windows that begin with their first request, and for fixed ones at unknown moments.
//! The period is an interval: longer than what passed without a return, at most what passed from one return to the next. If a round
//! number lies in it, that is it. Each response reconciles the ledger: if the server counts fewer, the oldest are back; if it counts
//! more, another process sends.
//!
//! *Bucket.* (limit − remaining) / (reset − now) is a first rate; then what came back over time, less one unit. Too low a rate costs
//! nothing, since what it leaves over is seen and used. When other processes take from the bucket, rate-limited responses lower the
//! share that is counted on, and what is left over raises it.
//!
//! Several counters are kept side by side, and a permit must suit them all. The most permits until a moment
//! ([`Quota::max_permits_before`]) are certain only for windows: what is left, plus the limit for each window that begins until then,
//! each as short as it can be.
//!
//! # What is not announced: one estimate
//!
//! What no header shows is learned by one [estimate], from what was accepted and what was rejected (429, 503, 529). It has one model at
//! a time, and two questions are put to each rejection: *is the server closed?* and *does it depend on the rate?*
//!
//! ```text
//!           rejected          accepted                      rejected, and closed for long
//!   Open ─────────────▶ Closed ───────▶ Trial ─────────────▶ Closed ───────▶ Window
//!    ▲                                    │                        └───────▶ Pace
//!    └────────────────────────────────────┴── more was accepted than before, or twice the limit ──┘
//! ```
//!
//! * **Open**: slow start, as above.
//! * **Closed**: single probes, 20 ms after the rejection and then with gaps that grow by a half, up to four seconds; or one when
//!   `Retry-After` ends, no sooner. So a server that is closed to all gets less than two attempts a second, whatever the number of
//!   callers. A server that fails everything (503, 529) for longer than the limit explains, and for two seconds at least, is *down*:
//!   it is probed every 600 ms and nobody is queued for it ([`Quota::is_down`]). Once it is back no limit is learned from it. A limit
//!   of less than one request in two seconds that is only shown by bare 503s is therefore not learned.
//! * **Trial**: a second block, with a quarter of the first in flight at most. The first may have begun in the middle of a window, or
//!   the server was closed for reasons of its own: a limit is only learned if the second block ends too.
//! * **Window**: at most the limit in any period. The usual lengths are tried (100 ms, 500 ms, 1 s, 2 s, 5 s ...), one probe each.
//!   A closed time of more than 15 seconds is a lock-out rather than a window, and is answered by a pace.
//! * **Pace**: a bucket that lets single requests through is empty at each rejection. So what was accepted from one rejection to the
//!   next, over the time between, is its rate.
//!
//! A limit is tried to be higher along the curve of CUBIC: just below it at first, about it for a time, then more and more, by successes
//! and by time. What accepts twice a window's limit, or more than a pace is asked for, has no such limit, and all is forgotten. So
//! whatever was learned, a server that accepts everything is at full speed within a minute.
//!
//! *Does it depend on the rate?* The server has shown what it accepts: the highest rate over ten seconds, of the last two minutes
//! ([delivered](estimate)). A rejection below nine tenths of that, or just after slowing down to what was accepted, is not explained by
//! the rate. After four of these the estimate stops slowing down for ten seconds, and longer each time:
//!
//! ```text
//!   at a slower pace │ not slowed down      │ slower │ not slowed down
//!   ····x···x··x··x  │ ··x····x·x·····x···  │ ··x··x │ ...              x  rejected
//! ```
//!
//! If then many more are rejected than at the slower pace, they did depend on the rate, and what was accepted is the rate. If not, the
//! server sheds load at random, which no pace makes better, and no caller waits for it. Six rejections in a row are no such thing: the
//! server is closed. And no pace falls below a quarter of the highest rate that was accepted, unless the server is closed at it again
//! and again. Time in which nobody asked, or in which a response hung, is no evidence: a pace begins at 0.8 requests a second at
//! least, and falls below that only by rejections of requests that had waited for it.
//!
//! Processes that share a quota and do not know of each other see each other's requests as such rejections at random. One from which the
//! server accepts less than 0.8 requests a second slows down all the same, so that a fleet without a store is safe: a quarter rejected,
//! not most.
//!
//! # What the user has set
//!
//! A limit that the user has set ([`Quota::limit`]) is a [cap](cap) on what is sent, beside all that is learned: nothing passes it, neither a
//! probe nor a test, and no slow start comes before it. Of announced limits a share may be used ([`Quota::headroom`]): each reading
//! is that of the smaller limit, so that no counter knows of the rest.
//!
//! # Bounds
//!
//! A rejection that a counter explains does not reach the estimate, the second in a row closes the key like any other. No wait is longer
//! than [`max_block`](Quota::max_block): since when there was no permit for anybody, that long after one request goes, whatever is known
//! ([`Quota::acquire`]). After a wait that the server has named, one request goes first. A counter that eight responses in a row do not
//! show is dropped, and one whose limit is zero is none: some servers say so of a limit on concurrency. A request without a response is
//! given up after two minutes.
//!
//! Memory does not grow with what a server says or how long it runs: accepted requests and those in flight are kept in at most 128 and
//! 256 entries ([`ledger`], [`in_flight`]), of which each two become one when there are more.

#![allow(clippy::exhaustive_enums, reason = "only the crate's own tests see them")]

mod cap;
mod counter;
mod estimate;
mod in_flight;
#[cfg(feature = "shared")]
mod knowledge;
mod ledger;
mod level;
mod observation;
mod period;
mod quota;
mod snapshot;
mod view;

use tokio::time::Instant;

#[cfg(feature = "shared")]
pub use self::knowledge::Knowledge;
use self::view::{MARGIN, Verdict, View, ago, later};
pub use self::{
    in_flight::Permit,
    observation::{Observation, Reading, Reset},
    quota::Quota,
    snapshot::{LimiterKind, Snapshot},
};

/// Whether a permit is available.
#[derive(Debug)]
pub enum Availability {
    /// It is, and is taken.
    Now(Permit),
    /// Not yet: ask again at this moment, and whenever an attempt has ended.
    At(Instant),
    /// Not before more is known of a request in flight: ask again when an attempt has ended, and at this moment at the latest.
    AfterResponse {
        /// When the request is no longer waited for.
        or_at: Instant,
    },
}
