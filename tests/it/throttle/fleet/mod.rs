//! The quota of a fleet, without a server: the ledger, the processes' permits, the store between them.

mod random;
mod table;
mod world;
