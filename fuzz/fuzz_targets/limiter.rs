//! The limiter with a server that sends anything, and then accepts everything.
//!
//! Each operation is two bytes: what happens, and how much. While it lasts, a request is sent after the longest wait at most, however
//! the server behaves. From a minute after the last operation on, 99 of 100 requests go at once.

#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use tokio::time::Instant;
use tower_heed::{
    __internals::{Availability, Observation, Permit, Quota},
    headers::RateLimit,
};

/// One moment for all runs, so that a finding can be repeated.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const MAX_BLOCK: Duration = Duration::from_secs(60);
/// The longest that `Quota` may be late beyond its longest wait.
const SLACK: Duration = Duration::from_secs(1);

struct World {
    quota: Quota,
    now: Instant,
    in_flight: Vec<Permit>,
    /// Since when no request went, while requests wanted to.
    stopped: Option<Instant>,
    fields: HeaderMap,
}

impl World {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400) + (self.now - *START)
    }

    /// Whether a request can be sent now; `None` if there is no need to ask before the moment.
    fn send(&mut self) -> Result<(), Instant> {
        match self.quota.acquire(self.now) {
            Availability::Now(permit) => {
                self.in_flight.push(permit);
                self.stopped = None;
                Ok(())
            }
            Availability::At(at) | Availability::AfterResponse { or_at: at } => {
                let since = *self.stopped.get_or_insert(self.now);
                assert!(at > self.now, "asks to wait for a moment in the past");
                assert!(
                    self.now < since + MAX_BLOCK + SLACK,
                    "no request for {:?}",
                    self.now - since
                );
                Err(at)
            }
        }
    }

    fn respond(&mut self, at: usize, rate_limited: bool, unavailable: bool) {
        if self.in_flight.is_empty() {
            return;
        }
        let permit = self.in_flight.swap_remove(at % self.in_flight.len());
        let limit = RateLimit::from_headers(&self.fields, self.wall());
        let mut seen = Observation::new(rate_limited, &self.fields, limit.as_ref(), self.wall());
        seen.unavailable = unavailable;
        self.quota.on_response(permit, self.now, &seen);
        if seen.is_rejection() && seen.retry_after.is_some() {
            // The longest wait begins anew.
            self.stopped = None;
        }
    }
}

const NAMES: [&str; 6] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "retry-after",
    "date",
    "x-rate-limit-remaining",
];

fn value(name: &str, amount: u8, wall: SystemTime) -> String {
    let seconds = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    match (name, amount) {
        ("date", _) => httpdate::fmt_http_date(wall + Duration::from_secs(u64::from(amount / 8))),
        ("x-ratelimit-reset", 128..) => (seconds + u64::from(amount - 128) * 5).to_string(),
        ("retry-after", 250..) => "99999999".to_owned(),
        (_, 255) => u64::MAX.to_string(),
        (_, 254) => "-1".to_owned(),
        _ => amount.to_string(),
    }
}

fuzz_target!(|data: &[u8]| {
    let start = *START;
    let mut world = World {
        quota: Quota::new().max_block(MAX_BLOCK),
        now: start,
        in_flight: Vec::new(),
        stopped: None,
        fields: HeaderMap::new(),
    };
    for operation in data.chunks_exact(2).take(2_000) {
        let (kind, amount) = (operation[0], operation[1]);
        match kind % 16 {
            0..=3 => {
                for _ in 0..=amount % 32 {
                    if world.send().is_err() {
                        break;
                    }
                }
            }
            4 | 5 => world.respond(usize::from(amount), false, false),
            6 => world.respond(usize::from(amount), true, false),
            7 => world.respond(usize::from(amount), false, true),
            8 => world.now += Duration::from_millis(u64::from(amount)),
            9 => {
                // A caller waits as long as it is told.
                if let Err(at) = world.send() {
                    world.now = at;
                    let _ = world.send();
                }
            }
            10 => world.now += Duration::from_secs(u64::from(amount)),
            11 => {
                if !world.in_flight.is_empty() {
                    let at = usize::from(amount) % world.in_flight.len();
                    let permit = world.in_flight.swap_remove(at);
                    if amount % 2 == 0 {
                        world.quota.on_lost(permit, world.now);
                    } else {
                        world.quota.on_unsent(permit, world.now);
                    }
                }
            }
            12 => world.fields.clear(),
            _ => {
                let name = NAMES[usize::from(kind / 16) % NAMES.len()];
                let value = value(name, amount, world.wall());
                world.fields.insert(name, value.parse().expect("a value of digits"));
            }
        }
        // Nobody asked for so long that it says nothing.
        if world.stopped.is_some_and(|since| world.now > since + MAX_BLOCK) {
            let sent = world.send();
            assert!(sent.is_ok(), "after the longest wait one request goes");
        }
        assert!(world.in_flight.len() < 100_000);
    }

    // All is well from here on: ten requests a second, each accepted after 10 ms.
    world.fields.clear();
    world.stopped = None;
    for permit in std::mem::take(&mut world.in_flight) {
        world.quota.on_lost(permit, world.now);
    }
    let well = world.now;
    let (mut waiting, mut offered, mut sent) = (0_u32, 0_u32, 0_u32);
    for step in 0..1_600_u32 {
        world.now = well + Duration::from_millis(100) * step;
        waiting += 1;
        // A minute, and the longest wait that the server may have named.
        let counts = step >= 1_300;
        offered += u32::from(counts);
        while waiting > 0 && world.send().is_ok() {
            waiting -= 1;
            sent += u32::from(counts);
        }
        if !counts {
            // Callers do not wait for ever.
            waiting = waiting.min(20);
        }
        world.now += Duration::from_millis(10);
        while !world.in_flight.is_empty() {
            world.respond(0, false, false);
        }
    }
    assert!(sent * 100 >= offered * 99, "{sent} of {offered} a minute after the trouble");
});
