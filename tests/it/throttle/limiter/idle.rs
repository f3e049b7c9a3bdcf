//! A client that is idle for a while.

use std::time::Duration;

use crate::support::sim::{Driver, Headers, Rule, SECOND};

#[test]
fn windows_that_passed_unseen_make_a_window_no_longer() {
    let rule = Rule::Fixed { limit: 10, period: SECOND };
    let mut driver = Driver::new(rule, Headers::Epoch);
    driver.run(Duration::from_millis(1_200));
    assert_eq!(driver.quota.snapshot(driver.now).rate(), Some(10.0));
    driver.now += Duration::from_secs(60);
    driver.run(Duration::from_millis(10));
    assert_eq!(driver.quota.snapshot(driver.now).rate(), Some(10.0), "right after it");
    let before = driver.permits;
    driver.run(Duration::from_secs(10));
    let permits = driver.permits - before;
    assert!((99..=110).contains(&permits), "{permits} in ten windows");
}

#[test]
fn a_window_that_is_longer_from_now_on_is_seen_to_be() {
    let mut driver = Driver::new(Rule::Fixed { limit: 10, period: SECOND }, Headers::Epoch);
    driver.run(Duration::from_secs(5));
    driver.server.limiter.rule = Rule::Fixed { limit: 10, period: 10 * SECOND };
    driver.run(Duration::from_secs(40));
    assert_eq!(driver.quota.snapshot(driver.now).rate(), Some(1.0));
}
