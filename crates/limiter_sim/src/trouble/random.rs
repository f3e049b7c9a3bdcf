//! Servers with troubles drawn at random, which are over at some time.

use super::{
    Chance, Form, Headers, Limit, MILLI, Nanos, Phase, Refusal, Rule, SECOND, Scope, Server,
    Trouble, Value, Wait,
};

/// A server with random troubles, after which it accepts everything and says nothing.
#[derive(Clone, Debug)]
pub struct Composition {
    pub server: Server,
    pub kinds: Vec<Kind>,
    /// When the last trouble is over, and the limits with it.
    pub over: Nanos,
}

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Limit,
    LimitByPath,
    LimitByUser,
    LockOut,
    Concurrency,
    Shed,
    Closed,
    LimitZero,
    RemainingZeroOnce,
    RemainingStuck,
    ResetFar,
    Negative,
    Flicker,
    OnRefusalsOnly,
    SecondFamily,
    Denied,
    Slow,
    Hang,
}

const PHASES: [Kind; 13] = [
    Kind::Shed,
    Kind::Shed,
    Kind::Closed,
    Kind::LimitZero,
    Kind::RemainingZeroOnce,
    Kind::RemainingStuck,
    Kind::ResetFar,
    Kind::Negative,
    Kind::SecondFamily,
    Kind::Denied,
    Kind::Slow,
    Kind::Hang,
    Kind::Closed,
];

const FAMILY: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
const SECOND_FAMILY: [&str; 3] = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

// === impl Composition ===

impl Composition {
    /// The composition of a seed: perhaps a limit, and one to three phases of trouble in the first 90 seconds.
    pub fn new(seed: u64) -> Self {
        let chance = &mut Chance::new(seed);
        let mut server = Server::new(seed);
        let mut kinds = Vec::new();
        let mut over = 0;
        for _ in 0..chance.between(1, 3) {
            let kind = chance.one_of(&PHASES);
            let from = chance.between(0, 30) * SECOND;
            let until = from + chance.between(5, 60) * SECOND;
            let prefix = chance.one_of(&["", "", "/a"]);
            kinds.push(kind);
            server = server.phase(phase(kind, from, until, chance).on(prefix));
            over = over.max(until);
        }
        if chance.is_under(0.5) {
            let kind = chance.one_of(&[
                Kind::Limit,
                Kind::LimitByPath,
                Kind::LimitByUser,
                Kind::LockOut,
                Kind::Concurrency,
            ]);
            kinds.push(kind);
            over = over.max(60 * SECOND);
            server = limited(server, kind, chance).limits_until(over);
            let seen = match chance.between(0, 3) {
                0 => Some((Kind::Flicker, Trouble::Hide { share: 0.5, on_refusals: true })),
                1 => Some((Kind::OnRefusalsOnly, Trouble::Hide { share: 1.0, on_refusals: false })),
                _ => None,
            };
            if let Some((kind, trouble)) = seen {
                kinds.push(kind);
                server = server.phase(Phase::new(0, over, trouble));
            }
        }
        if chance.is_under(0.3) {
            let low = chance.one_of(&[5 * MILLI, 100 * MILLI, SECOND]);
            server = server.takes(low, low * chance.between(1, 3));
        }
        Self { server, kinds, over }
    }
}

fn phase(kind: Kind, from: Nanos, until: Nanos, chance: &mut Chance) -> Phase {
    let [limit, remaining, reset] = FAMILY;
    let shown = |status, fields: &[(&'static str, Value)]| {
        Phase::new(from, until, Trouble::Show { status, fields: fields.to_vec() })
    };
    match kind {
        Kind::Shed => {
            let share = chance.between(5, 50) as f64 / 100.0;
            Phase::new(from, until, Trouble::Shed { share, refusal: refusal(chance, false) })
        }
        Kind::Closed => Phase::closed(from, until, refusal(chance, true)),
        Kind::LimitZero => {
            let status = chance.one_of(&[None, Some(429)]);
            let fields =
                [(limit, Value::Is(0)), (remaining, Value::Is(0)), (reset, Value::Epoch(10))];
            shown(status, &fields).times(chance.one_of(&[1, 5, u64::MAX]))
        }
        Kind::RemainingZeroOnce => {
            let fields =
                [(limit, Value::Is(10)), (remaining, Value::Is(0)), (reset, Value::Epoch(5))];
            shown(None, &fields).times(1)
        }
        Kind::RemainingStuck => {
            let left = chance.between(0, 3) as i64;
            let fields =
                [(limit, Value::Is(100)), (remaining, Value::Is(left)), (reset, Value::Epoch(10))];
            shown(None, &fields)
        }
        Kind::ResetFar => {
            let fields = [
                (limit, Value::Is(10)),
                (remaining, Value::Is(0)),
                (reset, Value::Is(253_402_300_799)),
            ];
            shown(None, &fields).times(chance.one_of(&[1, u64::MAX]))
        }
        Kind::Negative => {
            let fields =
                [(limit, Value::Is(-1)), (remaining, Value::Is(-5)), (reset, Value::Is(-1))];
            shown(None, &fields)
        }
        Kind::SecondFamily => {
            let [limit, remaining, reset] = SECOND_FAMILY;
            let fields = [(limit, Value::Is(40)), (remaining, Value::Is(0)), (reset, Value::Is(1))];
            shown(None, &fields).times(chance.one_of(&[1, 10, u64::MAX]))
        }
        Kind::Denied => {
            let status = chance.one_of(&[401, 403]);
            let fields =
                [(limit, Value::Is(10)), (remaining, Value::Is(0)), (reset, Value::Epoch(600))];
            shown(Some(status), &fields).times(chance.one_of(&[1, 3]))
        }
        Kind::Slow => {
            let low = chance.one_of(&[SECOND / 2, 2 * SECOND, 5 * SECOND]);
            Phase::new(from, until, Trouble::Slow(low, 2 * low))
        }
        _ => Phase::new(from, until, Trouble::Hang { share: chance.one_of(&[0.1, 0.5, 1.0]) }),
    }
}

/// A refusal of one that sheds, or of one that is closed and may say until when.
fn refusal(chance: &mut Chance, is_closed: bool) -> Refusal {
    let status = chance.one_of(&[429, 429, 503, 529]);
    let wait = if is_closed {
        chance.one_of(&[Wait::Seconds(1), Wait::Seconds(10), Wait::UntilOver])
    } else {
        Wait::Seconds(1)
    };
    let form = chance.one_of(&[Form::Seconds, Form::Date, Form::Epoch, Form::Iso]);
    Refusal { status, wait: chance.is_under(0.5).then_some((wait, form)) }
}

fn limited(server: Server, kind: Kind, chance: &mut Chance) -> Server {
    let limit = chance.between(5, 60);
    let period = chance.one_of(&[1, 2, 10]) * SECOND;
    let rule = match chance.between(0, 3) {
        0 => Rule::Fixed { limit, period },
        1 => Rule::FirstHit { limit, period },
        2 => Rule::Sliding { limit, period },
        _ => Rule::Bucket { rate: limit, burst: 2 * limit },
    };
    let headers = chance.one_of(&[
        Headers::Epoch,
        Headers::EpochFloor,
        Headers::Delta,
        Headers::RetryAfter,
        Headers::RetryAfterFloor,
        Headers::Bare,
    ]);
    match kind {
        Kind::Concurrency => server.concurrency(chance.between(2, 10) as usize),
        Kind::LockOut => {
            server.limit(Limit::new(rule, headers).lock_out(chance.one_of(&[15, 30]) * SECOND))
        }
        Kind::LimitByPath => server.limit(Limit::new(rule, headers).on("", Scope::Path)),
        Kind::LimitByUser => server.limit(Limit::new(rule, headers).on("", Scope::User)),
        _ => server.limit(Limit::new(rule, headers)),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Request, *};

    #[test]
    fn a_seed_gives_the_same_server_and_its_troubles_end() {
        let request = Request { path: "/a/1", user: "7" };
        for seed in 0..500 {
            let [mut one, mut same] = [Composition::new(seed), Composition::new(seed)];
            for at in (0..120).map(|at| at * SECOND) {
                let [reply, again] = [&mut one, &mut same].map(|it| it.server.arrive(at, &request));
                assert_eq!((reply.status, &reply.headers), (again.status, &again.headers));
                if at >= one.over {
                    assert!(reply.status == 200 && reply.takes.is_some(), "{seed}: {one:?}");
                    assert!(reply.headers.is_empty(), "{seed}: {one:?}");
                }
            }
        }
    }
}
