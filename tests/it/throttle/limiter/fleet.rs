//! A fleet of processes on one tenant's quota, each with a quota of its own, and no store between them.
//!
//! `FLEET=1000 cargo test --release --test it quota_fleet -- --nocapture` watches a thousand processes for an hour.

use crate::support::sim::{Fleet, Headers, MILLI, Rule, SECOND, run_fleet};

const TEN_A_SECOND: [(&str, Rule); 5] = [
    ("10 a second", Rule::Fixed { limit: 10, period: SECOND }),
    ("100 in 10 s", Rule::Fixed { limit: 100, period: 10 * SECOND }),
    ("600 a minute", Rule::Fixed { limit: 600, period: 60 * SECOND }),
    ("sliding 100 in 10 s", Rule::Sliding { limit: 100, period: 10 * SECOND }),
    ("bucket 10/s, 100", Rule::Bucket { rate: 10, burst: 100 }),
];

/// Without a store the processes are safe, not as fast as they could be: at twice the demand that the limit lets through, the least
/// accepted share of the limit and the most rate-limited share of all attempts. A hundred processes have an hour, of which the first ten
/// minutes are for learning.
const REACHED: [(Headers, f64, f64); 3] =
    [(Headers::Epoch, 0.40, 0.25), (Headers::RetryAfter, 0.70, 0.25), (Headers::Bare, 0.70, 0.35)];

#[test]
fn quota_fleet() {
    let processes = std::env::var("FLEET").ok().and_then(|processes| processes.parse().ok());
    let hour = 3_600 * SECOND;
    let mut broken = Vec::new();
    for (name, rule) in TEN_A_SECOND {
        for (headers, least, most_rate_limited) in REACHED {
            for demand in [2.0, 0.5] {
                let fleet = Fleet {
                    rule,
                    headers,
                    processes: processes.unwrap_or(100),
                    lasts: hour,
                    learning: hour / 6,
                    demand: 10.0 * demand,
                    delay: (5 * MILLI, 50 * MILLI),
                };
                let outcome = run_fleet(&fleet, 1);
                let limit = ((hour - fleet.learning) / SECOND) as f64 * 10.0;
                let sent = outcome.accepted_later + outcome.rate_limited_later;
                let accepted = outcome.accepted_later as f64 / limit;
                let rate_limited = outcome.rate_limited_later as f64 / sent as f64;
                let (jain, longest) = (outcome.jain, outcome.longest / SECOND);
                let line = format!(
                    "{name:<20} {:<10} {demand:.1} × │ {:>5.1} % of the limit accepted, {:>4.1} % rate limited │ Jain {jain:.2} │ {longest:>4} s",
                    format!("{headers:?}"),
                    accepted * 100.0,
                    rate_limited * 100.0,
                );
                println!("{line}");
                let is_reached = if demand > 1.0 {
                    accepted >= least && rate_limited <= most_rate_limited
                } else {
                    accepted >= 0.40 && rate_limited <= 0.20
                };
                if !is_reached {
                    broken.push(line);
                }
            }
        }
    }
    assert!(processes.is_some() || broken.is_empty(), "{}", broken.join("\n"));
}
