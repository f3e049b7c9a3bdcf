//! Limits per user, pod or channel under one origin, and responses that refuse nothing.

use limiter_sim::{
    Headers, Rule, SECOND,
    trouble::{Limit, Phase, Refusal, Scope, Server, Trouble, Value},
};

use super::{Calls, Load, MINUTE, Row, Scenario, Wanted, ok};

pub fn rows() -> Vec<Row> {
    vec![
        wrong_password("a wrong password: 401, remaining 0", 401, false),
        wrong_password("a wrong password: 403, remaining 0", 403, false),
        wrong_password("a wrong password: 403, an API with counters", 403, true),
        one_user_polls(),
        one_pod(),
        one_channel(),
        one_route_is_closed(),
    ]
}

/// One user's login fails too often: 403 with an exhausted counter of that user, which says nothing about anything else.
fn wrong_password(name: &str, status: u16, has_counters: bool) -> Row {
    let fields = vec![
        ("x-ratelimit-limit", Value::Is(10)),
        ("x-ratelimit-remaining", Value::Is(0)),
        ("x-ratelimit-reset", Value::Epoch(600)),
    ];
    let denied = Trouble::Show { status: Some(status), fields };
    let api = Rule::Bucket { rate: 50, burst: 50 };
    let headers = if has_counters { Headers::Epoch } else { Headers::Bare };
    let server = Server::new(1)
        .limit(Limit::new(api, headers).on("/api", Scope::Origin))
        .phase(Phase::new(10 * SECOND, 11 * SECOND, denied).on("/oauth/token"));
    let (from, until) = (11 * SECOND, 70 * SECOND);
    Row::new(name, Scenario::new(server))
        .calls(Calls::per_second(5, 0, until).to(["/api/v2/users"]))
        .calls(Calls::new(Load::Burst(1), 10 * SECOND, until).to(["/oauth/token"]).post())
        .calls(Calls::per_second(1, from, until).to(["/oauth/token"]).by(["b", "c", "d"]).post())
        .figure("ok elsewhere", Wanted::AtLeast(0.99), ok(from, until))
        .figure("ok of other users", Wanted::AtLeast(0.95), move |run| run.ok_share(2, from, until))
}

/// Five a minute and user, and one user who polls.
fn one_user_polls() -> Row {
    let (per_user, api) =
        (Rule::FirstHit { limit: 5, period: MINUTE }, Rule::Bucket { rate: 50, burst: 50 });
    let server = Server::new(1)
        .limit(Limit::new(per_user, Headers::Epoch).on("/userinfo", Scope::User))
        .limit(Limit::new(api, Headers::Epoch).on("/api", Scope::Origin));
    let until = 3 * MINUTE;
    let others = (0..20).map(|user| format!("user-{user}"));
    Row::new("one user polls, 5/min and user", Scenario::new(server))
        .calls(Calls::per_second(10, 0, until).to(["/api/v2/users"]))
        .calls(Calls::per_second(1, 0, until).to(["/userinfo"]).by(["poller"]))
        .calls(Calls::per_second(1, 0, until).to(["/userinfo"]).by(others))
        .figure("ok elsewhere", Wanted::AtLeast(0.99), ok(0, until))
        .figure("ok of other users", Wanted::AtLeast(0.95), move |run| run.ok_share(2, 0, until))
}

/// One pod may not be evicted, and says so with a wait of ten seconds.
fn one_pod() -> Row {
    const STUCK: &str = "/api/v1/namespaces/a/pods/stuck/eviction";
    let refusal = Refusal::seconds(429, 10);
    let server = Server::new(1).phase(Phase::closed(0, 2 * MINUTE, refusal).on(STUCK));
    let (from, until) = (5 * SECOND, 65 * SECOND);
    let pods = |what: &'static str| {
        (0..50).map(move |pod| format!("/api/v1/namespaces/a/pods/web-{pod}{what}"))
    };
    Row::new("one pod may not be evicted", Scenario::new(server))
        .calls(Calls::per_second(40, 0, until).to(pods("")))
        .calls(Calls::new(Load::Every(5 * SECOND), from, until).to([STUCK]).post())
        .calls(Calls::per_second(5, 0, until).to(pods("/eviction")).post())
        .figure("ok elsewhere", Wanted::AtLeast(0.99), ok(from, until))
        .figure("p99 elsewhere, s", Wanted::AtMost(0.5), move |run| run.took(0, 0.99, from, until))
        .figure("ok of other pods", Wanted::AtLeast(0.95), move |run| run.ok_share(2, from, until))
}

/// Five in five seconds and channel, all channels under one bucket's name, and one busy channel.
fn one_channel() -> Row {
    let rule = Rule::FirstHit { limit: 5, period: 5 * SECOND };
    let limit = Limit::new(rule, Headers::Epoch).on("/channels", Scope::Path);
    let server = Server::new(1).limit(limit.with("x-ratelimit-bucket", "80c17d2f"));
    let (from, until) = (10 * SECOND, 70 * SECOND);
    let others = (0..20).map(|channel| format!("/channels/{channel}/messages"));
    Row::new("one busy channel of 21", Scenario::new(server))
        .calls(Calls::per_second(10, 0, until).to(others).post())
        .calls(Calls::per_second(2, 0, until).to(["/channels/busy/messages"]).post())
        .figure("ok elsewhere", Wanted::AtLeast(0.99), ok(from, until))
        .figure("p50 elsewhere, s", Wanted::AtMost(0.2), move |run| run.took(0, 0.5, from, until))
}

/// A route without headers that refuses everything, beside one that refuses nothing.
fn one_route_is_closed() -> Row {
    let (from, until) = (20 * SECOND, 80 * SECOND);
    let server =
        Server::new(1).phase(Phase::closed(from, until, Refusal::bare(429)).on("/reports"));
    Row::new("one route is closed by bare 429", Scenario::new(server))
        .calls(Calls::per_second(20, 0, until).to(["/users"]))
        .calls(Calls::per_second(5, 0, until).to(["/reports"]))
        .figure("ok elsewhere", Wanted::AtLeast(0.99), ok(from, until))
}
