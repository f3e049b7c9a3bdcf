//! Nonsensical responses: the quota never panics, never waits too long, never stops, never grows without end.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Observation, Permit, Quota, Reading, Reset};

use crate::support::sim::Chance;

const MAX_BLOCK: Duration = Duration::from_secs(100);
/// Until the first seconds of the year 9999.
const YEAR_9999: u64 = 253_370_764_800;

fn one_of<T: Copy>(chance: &mut Chance, all: &[T]) -> T {
    all[(chance.draw() % all.len() as u64) as usize]
}

fn unix(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A response that makes no sense.
fn nonsense(chance: &mut Chance) -> Observation {
    const NOW: u64 = 1_700_000_000;
    let mut response =
        Observation { rate_limited: chance.draw() % 3 == 0, ..Observation::default() };
    for reading in &mut response.readings {
        if chance.draw() % 2 == 0 {
            continue;
        }
        let seconds = one_of(chance, &[0, 1, NOW - 9, NOW, NOW + 1, NOW + 60, YEAR_9999]);
        let wait = one_of(
            chance,
            &[Duration::ZERO, Duration::from_secs(1), Duration::MAX, Duration::from_millis(7)],
        );
        *reading = Some(Reading {
            name: chance.draw() % 7,
            limit: one_of(chance, &[None, Some(0), Some(1), Some(50), Some(u64::MAX)]),
            remaining: one_of(chance, &[0, 1, 49, 50, u64::MAX]),
            reset: one_of(chance, &[None, Some(Reset::At(unix(seconds))), Some(Reset::In(wait))]),
        });
    }
    response.retry_after = one_of(
        chance,
        &[None, None, Some(Duration::ZERO), Some(Duration::MAX), Some(Duration::from_secs(1))],
    );
    response.date = one_of(
        chance,
        &[None, Some(unix(0)), Some(unix(NOW)), Some(unix(NOW + 1)), Some(unix(YEAR_9999))],
    );
    response
}

#[test]
fn nonsense_does_no_harm() {
    for seed in 0..200 {
        let chance = &mut Chance::new(seed);
        let mut quota = Quota::new().max_block(MAX_BLOCK);
        let mut now = Instant::now() + Duration::from_secs(1_000);
        let mut out: Vec<Permit> = Vec::new();
        for _ in 0..500 {
            now += Duration::from_micros(chance.draw() % 50_000);
            match quota.acquire(now) {
                Availability::Now(permit) => out.push(permit),
                Availability::At(at) => {
                    assert!(at > now, "seed {seed}");
                    assert!(
                        at <= now + MAX_BLOCK + Duration::from_secs(1),
                        "seed {seed}: {:?}",
                        at - now
                    );
                    if chance.draw() % 4 == 0 {
                        now = at;
                    }
                }
                Availability::AfterResponse { or_at } => {
                    // Permits that were dropped unreported are given up two minutes after they were sent.
                    assert!(or_at > now && or_at <= now + Duration::from_secs(121), "seed {seed}");
                }
            }
            let _ = quota.snapshot(now);
            if !out.is_empty() && chance.draw() % 2 == 0 {
                let permit = out.swap_remove((chance.draw() % out.len() as u64) as usize);
                match chance.draw() % 8 {
                    0 => quota.on_lost(permit, now),
                    1 => drop(permit),
                    _ => quota.on_response(permit, now, &nonsense(chance)),
                }
            }
        }
        assert!(format!("{quota:?}").len() < 1 << 20, "seed {seed}: it grew");
    }
}

#[test]
fn after_any_nonsense_there_is_a_permit_again() {
    for seed in 0..200 {
        let chance = &mut Chance::new(seed);
        let mut quota = Quota::new().max_block(MAX_BLOCK);
        let start = Instant::now() + Duration::from_secs(1_000);
        let mut now = start;
        for _ in 0..50 {
            if let Availability::Now(permit) = quota.acquire(now) {
                now += Duration::from_millis(5);
                quota.on_response(permit, now, &nonsense(chance));
            }
        }
        let mut asked = 0;
        loop {
            match quota.acquire(now) {
                Availability::Now(_permit) => break,
                Availability::At(at) | Availability::AfterResponse { or_at: at } => now = at,
            }
            asked += 1;
            assert!(asked < 200, "seed {seed}: asked {asked} times in {:?}", now - start);
        }
        assert!(now - start < MAX_BLOCK * 5, "seed {seed}: waited {:?}", now - start);
    }
}

#[test]
fn a_cold_start_asks_before_it_sends_the_rest() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    assert!(matches!(quota.acquire(now), Availability::Now(_)));
    assert!(matches!(quota.acquire(now), Availability::AfterResponse { .. }));
}

#[test]
fn an_announced_limit_holds_from_the_first_response_on() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    let Availability::Now(permit) = quota.acquire(now) else { panic!("the first waits") };
    let reading = |remaining| Reading {
        name: 1,
        limit: Some(5),
        remaining,
        reset: Some(Reset::In(Duration::from_secs(60))),
    };
    let response =
        Observation { readings: [Some(reading(4)), None, None, None], ..Observation::default() };
    quota.on_response(permit, now, &response);
    let permits: Vec<_> = std::iter::from_fn(|| match quota.acquire(now) {
        Availability::Now(permit) => Some(permit),
        _ => None,
    })
    .collect();
    assert_eq!(permits.len(), 4);
}

#[test]
fn the_tightest_of_several_counters_binds() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    let Availability::Now(permit) = quota.acquire(now) else { panic!("the first waits") };
    let reading = |name, remaining, seconds| {
        Some(Reading {
            name,
            limit: Some(100),
            remaining,
            reset: Some(Reset::In(Duration::from_secs(seconds))),
        })
    };
    let response = Observation {
        readings: [reading(1, 90, 1), reading(2, 2, 3_000), None, None],
        ..Observation::default()
    };
    quota.on_response(permit, now, &response);
    assert!(matches!(quota.acquire(now), Availability::Now(_)));
    assert!(matches!(quota.acquire(now), Availability::Now(_)));
    let Availability::At(at) = quota.acquire(now) else { panic!("a third has a permit") };
    assert!(at - now >= Duration::from_secs(2_999));
    assert_eq!(quota.snapshot(now).remaining, Some(0));
}

#[test]
fn retry_after_blocks_all() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    let Availability::Now(permit) = quota.acquire(now) else { panic!("the first waits") };
    let wait = Duration::from_secs(7);
    quota.on_response(
        permit,
        now,
        &Observation { rate_limited: true, retry_after: Some(wait), ..Observation::default() },
    );
    let Availability::At(at) = quota.acquire(now) else { panic!("a permit before the time") };
    assert_eq!(at, now + wait);
    assert!(matches!(quota.acquire(now + wait), Availability::Now(_)));
}
