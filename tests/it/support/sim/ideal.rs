//! The client that knows the limiter: each request arrives the moment it is accepted.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Chance, Nanos, Scenario};

/// How long such a client takes.
pub fn ideal(scenario: &Scenario, seed: u64) -> Nanos {
    let mut chance = Chance::new(seed);
    let mut server = scenario.server(&mut chance);
    let mut ready: BinaryHeap<Reverse<Nanos>> = if scenario.job_every > 0 {
        (0..scenario.jobs as Nanos).map(|job| Reverse(job * scenario.job_every)).collect()
    } else {
        (0..scenario.workers).map(|_| Reverse(0)).collect()
    };
    let (mut last, mut end) = (0, 0);
    let mut other = scenario.other_every.unwrap_or(Nanos::MAX);
    for _ in 0..scenario.jobs {
        let Some(Reverse(at)) = ready.pop() else { break };
        let there = scenario.delay(&mut chance);
        loop {
            let arrives = last.max(at + there);
            let accepted = server.limiter.earliest(server.clock + arrives) - server.clock;
            if other <= accepted {
                server.arrive(other);
                last = last.max(other);
                other += scenario.other_every.unwrap_or_default();
                continue;
            }
            server.arrive(accepted);
            last = accepted;
            let done = accepted + scenario.takes + scenario.delay(&mut chance);
            end = end.max(done);
            if scenario.job_every == 0 {
                ready.push(Reverse(done));
            }
            break;
        }
    }
    end
}
