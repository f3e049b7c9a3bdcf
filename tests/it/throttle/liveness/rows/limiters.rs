//! Servers that behave as limiters do: what is won elsewhere must not be lost here.

use limiter_sim::{
    Headers, MILLI, Nanos, Rule, SECOND,
    trouble::{Limit, Server},
};

use super::{Calls, Load, Row, Run, Scenario, Wanted};
use crate::throttle::liveness::ideal::ideal_time;

const JOBS: usize = 480;
const TAKES: Nanos = 5 * MILLI;

pub fn rows() -> Vec<Row> {
    let fixed = Rule::Fixed { limit: 50, period: SECOND };
    let two_seconds = Rule::Fixed { limit: 100, period: 2 * SECOND };
    let mut rows = Vec::new();
    for (name, rule, headers, time, refused) in [
        ("fixed 50/s, counters", fixed, Headers::Epoch, 1.02, 5.0),
        ("bucket 20/s, counters", Rule::Bucket { rate: 20, burst: 50 }, Headers::Epoch, 1.02, 5.0),
        (
            "sliding 50/s, counters",
            Rule::Sliding { limit: 50, period: SECOND },
            Headers::Epoch,
            1.05,
            5.0,
        ),
        ("fixed 50/s, bare 429", fixed, Headers::Bare, 1.15, 25.0),
        ("fixed 100/2 s, retry-after", two_seconds, Headers::RetryAfter, 1.10, 25.0),
    ] {
        for workers in [1, 64] {
            let server = Server::new(1).limit(Limit::new(rule, headers)).takes(TAKES, TAKES);
            let ideal = ideal_time(rule, JOBS, workers, TAKES) as f64 / SECOND as f64;
            let load = Load::Workers { workers, jobs: JOBS };
            rows.push(
                Row::new(format!("{name}, {workers} workers"), Scenario::new(server))
                    .calls(Calls::new(load, 0, 600 * SECOND))
                    .figure("time, of the ideal's", Wanted::AtMost(time), move |run| {
                        run.finished() / ideal
                    })
                    .figure("refused", Wanted::AtMost(refused), Run::refused),
            );
        }
    }
    rows
}
