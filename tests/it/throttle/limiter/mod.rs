//! The limiter alone, against simulated servers.

mod first;
mod fleet;
mod hanging;
mod hard;
mod idle;
mod others;
mod safety;
mod table;
mod turns;
mod unsent;
