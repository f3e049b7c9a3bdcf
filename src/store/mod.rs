//! What the processes of a fleet share through Redis, Valkey or Memcached.
//!
//! One tenant has one quota and one machine identity, however many processes call its API. With a store,
//! [`token_cache::Shared`](crate::token_cache::Shared) has one token fetched for all of them, and
//! [`ThrottleLayer::fleet`](crate::ThrottleLayer::fleet) has them keep to one limit.
//!
//! **The store is never needed.** Down, slow, full, read-only or emptied: no request fails that could have been served without it.
//! A fetch of a token waits for it for about a second, and then the store is not called for 30 s. A quota is asked for in the
//! background, again each second while the store is down. A request that finds its token and a permit in the process does not wait
//! for the store.
//!
//! [`docs/fleet.md`](https://docs.rs/crate/tower-heed/latest/source/docs/fleet.md) is the manual: what a store costs, which
//! database to use, how keys are rotated, and what happens when something fails.
//!
//! # Which store
//!
//! A store of tokens is a tower [`Service`](tower_service::Service) from [`SlotRequest`] to [`SlotReply`], a store of quotas one
//! from [`QuotaRequest`] to [`QuotaReply`]:
//!
//! | store | crate | tokens | quotas |
//! |---|---|---|---|
//! | Redis, Valkey and what speaks their protocol | `tower-heed-redis` | yes | yes |
//! | Memcached | `tower-heed-memcached` | yes | of up to some fifty processes |
//! | memory, for tests | [`InMemory`] | yes | yes |
//!
//! Each request is one atomic step: two processes cannot come in between. A layer around a store, a concurrency limit or
//! a span for example, is any tower layer.
//!
//! # What is in it
//!
//! Names are keyed hashes, and the records of tokens are sealed ([`SealingKeys`]): neither shows a token, a client or an audience.
//! **The record of a quota is not sealed**: it holds numbers only, but whoever can write to the store can stop a fleet or lift its
//! limit. [`ThrottleLayer::fleet`](crate::ThrottleLayer::fleet) uses only the namespace secret, for the record's name.
//!
//! Keys are rotated by [`SealingKeys::also_opens`]. [`SealingKeys::in_clear_text`] seals nothing, for tests.
//!
//! # Events
//!
//! With the target `tower_heed::store`, about tokens; `contract` is `slots`. Those about a shared quota have the target
//! `tower_heed::throttle`: see [there](crate::throttle#events).
//!
//! | level | message | fields |
//! |---|---|---|
//! | `WARN` | `store is down, not called` | `contract`, `failures`, `pause_ms`, `error` |
//! | `INFO` | `store replies again` | `contract` |
//! | `WARN` | `record is not ours, left alone` | `kind`, `version`, `key_id` |
//! | `DEBUG` | `token taken from the store` | `left_ms` |
//! | `DEBUG` | `fetching for all processes` | `reason` |
//! | `DEBUG` | `fetching without the store` | `reason` |
//!
//! # Your own store
//!
//! [`SlotRequest`] and [`QuotaRequest`] say what each step does. In the repository, `crates/store_contract` is the suite that these
//! stores pass.

use std::time::Duration;

mod caller;
mod memory;
mod name;
mod quota;
mod sealing;
mod slot;

pub(crate) use caller::{Caller, NoReply, TARGET};
pub use memory::InMemory;
pub use name::StoreName;
pub use quota::{QuotaReply, QuotaRequest};
pub(crate) use sealing::Opened;
pub use sealing::SealingKeys;
pub use slot::{FetchId, Intent, SlotReply, SlotRequest};

/// The longest record: as long as Memcached takes them by default.
pub const MAX_RECORD_LEN: usize = 1024 * 1024 - 1024;

/// The longest note of a failure.
pub const MAX_NOTE_LEN: usize = 64;

/// How long the note of a failure is kept after its cooldown, so that the next failure counts as one more.
pub const NOTE_KEPT_FOR: Duration = Duration::from_secs(10 * 60);
