//! Limits that are not round, slow servers, jobs that come up over time, and windows that other clients use too: `SEEDS=200 cargo test --release --test it quota_hard -- --nocapture` prints the figures.

use crate::support::sim::{Figures, Headers, MILLI, Rule, SECOND, Scenario, seeds};

const HEADERS: [Headers; 4] = [Headers::Epoch, Headers::Delta, Headers::RetryAfter, Headers::Bare];
const FIXED: Rule = Rule::Fixed { limit: 50, period: SECOND };

/// Prints the figures, and fails where the median time relative to the ideal, or the median number of 429s, exceeds its bound.
fn hard(name: &str, scenario: Scenario, most: [(f64, usize); 4]) {
    let mut broken = Vec::new();
    for (headers, (time, rate_limited)) in HEADERS.into_iter().zip(most) {
        let scenario = Scenario { headers, ..scenario };
        let figures = Figures::of(&scenario, seeds(15));
        println!("{name:<28} {:<10} {}", format!("{headers:?}"), figures.line());
        if figures.time(0.5) > time || figures.rate_limited(0.5) > rate_limited {
            broken.push(format!("{name}, {headers:?}: {}", figures.line()));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn quota_hard_limits() {
    let new = |rule| Scenario::new(rule, Headers::Bare);
    let fixed = |limit, period| new(Rule::Fixed { limit, period });
    hard("37 a second", fixed(37, SECOND), [(1.1, 0), (1.1, 0), (1.1, 10), (1.04, 12)]);
    hard(
        "5 a second",
        Scenario { jobs: 60, ..fixed(5, SECOND) },
        [(1.1, 0), (1.1, 0), (1.1, 8), (1.04, 12)],
    );
    hard("100 in 10 s", fixed(100, 10 * SECOND), [(1.03, 1), (1.03, 1), (1.03, 20), (1.06, 34)]);
    hard(
        "1000 a minute",
        Scenario { jobs: 4_500, ..fixed(1_000, 60 * SECOND) },
        [(1.01, 0), (1.01, 0), (1.04, 38), (1.15, 150)],
    );
    hard(
        "600 an hour, 100 jobs",
        Scenario { jobs: 100, ..fixed(600, 3_600 * SECOND) },
        [(1.5, 0), (1.5, 0), (5.9, 0), (5.9, 0)],
    );
}

#[test]
fn quota_hard_servers() {
    let fixed = Scenario::new(FIXED, Headers::Bare);
    hard(
        "takes 200 ms",
        Scenario { takes: 200 * MILLI, ..fixed },
        [(1.2, 0), (1.3, 1), (1.75, 60), (2.1, 40)],
    );
    hard(
        "a job each 15 ms",
        Scenario { job_every: 15 * MILLI, ..fixed },
        [(1.02, 0), (1.1, 0), (1.15, 15), (1.06, 14)],
    );
    hard("a job each 30 ms", Scenario { job_every: 30 * MILLI, ..fixed }, [(1.01, 0); 4]);
    hard(
        "30 of 50 used before",
        Scenario { used: 30, ..fixed },
        [(1.01, 0), (1.02, 0), (1.3, 40), (1.7, 30)],
    );
    hard(
        "a third is others'",
        Scenario { other_every: Some(SECOND / 17), ..fixed },
        [(1.3, 13), (1.35, 10), (2.1, 40), (1.2, 36)],
    );
    hard(
        "15 % lost",
        Scenario { lost: (150, SECOND / 5), ..fixed },
        [(1.4, 1), (1.45, 8), (1.7, 70), (1.6, 60)],
    );
}
