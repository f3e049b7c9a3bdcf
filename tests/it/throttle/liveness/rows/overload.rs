//! More calls than the limit allows, or slow responses, and deadlines.

use std::time::Duration;

use limiter_sim::{
    Headers, MILLI, Nanos, Rule, SECOND,
    trouble::{Limit, Phase, Refusal, Server},
};

use super::{Calls, Load, MINUTE, Row, Run, Scenario, Wanted, ok};
use crate::throttle::liveness::ideal::ideal;

struct Overload {
    name: String,
    rule: Rule,
    headers: Headers,
    /// The time between two calls.
    gap: Nanos,
    takes: Nanos,
    deadline: Nanos,
    /// The time until the limit must be known, and the end.
    learning: Nanos,
    until: Nanos,
}

const TEN: Rule = Rule::Fixed { limit: 10, period: SECOND };
const SIXTY: Rule = Rule::Fixed { limit: 60, period: MINUTE };

// === impl Overload ===

impl Overload {
    fn new(name: impl Into<String>, rule: Rule, gap: Nanos, takes: Nanos, deadline: Nanos) -> Self {
        let (learning, until) = (30 * SECOND, 75 * SECOND);
        let headers = Headers::Epoch;
        Self { name: name.into(), rule, headers, gap, takes, deadline, learning, until }
    }

    fn row(self) -> Row {
        let Self { name, rule, headers, gap, takes, deadline, learning, until } = self;
        let server = Server::new(1).limit(Limit::new(rule, headers)).takes(takes, takes);
        let mut scenario = Scenario::new(server);
        scenario.call_timeout = Duration::from_nanos(deadline);
        scenario.attempt_timeout = Duration::from_nanos(deadline);
        let most = ideal(rule, gap, takes, deadline, learning..until);
        let useful = move |run: &Run| run.ok_within(0, learning, until) / most as f64;
        Row::new(name, scenario)
            .calls(Calls::new(Load::Every(gap), 0, until))
            .figure("useful, of the ideal's", Wanted::AtLeast(0.9), useful)
            // Of those that were accepted, which is what the limit is spent on.
            .figure("wasted share", Wanted::AtMost(0.1), |run| {
                run.wasted() / (run.attempts.len() as f64 - run.refused())
            })
    }
}

pub fn rows() -> Vec<Row> {
    let slow = |deadline| Overload {
        learning: MINUTE,
        until: 6 * MINUTE,
        ..Overload::new(
            "60/min, responses of 6 s, 1.5/s asked",
            SIXTY,
            2 * SECOND / 3,
            6 * SECOND,
            deadline,
        )
    };
    let (two, thirty) = (2 * SECOND, 30 * SECOND);
    let of = |name, gap, takes, deadline| Overload::new(name, TEN, gap, takes, deadline);
    let mut rows = vec![
        slow(thirty).row(),
        of("10/s, responses of 5 s, 8/s asked", SECOND / 8, 5 * SECOND, thirty).row(),
        of("10/s, 5 ms, 20/s asked, deadline 2 s", SECOND / 20, 5 * MILLI, two).row(),
        of("10/s, 1 s, 20/s asked, deadline 2 s", SECOND / 20, SECOND, two).row(),
        of("10/s, 5 s, 20/s asked, deadline 30 s", SECOND / 20, 5 * SECOND, thirty).row(),
        of("10/s, 10 s, 30/s asked, deadline 30 s", SECOND / 30, 10 * SECOND, thirty).row(),
        of("10/s, 200 ms, 30/s asked, deadline 10 s", SECOND / 30, SECOND / 5, 10 * SECOND).row(),
        Overload {
            headers: Headers::Bare,
            ..of("10/s bare, 1 s, 20/s asked, deadline 10 s", SECOND / 20, SECOND, 10 * SECOND)
        }
        .row(),
    ];
    rows.push(closed_then_open("closed 30 s by bare 429, 200 ms, 20/s asked", 20));
    rows.push(cold_burst());
    rows.push(long_polls());
    rows
}

/// The whole table.
pub fn grid() -> Vec<Row> {
    let mut rows = vec![closed_then_open("closed 30 s by bare 429, 200 ms, 100/s asked", 100)];
    for per_second in [5, 10, 20, 100] {
        for takes in [5 * MILLI, SECOND / 5, SECOND, 5 * SECOND, 10 * SECOND] {
            for deadline in [2, 10, 30, 60].map(|deadline| deadline * SECOND) {
                if takes + 10 * MILLI > deadline {
                    continue;
                }
                for headers in [Headers::Epoch, Headers::Bare] {
                    let name = format!(
                        "10/s {headers:?}, {} ms, {per_second}/s asked, deadline {} s",
                        takes / MILLI,
                        deadline / SECOND
                    );
                    let (learning, until) = (MINUTE, 3 * MINUTE);
                    let row = Overload::new(name, TEN, SECOND / per_second, takes, deadline);
                    rows.push(Overload { headers, learning, until, ..row }.row());
                }
            }
        }
    }
    rows
}

/// A queue stands when the server opens.
fn closed_then_open(name: &str, rate: u64) -> Row {
    let (over, until) = (40 * SECOND, 120 * SECOND);
    let server = Server::new(1)
        .phase(Phase::closed(10 * SECOND, over, Refusal::bare(429)))
        .takes(SECOND / 5, SECOND / 5);
    Row::new(name, Scenario::new(server))
        .calls(Calls::per_second(rate, 0, until))
        .figure("ok from 60 s after on", Wanted::AtLeast(0.99), ok(over + MINUTE, until))
        .figure("successes", Wanted::OfRetry(0.95), Run::ok)
}

/// Half of the calls cannot make it, which is known as soon as the limit is.
fn cold_burst() -> Row {
    let server =
        Server::new(1).limit(Limit::new(Rule::Fixed { limit: 25, period: SECOND }, Headers::Epoch));
    Row::new("1,500 calls at once, 25/s, 30 s to live", Scenario::new(server))
        .calls(Calls::new(Load::Burst(1_500), 0, 30 * SECOND))
        .figure("successes", Wanted::AtLeast(712.0), Run::ok)
        .figure("told after 5 s and more", Wanted::AtMost(37.0), |run| {
            let is_late = |call: &&super::super::world::Call| {
                !call.is_ok() && call.until - call.from > 5 * SECOND
            };
            run.calls.iter().filter(is_late).count() as f64
        })
        .figure("wasted", Wanted::AtMost(5.0), Run::wasted)
}

fn long_polls() -> Row {
    let mut scenario = Scenario::new(Server::new(1).takes(20 * SECOND, 20 * SECOND));
    scenario.call_timeout = Duration::from_secs(120);
    scenario.attempt_timeout = Duration::from_secs(60);
    Row::new("8 long polls of 20 s, cold", scenario)
        .calls(Calls::new(Load::Burst(8), 0, SECOND))
        .figure("finished, s", Wanted::AtMost(25.0), Run::finished)
}
