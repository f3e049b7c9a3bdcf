//! High-priority requests pass a bulk job that uses all of the limit.

use limiter_sim::{
    Headers, Nanos, Rule, SECOND,
    trouble::{Limit, Server},
};
use tower_heed::extensions::Priority;

use super::{Calls, Load, MINUTE, Row, Scenario, Wanted};

/// What a response takes without a wait, in seconds.
const TAKES: f64 = 0.022;

fn beside_bulk(name: &str, limit: u64, period: Nanos, from: Nanos, until: Nanos) -> Row {
    let rule = Rule::Fixed { limit, period };
    let server = Server::new(1).limit(Limit::new(rule, Headers::Epoch));
    let workers = Load::Workers { workers: 64, jobs: usize::MAX };
    let window = period as f64 / SECOND as f64;
    let wait = move |part| {
        move |run: &super::Run| (run.took(1, part, from, until) - TAKES).max(0.0) / window
    };
    let all = (limit * (until - from) / period) as f64;
    let mut scenario = Scenario::new(server);
    scenario.call_timeout = std::time::Duration::from_secs(90);
    Row::new(name, scenario)
        .calls(Calls::new(workers, 0, until).with_priority(Priority::Low))
        .calls(
            Calls::new(Load::Every(31 * SECOND / 10), from / 2, until)
                .with_priority(Priority::High)
                .post(),
        )
        .figure("high p50, of the window", Wanted::AtMost(0.05), wait(0.5))
        .figure("high p99, of the window", Wanted::AtMost(0.25), wait(0.99))
        .figure("bulk, of the limit", Wanted::AtLeast(0.93), move |run| {
            run.ok_within(0, from, until) / all
        })
}

pub fn rows() -> Vec<Row> {
    vec![
        beside_bulk("high beside 64 low, 50 in 1 s", 50, SECOND, 10 * SECOND, 50 * SECOND),
        beside_bulk("high beside 64 low, 300 in 10 s", 300, 10 * SECOND, 20 * SECOND, 100 * SECOND),
    ]
}

pub fn long() -> Vec<Row> {
    let hour = 60 * MINUTE;
    let ten = 10 * SECOND;
    vec![
        beside_bulk("high beside 64 low, 500 in 10 s", 500, ten, 2 * ten, 2 * MINUTE),
        beside_bulk("high beside 64 low, 5,000 in 1 h", 5_000, hour, hour, 3 * hour),
    ]
}
