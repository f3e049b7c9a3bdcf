//! One quota for the processes of a fleet. This page is for contributors.
//!
//! The store keeps one record for each quota, the [`Ledger`]. A process reads it, asks it a [question](Ask) here, and puts it back
//! unless another process was faster (compare and set); then it does so again. So the store runs no code of ours, and there is one
//! ledger, a pure function of its state, the store's time and the question.
//!
//! ```text
//!   callers ─── take ──▶ Hand ─── ask, about once a second ──▶ Ledger, as read from the store
//!      ▲                  │ ▲                                     │
//!      └──── permit ◀─────┘ └──────── lots of permits ◀───────────┘ put back, if nobody was faster
//! ```
//!
//! A *lot* is a number of permits for one window, or for a stretch of an even rate. Nothing is known of a process between two questions:
//! the ledger counts who asks in each round, and a lot that nobody uses lapses with its window.
//!
//! While nothing is known, one process is the *learner*: it sends by its own [`Quota`](super::limiter::Quota), as without a fleet, and
//! tells what that has found. The others wait for it. Whatever goes wrong with the model later ends there too: it is forgotten if most
//! requests are rejected, or if none was accepted for two minutes.

#![allow(clippy::exhaustive_enums, reason = "only the crate's own tests see them")]
mod ask;
mod clock;
mod hand;
mod ledger;
mod question;
mod rate;
mod record;
mod share;
mod window;

pub use self::{
    ask::{Ask, Role},
    hand::{Counts, Hand, Take},
    question::{Question, Step},
};
#[cfg(feature = "__internals")]
pub use self::{
    ask::{Grant, Learned, Lot, Nanos, SECOND, Seen},
    ledger::Ledger,
    question::Swap,
    record::{Decoded, decode, encode},
    share::Share,
};
