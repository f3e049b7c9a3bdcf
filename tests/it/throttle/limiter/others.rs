//! A quota in a changing world: other clients, lost requests, clocks that are set, limits that change.

use crate::support::sim::{Chance, Headers, MILLI, Outcome, Rule, SECOND, Scenario, ideal, run};

const FIXED: Rule = Rule::Fixed { limit: 50, period: SECOND };
const SEEDS: u64 = 40;

fn fixed() -> Scenario {
    Scenario::new(FIXED, Headers::Epoch)
}

/// Every outcome, with its time relative to a client that knows the limiter and leaves nothing to others.
fn outcomes(scenario: Scenario) -> Vec<(f64, Outcome)> {
    let one = |seed| {
        let outcome = run(&scenario, seed);
        (outcome.took as f64 / ideal(&scenario, seed) as f64, outcome)
    };
    (0..SEEDS).map(one).collect()
}

fn report(what: &str, outcomes: &[(f64, Outcome)]) -> (f64, f64, usize, usize) {
    let mut ratios: Vec<_> = outcomes.iter().map(|(ratio, _)| *ratio).collect();
    let mut rate_limited: Vec<_> =
        outcomes.iter().map(|(_, outcome)| outcome.rate_limited).collect();
    ratios.sort_by(f64::total_cmp);
    rate_limited.sort_unstable();
    let (middle, last) = (ratios.len() / 2, ratios.len() - 1);
    println!(
        "{what:<28} {:.3} {:.3} · {} {}",
        ratios[middle], ratios[last], rate_limited[middle], rate_limited[last]
    );
    (ratios[middle], ratios[last], rate_limited[middle], rate_limited[last])
}

#[test]
fn another_client_takes_a_third() {
    for rule in
        [FIXED, Rule::Sliding { limit: 50, period: SECOND }, Rule::Bucket { rate: 20, burst: 50 }]
    {
        let every = if matches!(rule, Rule::Bucket { .. }) { SECOND / 7 } else { SECOND / 17 };
        let scenario = Scenario { rule, other_every: Some(every), ..fixed() };
        let (median, worst, rate_limited, _) =
            report(&format!("third {rule:?}"), &outcomes(scenario));
        // With a third gone, one and a half times the time is all that can be had.
        assert!(median < 2.1 && worst < 3.2, "{rule:?}: {median} {worst}");
        assert!(rate_limited * 20 <= scenario.jobs, "{rule:?}: {rate_limited} rate limited");
    }
}

#[test]
fn lost_requests_stop_nothing() {
    for rule in
        [FIXED, Rule::Sliding { limit: 50, period: SECOND }, Rule::Bucket { rate: 20, burst: 50 }]
    {
        for headers in [Headers::Epoch, Headers::Delta, Headers::Bare] {
            let scenario = Scenario { rule, headers, lost: (50, SECOND / 5), ..fixed() };
            let (median, worst, rate_limited, _) =
                report(&format!("lost {headers:?}"), &outcomes(scenario));
            assert!(median < 2.3 && worst < 7.0, "{rule:?} {headers:?}: {median} {worst}");
            assert!(rate_limited < 100, "{rule:?} {headers:?}: {rate_limited} rate limited");
        }
    }
}

#[test]
fn the_servers_clock_may_be_set() {
    for by in [3_600, 4, -4, -3_600] {
        let scenario = Scenario {
            clock_step: Some((4 * SECOND + 300 * MILLI, by * SECOND as i64)),
            ..fixed()
        };
        let (median, worst, rate_limited, _) = report(&format!("step {by}"), &outcomes(scenario));
        assert!(median < 1.02 && worst < 1.2, "{by}: {median} {worst}");
        assert!(rate_limited <= 5, "{by}: {rate_limited} rate limited");
    }
}

#[test]
fn a_limit_that_changes_is_followed() {
    for (limit, headers) in
        [(25, Headers::Epoch), (100, Headers::Epoch), (25, Headers::Bare), (100, Headers::Bare)]
    {
        let rule = Rule::Fixed { limit, period: SECOND };
        let scenario =
            Scenario { headers, jobs: 2_000, new_rule: Some((4 * SECOND, rule)), ..fixed() };
        let outcomes: Vec<_> = (0..SEEDS).map(|seed| run(&scenario, seed)).collect();
        let worst = outcomes.iter().map(|outcome| outcome.took).max().unwrap();
        let rate_limited = outcomes.iter().map(|outcome| outcome.rate_limited).max().unwrap();
        // 200 in the first four seconds, the rest at the new limit.
        let ideal = 4 * SECOND + 1_800 * SECOND / limit;
        println!("limit {limit} {headers:?}: {:.3} · {rate_limited}", worst as f64 / ideal as f64);
        assert!(rate_limited < 180, "{limit} {headers:?}: {rate_limited} rate limited");
        assert!(worst < ideal * 2, "{limit} {headers:?}: {worst} of {ideal}");
    }
}

#[test]
fn equal_callers_finish_within_a_window_of_each_other() {
    for (rule, headers) in
        [(FIXED, Headers::Epoch), (Rule::Bucket { rate: 50, burst: 20 }, Headers::Bare)]
    {
        let scenario = Scenario { rule, headers, workers: 60, ..fixed() };
        for (_, outcome) in outcomes(scenario) {
            let (first, last) =
                (outcome.finished.iter().min().unwrap(), outcome.finished.iter().max().unwrap());
            assert!(last - first <= 1_300 * MILLI, "{rule:?}: {first} to {last}");
        }
    }
}

#[test]
fn waiting_asks_for_few_permits() {
    for (_, outcome) in outcomes(fixed()) {
        assert!(outcome.asked < 3 * 480 + 200, "asked {} times for 480 jobs", outcome.asked);
    }
}

/// Any announced limiter, network, loss and step of the clock: hardly a request exceeds what the server announced.
#[test]
fn random_worlds_keep_to_what_the_server_announces() {
    let mut worst = (0, 0);
    let mut all = 0;
    for seed in 0..300 {
        let chance = &mut Chance::new(seed);
        let (limit, period) = (chance.between(5, 200), chance.between(1, 4) * SECOND / 2);
        let rule = match chance.between(0, 3) {
            0 => Rule::Fixed { limit, period },
            1 => Rule::FirstHit { limit, period },
            2 => Rule::Sliding { limit, period },
            _ => Rule::Bucket { rate: chance.between(5, 100), burst: limit },
        };
        let headers = if chance.between(0, 1) == 0 { Headers::Epoch } else { Headers::Delta };
        let fastest = chance.between(0, 20) * MILLI;
        let scenario = Scenario {
            workers: chance.between(1, 100) as usize,
            delay: (fastest, fastest + chance.between(0, 50) * MILLI),
            lost: (chance.between(0, 20), SECOND / 5),
            clock_step: (chance.between(0, 3) == 0)
                .then_some((chance.between(0, 5) * SECOND, SECOND as i64 * 7)),
            ..Scenario::new(rule, headers)
        };
        let rate_limited = run(&scenario, seed).rate_limited;
        worst = worst.max((rate_limited, seed));
        all += rate_limited;
    }
    println!("random worlds: {all} rate limited of {}, at worst {worst:?}", 300 * 480);
    assert!(all * 200 < 300 * 480, "{all} rate limited");
    assert!(worst.0 <= 100, "seed {}: {} rate limited", worst.1, worst.0);
}
