//! `RetryOnRateLimit`.

mod api;
mod bodies;
mod decision;
mod events;
mod lets_go;
mod loopback;
mod marks;
mod policy;
mod readiness;
mod stops;
mod table;
mod waits;
