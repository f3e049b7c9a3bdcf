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
//! the counters, until a response to a request that was sent later comes or a new window begins: then it was counted, or never will
//! be.
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
//! is sent at once, less what is in flight.
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
//! # No headers
//!
//! ```text
//!          rate limited           accepted           rate limited soon
//!   Ramp ──────────────▶ Blocked ────────▶ Trial ──────────────────▶ Pace
//!    ▲                   │   ▲ │              │                       ▲
//!    └───────────────────┘   │ └──────────────┼───────────────────────┘
//!     nothing was accepted   │ nothing fits   ▼  three or fewer were accepted
//!     before it              └───────────── Cycle
//! ```
//!
//! * **Blocked**: single probes, 20 ms after the rate-limited response and then with gaps that grow by a half; or one when `Retry-After`
//!   ends, no sooner. If the very first request was rejected, the wait is all that was learned, and then the ramp begins with one. Three
//!   or fewer that were accepted say nothing of a window: if the next came too soon after them (a bucket of one), only a pace is right,
//!   and a window of so few is no slower at a pace.
//! * **Trial**: a second block, with a quarter of the first in flight at most. The first may have begun in the middle of a window or
//!   spanned two. This one is whole, so the number it accepts is the limit.
//! * **Cycle**: at most the limit in any period. The usual lengths are tried (100 ms, 500 ms, 1 s, 2 s, 5 s ...), one probe each, the
//!   shortest first that is not ruled out. A rejection near the end of a block lowers the limit to what was accepted. One with
//!   `Retry-After` lengthens the period, twice at most: the block began where a wait in whole seconds ended, somewhere in a window, and the
//!   next window was mistaken for the next period. Every eight periods one more request is tried, since limits change. After four
//!   surprises in a row everything is learned anew. A server without a limit that was down, and rejected everything for a minute with a
//!   bare 429, is mistaken for a window of a minute, and bursts are delayed until the limit has grown, which takes many minutes.
//! * **Pace**: a leaky bucket lets single requests through. It is empty at each rejection, so what was accepted from one rejection to
//!   another, over the time between, is its rate. A bucket of one loses what is not used at once; there it is no more than the rate. So
//!   the higher of two measurements holds, since the first rejection and since the last. The pace quickens until the next rejection: by
//!   half of the difference of the last two measurements each second (1 % to 30 %), and faster the longer nothing is rejected.
//!
//! # Other processes on the same quota
//!
//! A thousand processes on one tenant's quota do not know of each other. A process concludes from [`evidence`] that there are others when
//!
//! * a counter has nothing left and the process took less than half of it,
//! * it was rejected although it had sent nothing for longer than this server was ever closed,
//! * it waited as asked and was asked to wait as long again,
//! * an even pace was rejected twice in a row, limit and period repeatedly fit nothing, or more than one in fifteen is rejected.
//!
//! From then on it sends at a pace of its own with jitter ([`contention`]), and no more than the counters allow. The pace begins at the
//! rate accepted so far. Each rejection takes 30 % off; each success that waited for the pace adds a little, and more after many in a row.
//! The share of rejections at which these balance depends on the pace: 3 % at a request per ten seconds, less the faster it is, 8 % at
//! most. So the faster of two processes gives way, and they converge to the same pace. A process that waits for a reset with others sends
//! at a random moment after it. At 20 requests a second it is not one of many, and learns the limit anew.
//!
//! A server that is closed to all for a while looks the same from inside. Five rejections without a success in between are treated as
//! that. The first success ends it, and from there the pace doubles with each success up to what it was before, like TCP's slow start
//! after a time-out. After 50 successes in a row two rejections are enough, since a pace that was too fast would have been rejected
//! before.
//!
//! # Bounds
//!
//! Unpredicted rejections in a row are spaced out from 10 ms to a second, whatever the counters say ([`streak`]), and double the proof
//! that is required before a period is relied on again. No wait is longer than [`max_block`](Quota::max_block): after it, one request
//! probes. A request without a response is given up after two minutes. The first four counters of a response are used, and memory does
//! not grow with what a server says.

#![allow(clippy::exhaustive_enums, reason = "only the crate's own tests see them")]

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
