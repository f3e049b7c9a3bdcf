//! Headers that lie, come and go, or contradict each other.

use std::time::Duration;

use limiter_sim::{
    Headers, Nanos, Rule, SECOND,
    trouble::{Limit, Phase, Server, Trouble, Value},
};

use super::{Calls, MINUTE, Row, Run, Scenario, Wanted, ok};

const X: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
const PLAIN: [&str; 3] = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

/// When the lies begin.
const FROM: Nanos = 10 * SECOND;

fn shown(
    from: Nanos,
    until: Nanos,
    status: Option<u16>,
    family: [&'static str; 3],
    values: [Value; 3],
) -> Phase {
    let fields = family.into_iter().zip(values).collect();
    Phase::new(from, until, Trouble::Show { status, fields })
}

/// What is shown is shown until `over` at most; a minute later all is well.
fn lie(name: &str, server: Server, rate: u64, over: Nanos) -> Row {
    let until = over + MINUTE + 30 * SECOND;
    Row::new(name, Scenario::new(server)).calls(Calls::per_second(rate, 0, until)).figure(
        "ok from 60 s after on",
        Wanted::AtLeast(0.99),
        ok(over + MINUTE, until),
    )
}

pub fn rows() -> Vec<Row> {
    let soon = |limit| [Value::Is(limit), Value::Is(0), Value::Epoch(5)];
    let a_second = |limit| [Value::Is(limit), Value::Is(0), Value::Is(1)];
    let far = [Value::Is(10), Value::Is(0), Value::Is(253_402_300_799)];
    let once = |from, family, values| shown(from, MINUTE, None, family, values).times(1);
    let while_ = |until, family, values| shown(FROM, until, None, family, values);
    let refused = |times| shown(FROM, MINUTE, Some(429), X, soon(0)).times(times);
    let refused_of = |limit| shown(FROM, MINUTE, Some(429), X, a_second(limit)).times(1);
    // The reset stays the true one.
    let fields = vec![(X[0], Value::Is(0)), (X[1], Value::Is(0))];
    let zero = Phase::new(FROM, MINUTE, Trouble::Show { status: None, fields }).times(1);
    let fast = Rule::Fixed { limit: 50, period: SECOND };
    let honest = |phase| Server::new(1).limit(Limit::new(fast, Headers::Epoch)).phase(phase);
    let silent = |phase| Server::new(1).phase(phase);
    // So that one at a time is too few.
    let slow = |server: Server| server.takes(SECOND / 5, SECOND / 5);
    let over = FROM + 5 * SECOND;

    let mut rows = Vec::new();
    for (name, server, rate, over) in [
        ("limit 0 on the first 200", silent(once(0, X, soon(0))), 5, over),
        ("limit 0 on one 200", silent(once(FROM, X, soon(0))), 5, over),
        ("limit 0 on one 200, then counters", honest(once(FROM, X, soon(0))), 5, over),
        ("limit 0 on one 429", silent(refused(1)), 5, over),
        ("limit 0 on five 429s, then counters", honest(refused(5)), 5, over),
        ("limit 0 in a window that is known", honest(zero), 5, over),
        ("remaining 0 of 10 on the first 200", slow(silent(once(0, X, a_second(10)))), 12, over),
        ("the same in another family", slow(silent(once(0, PLAIN, a_second(10)))), 12, over),
        ("remaining 0 of 10 on one 429", slow(silent(refused_of(10))), 12, over),
        (
            "a second family on the first, 0 of 10",
            slow(honest(once(0, PLAIN, a_second(10)))),
            12,
            over,
        ),
        ("a second family once, 0 of 10", slow(honest(once(FROM, PLAIN, a_second(10)))), 12, over),
        ("remaining 0 for 30 s", silent(while_(40 * SECOND, X, soon(10))), 5, 45 * SECOND),
        (
            "a second family for 30 s, 0 of 10",
            honest(while_(40 * SECOND, PLAIN, a_second(10))),
            20,
            41 * SECOND,
        ),
    ] {
        rows.push(lie(name, server, rate, over));
    }
    let mut far = lie("reset in the year 9999, once", silent(once(FROM, X, far)), 5, FROM + MINUTE);
    far.scenario.max_block = Some(Duration::from_secs(60));
    rows.push(far);
    let negative = while_(40 * SECOND, X, [-1, -5, -1].map(Value::Is));
    rows.push(lie("negative numbers", silent(negative), 10, 40 * SECOND).figure(
        "ok",
        Wanted::AtLeast(0.99),
        ok(0, Nanos::MAX),
    ));
    rows.push(on_refusals_only());
    rows.push(flicker());
    rows
}

pub fn long() -> Vec<Row> {
    let (fast, until) = (Rule::Fixed { limit: 200, period: SECOND }, 15 * SECOND);
    let zero_of = |limit| [Value::Is(limit), Value::Is(0), Value::Is(1)];
    let first = |family, limit| shown(0, MINUTE, None, family, zero_of(limit)).times(1);
    let honest = Server::new(1).limit(Limit::new(fast, Headers::Epoch));
    vec![
        lie(
            "remaining 0 of 10 on the first, 1,000/s",
            Server::new(1).phase(first(X, 10)),
            1_000,
            until,
        ),
        lie(
            "remaining 0 of 10 on one 429, 200/s",
            Server::new(1).phase(shown(FROM, MINUTE, Some(429), X, zero_of(10)).times(1)),
            200,
            until,
        ),
        lie(
            "remaining 0 of 10 on the first, 200/s",
            Server::new(1).phase(first(X, 10)),
            200,
            until,
        ),
        lie(
            "a second family on the first, 0 of 40, 180/s",
            honest.phase(first(PLAIN, 40)),
            180,
            until,
        ),
    ]
}

/// A limit whose headers are on 429s only, and fewer calls than it allows.
fn on_refusals_only() -> Row {
    let limit = Limit::new(Rule::Fixed { limit: 10, period: SECOND }, Headers::Epoch);
    let hide = Trouble::Hide { share: 1.0, on_refusals: false };
    let server = Server::new(1).limit(limit).phase(Phase::new(0, Nanos::MAX, hide));
    let (burst, until) = (10 * SECOND, 2 * MINUTE);
    Row::new("headers on 429s only, 8/s of 10/s", Scenario::new(server))
        .calls(Calls::per_second(8, 0, until))
        .calls(Calls::new(super::Load::Burst(30), burst, until))
        .figure("ok from 60 s after on", Wanted::AtLeast(0.99), ok(burst + MINUTE, until))
        .figure("p50 then, s", Wanted::AtMost(0.2), move |run| {
            run.took(0, 0.5, burst + MINUTE, until)
        })
}

/// A limit whose headers are on half of the responses, and twice as many calls as it allows.
fn flicker() -> Row {
    let limit = Limit::new(Rule::Fixed { limit: 10, period: SECOND }, Headers::Epoch);
    let hide = Trouble::Hide { share: 0.5, on_refusals: true };
    let server = Server::new(1).limit(limit).phase(Phase::new(0, Nanos::MAX, hide));
    let (from, until) = (30 * SECOND, MINUTE);
    Row::new("headers on half of the responses, 20/s of 10/s", Scenario::new(server))
        .calls(Calls::per_second(20, 0, until))
        .figure("ok a second", Wanted::AtLeast(9.0), move |run| {
            run.ok_within(0, from, until) / ((until - from) / SECOND) as f64
        })
        .figure("refused share", Wanted::AtMost(0.1), |run: &Run| {
            run.refused() / run.attempts.len() as f64
        })
}
