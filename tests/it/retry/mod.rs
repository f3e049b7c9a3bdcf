//! `RetryOnRateLimit`.

mod api;
mod bodies;
mod decision;
mod events;
mod extensions;
mod loopback;
mod readiness;
mod release;
mod stops;
mod table;
mod waits;
