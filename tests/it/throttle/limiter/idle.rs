//! A client that asks for nothing for a while.

use std::time::Duration;

use crate::support::sim::{Asked, Headers, Rule, SECOND};

#[test]
fn windows_that_passed_unseen_make_a_window_no_longer() {
    let rule = Rule::Fixed { limit: 10, period: SECOND };
    let mut asked = Asked::new(rule, Headers::Epoch);
    asked.run(Duration::from_millis(1_200));
    assert_eq!(asked.quota.snapshot(asked.now).rate(), Some(10.0));
    asked.now += Duration::from_secs(60);
    asked.run(Duration::from_millis(10));
    assert_eq!(asked.quota.snapshot(asked.now).rate(), Some(10.0), "right after it");
    let before = asked.turns;
    asked.run(Duration::from_secs(10));
    let turns = asked.turns - before;
    assert!((99..=110).contains(&turns), "{turns} in ten windows");
}

#[test]
fn a_window_that_is_longer_from_now_on_is_seen_to_be() {
    let mut asked = Asked::new(Rule::Fixed { limit: 10, period: SECOND }, Headers::Epoch);
    asked.run(Duration::from_secs(5));
    asked.server.limiter.rule = Rule::Fixed { limit: 10, period: 10 * SECOND };
    asked.run(Duration::from_secs(40));
    assert_eq!(asked.quota.snapshot(asked.now).rate(), Some(1.0));
}
