//! What a quota reaches against each limiter: its time against that of a client that knows the limiter, and its refusals.
//!
//! `SEEDS=200 cargo test --release --test it quota_table -- --nocapture` prints the table. The bounds are what is reached now,
//! with little to spare: a change that makes it worse is to be noticed.

use crate::support::sim::{Headers, MILLI, Nanos, Rule, SECOND, Scenario, ideal, run};

const LOOPBACK: (Nanos, Nanos) = (MILLI / 20, MILLI / 3);
const INTERNET: (Nanos, Nanos) = (5 * MILLI, 100 * MILLI);

/// A limiter, what it tells, and the most that the median run may take, against the ideal, and be refused.
struct Row(&'static str, Rule, Headers, f64, usize);

const FIXED: Rule = Rule::Fixed { limit: 50, period: SECOND };
const TWO_SECONDS: Rule = Rule::Fixed { limit: 100, period: 2 * SECOND };
const FIRST_HIT: Rule = Rule::FirstHit { limit: 50, period: SECOND };
const SLIDING: Rule = Rule::Sliding { limit: 50, period: SECOND };
const BUCKET: Rule = Rule::Bucket { rate: 20, burst: 50 };
const LEAKY: Rule = Rule::Bucket { rate: 50, burst: 21 };

const ON_LOOPBACK: [Row; 16] = [
    Row("fixed, epoch", FIXED, Headers::Epoch, 1.02, 0),
    Row("bucket, epoch", BUCKET, Headers::Epoch, 1.02, 0),
    Row("sliding, epoch", SLIDING, Headers::Epoch, 1.05, 0),
    Row("fixed, silent", FIXED, Headers::Silent, 1.04, 15),
    Row("fixed 2 s, retry-after", TWO_SECONDS, Headers::RetryAfter, 1.12, 15),
    Row("fixed, delta", FIXED, Headers::Delta, 1.13, 1),
    Row("first hit, epoch", FIRST_HIT, Headers::Epoch, 1.05, 0),
    Row("first hit, delta", FIRST_HIT, Headers::Delta, 1.10, 0),
    Row("first hit, silent", FIRST_HIT, Headers::Silent, 1.05, 15),
    Row("first hit, retry-after", FIRST_HIT, Headers::RetryAfter, 1.10, 12),
    Row("sliding, epoch floor", SLIDING, Headers::EpochFloor, 1.13, 2),
    Row("sliding, delta", SLIDING, Headers::Delta, 1.08, 0),
    Row("sliding, silent", SLIDING, Headers::Silent, 1.05, 15),
    Row("bucket, delta", BUCKET, Headers::Delta, 1.02, 0),
    Row("bucket, silent", BUCKET, Headers::Silent, 1.02, 20),
    Row("leaky, silent", LEAKY, Headers::Silent, 1.02, 8),
];

const ON_THE_INTERNET: [Row; 7] = [
    Row("fixed, epoch", FIXED, Headers::Epoch, 1.15, 0),
    Row("bucket, epoch", BUCKET, Headers::Epoch, 1.02, 1),
    Row("sliding, epoch", SLIDING, Headers::Epoch, 1.30, 8),
    Row("fixed, silent", FIXED, Headers::Silent, 1.35, 35),
    Row("fixed 2 s, retry-after", TWO_SECONDS, Headers::RetryAfter, 1.50, 40),
    Row("first hit, epoch", FIRST_HIT, Headers::Epoch, 1.25, 1),
    Row("leaky, silent", LEAKY, Headers::Silent, 1.10, 35),
];

fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(15)
}

/// Prints a row, and says where its bounds are broken.
fn measure(row: &Row, delay: (Nanos, Nanos)) -> Vec<String> {
    let Row(name, rule, headers, most_time, most_refused) = *row;
    let mut line = format!("{name:<24}");
    let mut broken = Vec::new();
    for workers in [1, 8, 64, 256] {
        let scenario = Scenario { workers, delay, ..Scenario::new(rule, headers) };
        let (mut times, mut refused) = (Vec::new(), Vec::new());
        for seed in 0..seeds() {
            let outcome = run(&scenario, seed);
            times.push(outcome.took as f64 / ideal(&scenario, seed) as f64);
            refused.push(outcome.refused);
        }
        times.sort_by(f64::total_cmp);
        refused.sort_unstable();
        let [median, most, worst] =
            [0.5, 0.9, 1.0].map(|part| ((times.len() - 1) as f64 * part) as usize);
        line += &format!(
            " │ {:.3} {:.3} {:.3} · {:>2} {:>3} {:>3}",
            times[median],
            times[most],
            times[worst],
            refused[median],
            refused[most],
            refused[worst]
        );
        if times[median] > most_time || refused[median] > most_refused {
            broken.push(format!(
                "{name}, {workers} workers: {:.3} · {}",
                times[median], refused[median]
            ));
        }
    }
    println!("{line}");
    broken
}

fn table(rows: &[Row], delay: (Nanos, Nanos)) {
    println!(
        "× ideal: median, of nine in ten, worst · refused of 480, likewise │ for 1, 8, 64, 256 workers"
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
