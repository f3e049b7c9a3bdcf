//! Time in which nobody asks, or in which a response hangs, says nothing of a server's rate.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Observation, Permit, Quota};

use crate::support::sim::seeds;

const ACCEPTED: fn() -> Observation = Observation::default;

fn rejected() -> Observation {
    Observation { rate_limited: true, ..Observation::default() }
}

/// A sequence of numbers, the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// A quota, its clock and its requests in flight.
struct World {
    quota: Quota,
    now: Instant,
    in_flight: Vec<Permit>,
}

impl World {
    fn new() -> Self {
        let quota = Quota::new().max_block(Duration::from_secs(60));
        Self { quota, now: Instant::now(), in_flight: Vec::new() }
    }

    fn send(&mut self) -> Result<(), Instant> {
        match self.quota.acquire(self.now) {
            Availability::Now(permit) => {
                self.in_flight.push(permit);
                Ok(())
            }
            Availability::At(at) | Availability::AfterResponse { or_at: at } => Err(at),
        }
    }

    /// Waits for a permit, as callers do.
    fn send_in_time(&mut self) {
        while let Err(at) = self.send() {
            self.now = at;
        }
    }

    fn respond(&mut self, at: usize, seen: &Observation) {
        let permit = self.in_flight.swap_remove(at);
        self.quota.on_response(permit, self.now, seen);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// The share of ten requests a second that goes from one minute on to a minute and a half, all accepted.
    fn share_after_a_minute(&mut self) -> f64 {
        for permit in std::mem::take(&mut self.in_flight) {
            self.quota.on_lost(permit, self.now);
        }
        let (well, mut waiting, mut sent) = (self.now, 0_u32, 0_u32);
        for step in 0..900 {
            self.now = well + Duration::from_millis(100) * step;
            waiting = (waiting + 1).min(if step < 600 { 20 } else { 400 });
            while waiting > 0 && self.send().is_ok() {
                waiting -= 1;
                sent += u32::from(step >= 600);
            }
            self.pass(Duration::from_millis(10));
            while !self.in_flight.is_empty() {
                self.respond(0, &ACCEPTED());
            }
        }
        f64::from(sent) / 300.0
    }
}

#[test]
fn responses_that_come_half_an_hour_late_teach_no_pace() {
    for sent in 1..4 {
        for accepted in 0..=sent {
            let mut world = World::new();
            for _ in 0..sent {
                world.send_in_time();
                world.pass(Duration::from_millis(1_100));
            }
            world.pass(Duration::from_secs(1_800));
            for number in 0..sent {
                let seen = if number < accepted { ACCEPTED() } else { rejected() };
                world.respond(0, &seen);
            }
            for seen in [rejected(), ACCEPTED(), rejected(), ACCEPTED(), rejected()] {
                world.send_in_time();
                world.pass(Duration::from_millis(10));
                world.respond(0, &seen);
            }
            let share = world.share_after_a_minute();
            assert!(share >= 0.99, "{accepted} of {sent} accepted: {share:.3}");
        }
    }
}

#[test]
fn requests_once_in_a_while_teach_no_pace() {
    for every in [20, 300, 3_600] {
        let mut world = World::new();
        for number in 0..60 {
            world.pass(Duration::from_secs(every));
            world.send_in_time();
            world.pass(Duration::from_millis(10));
            let seen = if number % 3 == 2 { rejected() } else { ACCEPTED() };
            world.respond(0, &seen);
        }
        let share = world.share_after_a_minute();
        assert!(share >= 0.99, "one in {every} s: {share:.3}");
    }
}

/// `SEEDS=30000` tries as many histories.
#[test]
fn whatever_came_late_all_go_a_minute_later() {
    let mut failed = Vec::new();
    for seed in 0..seeds(2_000) {
        let mut random = Random(seed);
        let mut world = World::new();
        for _ in 0..random.below(60) {
            match random.below(6) {
                0 | 1 => world.send_in_time(),
                2 | 3 if !world.in_flight.is_empty() => {
                    let at = random.below(world.in_flight.len() as u64) as usize;
                    let seen = if random.below(3) == 0 { rejected() } else { ACCEPTED() };
                    world.respond(at, &seen);
                }
                4 => world.pass(Duration::from_millis(random.below(2_000))),
                5 => world.pass(Duration::from_secs(random.below(3_000))),
                _ => {}
            }
        }
        let share = world.share_after_a_minute();
        if share < 0.99 {
            failed.push(format!("{seed}: {share:.3}, {:?}", world.quota.snapshot(world.now).kind));
        }
    }
    assert!(failed.is_empty(), "{}\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_server_of_one_request_in_ten_seconds_is_met() {
    let mut world = World::new();
    let start = world.now;
    let (mut next, mut rejections, mut accepted) = (world.now, 0, 0);
    while world.now < start + Duration::from_secs(3_600) {
        world.send_in_time();
        let is_accepted = world.now >= next;
        let seen = if is_accepted { ACCEPTED() } else { rejected() };
        if is_accepted {
            next = world.now + Duration::from_secs(10);
        }
        if world.now >= start + Duration::from_secs(1_800) {
            accepted += u32::from(is_accepted);
            rejections += u32::from(!is_accepted);
        }
        world.pass(Duration::from_millis(10));
        world.respond(0, &seen);
    }
    println!("{accepted} accepted and {rejections} rejected");
    assert!(accepted >= 120 && rejections <= accepted / 2, "{accepted}, {rejections}");
}
