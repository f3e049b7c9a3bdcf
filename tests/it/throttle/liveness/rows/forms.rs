//! Servers that are closed for a while, and the forms in which they say so.

use limiter_sim::{
    Headers, Nanos, Rule, SECOND,
    trouble::{Form, Limit, Phase, Refusal, Server},
};

use super::{Calls, Load, MINUTE, Row, Run, Scenario, Wanted, attempts, ok, troubled};

/// The most attempts into a server that named the wait: those in flight, and one after each wait.
const NAMED: f64 = 15.0;

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, form) in [
        ("429, retry-after in seconds", Form::Seconds),
        ("429, retry-after as a date", Form::Date),
        ("429, retry-after as an epoch", Form::Epoch),
        ("429, retry-after as an ISO date", Form::Iso),
    ] {
        rows.push(named(name, Refusal::until_over(429, form), 5));
    }
    rows.push(named("503, retry-after in seconds", Refusal::until_over(503, Form::Seconds), 5));
    rows.push(named("529, retry-after in seconds", Refusal::until_over(529, Form::Seconds), 5));
    rows.push(unnamed("closed 60 s by bare 429", Refusal::bare(429), MINUTE, 10));
    rows.push(unnamed("closed 60 s by bare 503", Refusal::bare(503), MINUTE, 10));
    rows.push(unnamed("closed 3 min, retry-after 1", Refusal::seconds(429, 1), 3 * MINUTE, 5));
    for rate in [1, 10, 100] {
        rows.push(down(503, rate));
    }
    rows.push(many_workers());
    rows.push(obeyed_waits());
    rows.push(concurrency());
    rows.push(lock_out());
    rows
}

pub fn long() -> Vec<Row> {
    let five = 5 * MINUTE;
    vec![
        unnamed("closed 5 min, retry-after 1, 10/s", Refusal::seconds(429, 1), five, 10),
        unnamed("closed 60 s by bare 429, 100/s", Refusal::bare(429), MINUTE, 100),
        unnamed("closed 5 min by bare 429, 200/s", Refusal::bare(429), five, 200),
        unnamed("closed 5 min by bare 429, 1/s", Refusal::bare(429), five, 1),
        unnamed("closed 5 min by bare 503, 200/s", Refusal::bare(503), five, 200),
        unnamed("closed 20 min, retry-after 1, 10/s", Refusal::seconds(429, 1), 4 * five, 10),
        down(529, 1_000),
        down_for_workers(1),
        down_for_workers(8),
        down_for_workers(64),
        flapping(1),
        flapping(10),
        flapping(100),
    ]
}

/// Fails all requests for a minute, which no limit explains: the callers are not held, but by the retry layer.
fn down(status: u16, rate: u64) -> Row {
    let refusal = Refusal::bare(status);
    let row = unnamed(&format!("down 60 s by bare {status}, {rate}/s"), refusal, MINUTE, rate);
    row.figure("call while down, p50, s", Wanted::AtMost(1.0), ended(0.5, 30 * SECOND, 90 * SECOND))
        .figure(
            "call while down, max, s",
            Wanted::AtMost(4.0),
            ended(1.0, 30 * SECOND, 90 * SECOND),
        )
}

/// The same with workers that go on with the next call.
fn down_for_workers(workers: usize) -> Row {
    let (from, over, until) = (10 * SECOND, 30 * SECOND, 140 * SECOND);
    let server = Server::new(1).phase(Phase::closed(from, over, Refusal::bare(503)));
    let load = Load::Workers { workers, jobs: usize::MAX };
    let in_flight = workers as f64;
    Row::new(
        format!("down 20 s by bare 503, {workers} workers"),
        Scenario::new(server.takes(SECOND / 5, SECOND / 5)),
    )
    .calls(Calls::new(load, 0, until))
    .figure("attempts while closed", Wanted::AtMost(40.0 + NAMED + in_flight), attempts(from, over))
    .figure("first ok after, s", Wanted::AtMost(5.0), move |run| run.first_ok_after(over))
    .figure("call while down, p50, s", Wanted::AtMost(1.0), ended(0.5, from, over))
    .figure("call while down, max, s", Wanted::AtMost(4.0), ended(1.0, from, over))
    .figure("successes", Wanted::OfRetry(0.95), Run::ok)
}

/// Down for ten seconds of each twenty.
fn flapping(rate: u64) -> Row {
    let phase = |number: u64| {
        let from = (10 + 20 * number) * SECOND;
        Phase::closed(from, from + 10 * SECOND, Refusal::bare(503))
    };
    let server = (0..12).map(phase).fold(Server::new(1), Server::phase);
    Row::new(format!("down each other 10 s by bare 503, {rate}/s"), Scenario::new(server))
        .calls(Calls::per_second(rate, 0, 300 * SECOND))
        .figure("call, p90, s", Wanted::AtMost(2.0), ended(0.9, 0, 240 * SECOND))
        .figure("call, max, s", Wanted::AtMost(5.0), ended(1.0, 0, 240 * SECOND))
        .figure("ok from 20 s after on", Wanted::AtLeast(0.99), ok(260 * SECOND, 300 * SECOND))
        .figure("successes", Wanted::OfRetry(0.95), Run::ok)
}

/// A quantile of the time that the calls of this time took, whatever came of them, in seconds.
fn ended(part: f64, from: Nanos, until: Nanos) -> impl Fn(&Run) -> f64 {
    move |run| run.ended(0, part, from, until)
}

/// Closed for a minute, with its end named.
fn named(name: &str, refusal: Refusal, rate: u64) -> Row {
    let (from, over, after) = (30 * SECOND, 90 * SECOND, MINUTE + 30 * SECOND);
    troubled(name, Phase::closed(from, over, refusal), rate, after)
        .figure("attempts while closed", Wanted::AtMost(NAMED), attempts(from, over))
        .figure("first ok after, s", Wanted::AtMost(5.0), move |run| run.first_ok_after(over))
        .figure("ok from 60 s after on", Wanted::AtLeast(0.99), ok(over + MINUTE, over + after))
}

/// Closed for a while, and nobody knows for how long.
fn unnamed(name: &str, refusal: Refusal, span: Nanos, rate: u64) -> Row {
    let (from, after) = (30 * SECOND, MINUTE + 30 * SECOND);
    let over = from + span;
    let most = 2.0 * (span / SECOND) as f64 + NAMED;
    troubled(name, Phase::closed(from, over, refusal), rate, after)
        .figure("attempts while closed", Wanted::AtMost(most), attempts(from, over))
        .figure("first ok after, s", Wanted::AtMost(5.0), move |run| run.first_ok_after(over))
        .figure("ok from 60 s after on", Wanted::AtLeast(0.99), ok(over + MINUTE, over + after))
        .figure("successes", Wanted::OfRetry(0.95), Run::ok)
}

/// The number of callers makes no difference to a closed server.
fn many_workers() -> Row {
    let (from, over, until) = (5 * SECOND, 45 * SECOND, 55 * SECOND);
    let server = Server::new(1).phase(Phase::closed(from, over, Refusal::bare(429)));
    let workers = Load::Workers { workers: 64, jobs: usize::MAX };
    let mut scenario = Scenario::new(server.takes(SECOND / 2, SECOND / 2));
    scenario.call_timeout = std::time::Duration::from_secs(10);
    Row::new("closed 40 s by bare 429, 64 workers", scenario)
        .calls(Calls::new(workers, 0, until))
        // Besides 64 in flight.
        .figure("attempts while closed", Wanted::AtMost(64.0 + 80.0), attempts(from, over))
        .figure("first ok after, s", Wanted::AtMost(5.0), move |run| run.first_ok_after(over))
}

/// For 20 seconds each response is a 503 that asks for one second, which costs no retry budget.
fn obeyed_waits() -> Row {
    let (from, over) = (30 * SECOND, 50 * SECOND);
    troubled(
        "503, retry-after 1, for 20 s",
        Phase::closed(from, over, Refusal::seconds(503, 1)),
        20,
        MINUTE,
    )
    .figure("ok of those meanwhile", Wanted::AtLeastRetrying(0.95), ok(from, over))
    .figure("attempts while closed", Wanted::AtMost(40.0 + NAMED), attempts(from, over))
}

/// Five in flight at most: limit 0, remaining 0, and a reset without a meaning.
fn concurrency() -> Row {
    let server = Server::new(1).concurrency(5).takes(3 * SECOND / 2, 3 * SECOND / 2);
    let (burst, until) = (20 * SECOND, 110 * SECOND);
    let longest = move |run: &Run| {
        let at = run.attempts.iter().map(|attempt| attempt.at).filter(|at| *at < until);
        let at: Vec<_> = at.chain([until]).collect();
        let gaps = at.windows(2).filter(|pair| pair[1] >= burst);
        gaps.map(|pair| (pair[1] - pair[0]) as f64 / SECOND as f64).fold(0.0, f64::max)
    };
    Row::new("limit 0: five in flight at most", Scenario::new(server))
        .calls(Calls::per_second(2, 0, until))
        .calls(Calls::new(Load::Burst(20), burst, until))
        .figure(
            "ok from 10 s after on",
            Wanted::AtLeastRetrying(0.99),
            ok(burst + 10 * SECOND, until),
        )
        .figure("longest without attempt, s", Wanted::AtMost(5.0), longest)
}

/// Five a second; who exceeds that is locked out for 30 seconds.
fn lock_out() -> Row {
    let limit = Limit::new(Rule::Sliding { limit: 5, period: SECOND }, Headers::Bare);
    let server = Server::new(1).limit(limit.lock_out(30 * SECOND));
    let (from, until) = (5 * MINUTE, 10 * MINUTE);
    let workers = Load::Workers { workers: 8, jobs: usize::MAX };
    Row::new("5/s, or locked out for 30 s, 8 workers", Scenario::new(server))
        .calls(Calls::new(workers, 0, until))
        .figure("ok a second", Wanted::AtLeast(2.5), move |run| {
            run.ok_within(0, from, until) / ((until - from) / SECOND) as f64
        })
        .figure("successes", Wanted::OfRetry(0.95), Run::ok)
}
