//! The scenarios, by what is wrong with the server or with the load.

pub mod forms;
pub mod lies;
pub mod limiters;
pub mod overload;
pub mod priority;
pub mod scopes;
pub mod shedding;

use limiter_sim::{
    Nanos, SECOND,
    trouble::{Phase, Server},
};

use super::{
    row::{Row, Wanted},
    world::{Calls, Load, Run, Scenario},
};

const MINUTE: Nanos = 60 * SECOND;

/// All rows of the normal run.
pub fn all() -> Vec<Row> {
    let parts = [
        shedding::rows(),
        overload::rows(),
        scopes::rows(),
        forms::rows(),
        lies::rows(),
        priority::rows(),
        limiters::rows(),
    ];
    parts.into_iter().flatten().collect()
}

/// Those that take longer.
pub fn long() -> Vec<Row> {
    let parts = [shedding::long(), overload::grid(), forms::long(), lies::long(), priority::long()];
    parts.into_iter().flatten().collect()
}

/// A server with this trouble alone, the calls of one kind, until a while after it.
fn troubled(name: impl Into<String>, phase: Phase, rate: u64, after: Nanos) -> Row {
    let until = phase.until + after;
    Row::new(name, Scenario::new(Server::new(1).phase(phase)))
        .calls(Calls::per_second(rate, 0, until))
}

/// The share of the first kind's calls that succeed, of those that begin in this time.
fn ok(from: Nanos, until: Nanos) -> impl Fn(&Run) -> f64 {
    move |run| run.ok_share(0, from, until)
}

fn attempts(from: Nanos, until: Nanos) -> impl Fn(&Run) -> f64 {
    move |run| run.attempts(from, until)
}
