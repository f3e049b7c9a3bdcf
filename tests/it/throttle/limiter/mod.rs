//! The limiter alone, against simulated servers.

mod first;
mod fleet;
mod hanging;
mod hard;
mod idle;
mod late;
mod memory;
mod others;
mod permits;
mod safety;
mod table;
mod trouble;
mod unsent;
