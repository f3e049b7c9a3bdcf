//! A world in which a quota can be tried out: model limiters, a network with delays, workers with jobs. No task, no timer, no
//! socket: events in the order of their time, and chance from a seed.

mod asked;
mod chance;
mod figures;
mod fleet;
mod ideal;
mod limiter;
mod server;
mod world;

pub use self::{
    asked::Asked,
    chance::Chance,
    figures::{Figures, seeds},
    fleet::{Fleet, run_fleet},
    ideal::ideal,
    limiter::{Limiter, Rule},
    server::{Headers, Server},
    world::{Outcome, Scenario, run},
};

/// Nanoseconds since the beginning of the world.
pub type Nanos = u64;

pub const MILLI: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000 * MILLI;
