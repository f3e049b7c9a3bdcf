//! A world in which a quota can be tried out: a network with delays, workers with jobs. No task, no timer, no
//! socket: events in the order of their time, and chance from a seed.

mod driver;
mod figures;
mod fleet;
mod ideal;
mod server;
mod world;

pub use limiter_sim::{Chance, Headers, Limiter, MILLI, Nanos, Rule, SECOND};

pub use self::{
    driver::Driver,
    figures::{Figures, seeds},
    fleet::{Fleet, run_fleet},
    ideal::ideal,
    server::Server,
    world::{Outcome, Scenario, run},
};
