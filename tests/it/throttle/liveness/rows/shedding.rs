//! Servers that refuse a random share of the requests for a while, whatever their rate is.

use limiter_sim::{
    Nanos,
    trouble::{Phase, Refusal, Trouble},
};

use super::{MINUTE, Row, Run, Wanted, ok, troubled};

/// A minute without trouble, a share that is refused for a `span`, and what comes `after` it.
fn shed(
    name: impl Into<String>,
    rate: u64,
    share: f64,
    refusal: Refusal,
    span: Nanos,
    after: Nanos,
) -> Row {
    let (begins, over) = (MINUTE, MINUTE + span);
    let phase = Phase::new(begins, over, Trouble::Shed { share, refusal });
    troubled(name, phase, rate, after)
        // Half of what a client without a throttle gets.
        .figure("ok meanwhile", Wanted::AtLeast((1.0 - share) / 2.0), ok(begins, over))
        .figure("ok from 60 s after on", Wanted::AtLeast(0.99), ok(over + MINUTE, over + after))
        .figure("successes", Wanted::OfRetry(0.95), Run::ok)
}

const BARE: Refusal = Refusal::bare(429);
const AFTER: Nanos = 2 * MINUTE;

pub fn rows() -> Vec<Row> {
    let one_second = Refusal::seconds(429, 1);
    vec![
        shed("sheds 10 % for 1 min", 10, 0.1, BARE, MINUTE, AFTER),
        shed("sheds 20 % for 1 min", 10, 0.2, BARE, MINUTE, AFTER),
        shed("sheds 50 % for 1 min", 10, 0.5, BARE, MINUTE, AFTER),
        shed("sheds 20 % for 5 min", 5, 0.2, BARE, 5 * MINUTE, AFTER),
        shed("sheds 20 % for 2 min, retry-after 1", 10, 0.2, one_second, 2 * MINUTE, AFTER),
        shed("sheds 20 % by 503 for 1 min", 10, 0.2, Refusal::bare(503), MINUTE, AFTER),
        shed("sheds 20 % for 5 min, 1/s", 1, 0.2, BARE, 5 * MINUTE, 2 * AFTER),
    ]
}

pub fn long() -> Vec<Row> {
    let mut rows = Vec::new();
    let one_second = Refusal::seconds(429, 1);
    for (name, share, refusal, span) in [
        ("sheds 10 % for 1 min, 25 min", 0.1, BARE, MINUTE),
        ("sheds 20 % for 1 min, 25 min", 0.2, BARE, MINUTE),
        ("sheds 20 % for 5 min, 25 min", 0.2, BARE, 5 * MINUTE),
        ("sheds 20 % for 5 min, retry-after 1, 25 min", 0.2, one_second, 5 * MINUTE),
    ] {
        rows.push(shed(name, 20, share, refusal, span, 24 * MINUTE - span));
    }
    for (rate, shares) in
        [(1, &[0.05, 0.5][..]), (5, &[0.05, 0.5]), (100, &[0.05, 0.5]), (1_000, &[0.2])]
    {
        for share in shares.iter().copied() {
            let name = format!("sheds {share} for 1 min, {rate}/s");
            rows.push(shed(name, rate, share, BARE, MINUTE, AFTER));
        }
    }
    rows
}
