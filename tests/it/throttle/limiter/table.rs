//! What a quota reaches against each limiter: its time relative to a client that knows the limiter, and the number of 429s.
//!
//! `SEEDS=200 cargo test --release --test it quota_table -- --nocapture` prints the table. The bounds are what is reached now,
//! with little to spare, so that a change for the worse is noticed.

use crate::support::sim::{Figures, Headers, MILLI, Nanos, Rule, SECOND, Scenario, seeds};

const LOOPBACK: (Nanos, Nanos) = (MILLI / 20, MILLI);
const INTERNET: (Nanos, Nanos) = (5 * MILLI, 100 * MILLI);

/// A limiter and its headers, and the bounds of the time relative to the ideal and of the 429s: the median, and the 95th percentile.
struct Row(&'static str, Rule, Headers, (f64, usize), (f64, usize));

const FIXED: Rule = Rule::Fixed { limit: 50, period: SECOND };
const TWO_SECONDS: Rule = Rule::Fixed { limit: 100, period: 2 * SECOND };
const FIRST_HIT: Rule = Rule::FirstHit { limit: 50, period: SECOND };
const SLIDING: Rule = Rule::Sliding { limit: 50, period: SECOND };
const BUCKET: Rule = Rule::Bucket { rate: 20, burst: 50 };
const LEAKY: Rule = Rule::Bucket { rate: 50, burst: 21 };
/// One each 20 ms, whatever came before.
const STRICT: Rule = Rule::Bucket { rate: 50, burst: 1 };

const ON_LOOPBACK: [Row; 19] = [
    Row("fixed, epoch", FIXED, Headers::Epoch, (1.02, 0), (1.11, 0)),
    Row("bucket, epoch", BUCKET, Headers::Epoch, (1.02, 0), (1.02, 0)),
    Row("sliding, epoch", SLIDING, Headers::Epoch, (1.05, 0), (1.06, 1)),
    Row("fixed, bare", FIXED, Headers::Bare, (1.04, 13), (1.06, 20)),
    Row("fixed 2 s, retry-after", TWO_SECONDS, Headers::RetryAfter, (1.10, 14), (1.16, 20)),
    Row("fixed 2 s, floor", TWO_SECONDS, Headers::RetryAfterFloor, (1.05, 16), (1.08, 25)),
    Row("fixed, delta", FIXED, Headers::Delta, (1.02, 0), (1.02, 1)),
    Row("first hit, epoch", FIRST_HIT, Headers::Epoch, (1.05, 0), (1.09, 0)),
    Row("first hit, delta", FIRST_HIT, Headers::Delta, (1.02, 0), (1.02, 0)),
    Row("first hit, bare", FIRST_HIT, Headers::Bare, (1.05, 16), (1.05, 19)),
    Row("first hit, retry-after", FIRST_HIT, Headers::RetryAfter, (1.17, 11), (1.17, 14)),
    Row("sliding, epoch floor", SLIDING, Headers::EpochFloor, (1.12, 1), (1.26, 2)),
    Row("sliding, delta", SLIDING, Headers::Delta, (1.07, 0), (1.07, 0)),
    Row("sliding, bare", SLIDING, Headers::Bare, (1.05, 16), (1.05, 19)),
    Row("sliding, retry-after", SLIDING, Headers::RetryAfter, (1.17, 11), (1.17, 14)),
    Row("bucket, delta", BUCKET, Headers::Delta, (1.02, 0), (1.02, 0)),
    Row("bucket, bare", BUCKET, Headers::Bare, (1.02, 20), (1.02, 23)),
    Row("leaky, bare", LEAKY, Headers::Bare, (1.05, 9), (1.07, 10)),
    Row("strict, bare", STRICT, Headers::Bare, (1.14, 17), (1.23, 25)),
];

const ON_THE_INTERNET: [Row; 18] = [
    Row("fixed, epoch", FIXED, Headers::Epoch, (1.03, 0), (1.15, 0)),
    Row("bucket, epoch", BUCKET, Headers::Epoch, (1.02, 1), (1.24, 12)),
    Row("sliding, epoch", SLIDING, Headers::Epoch, (1.25, 1), (1.40, 8)),
    Row("fixed, bare", FIXED, Headers::Bare, (1.30, 30), (1.60, 65)),
    Row("fixed 2 s, retry-after", TWO_SECONDS, Headers::RetryAfter, (1.42, 45), (1.60, 90)),
    Row("fixed 2 s, floor", TWO_SECONDS, Headers::RetryAfterFloor, (1.45, 45), (2.50, 120)),
    Row("fixed, delta", FIXED, Headers::Delta, (1.25, 1), (1.40, 4)),
    Row("first hit, epoch", FIRST_HIT, Headers::Epoch, (1.15, 1), (1.28, 5)),
    Row("first hit, delta", FIRST_HIT, Headers::Delta, (1.20, 1), (1.35, 3)),
    Row("first hit, bare", FIRST_HIT, Headers::Bare, (1.20, 15), (1.45, 65)),
    Row("first hit, retry-after", FIRST_HIT, Headers::RetryAfter, (1.40, 15), (1.50, 20)),
    Row("sliding, epoch floor", SLIDING, Headers::EpochFloor, (1.25, 1), (1.55, 4)),
    Row("sliding, delta", SLIDING, Headers::Delta, (1.30, 1), (1.60, 4)),
    Row("sliding, bare", SLIDING, Headers::Bare, (1.45, 30), (5.00, 125)),
    Row("sliding, retry-after", SLIDING, Headers::RetryAfter, (1.40, 15), (1.50, 20)),
    Row("bucket, delta", BUCKET, Headers::Delta, (1.12, 6), (1.25, 13)),
    Row("bucket, bare", BUCKET, Headers::Bare, (1.02, 30), (1.06, 260)),
    Row("leaky, bare", LEAKY, Headers::Bare, (1.10, 33), (1.45, 60)),
];

/// Prints a row, and returns where its bounds are exceeded.
fn measure(row: &Row, delay: (Nanos, Nanos)) -> Vec<String> {
    let Row(name, rule, headers, middle, most) = *row;
    let mut line = format!("{name:<24}");
    let mut broken = Vec::new();
    for workers in [1, 8, 64, 256] {
        let scenario = Scenario { workers, delay, ..Scenario::new(rule, headers) };
        let figures = Figures::of(&scenario, seeds(15));
        line += &format!(" │ {}", figures.line());
        for (part, (time, rate_limited)) in [(0.5, middle), (0.95, most)] {
            if figures.time(part) > time || figures.rate_limited(part) > rate_limited {
                broken.push(format!("{name}, {workers} workers: {}", figures.line()));
            }
        }
    }
    println!("{line}");
    broken
}

fn table(rows: &[Row], delay: (Nanos, Nanos)) {
    println!(
        "× ideal: median, 90 %, 95 %, worst · 429s of 480 jobs, likewise │ for 1, 8, 64, 256 workers"
    );
    let broken: Vec<_> = rows.iter().flat_map(|row| measure(row, delay)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn quota_table_on_loopback() {
    table(&ON_LOOPBACK, LOOPBACK);
}

#[test]
fn quota_table_with_delays_of_5_to_100_ms() {
    table(&ON_THE_INTERNET, INTERNET);
}
