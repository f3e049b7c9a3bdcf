//! The client that knows the limiter: each of its requests arrives at the moment at which it is accepted.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use limiter_sim::{Limiter, Nanos, Rule};

use super::TAKES;

/// How long such a client takes for all jobs, if it begins at `start` and each way takes `delay`.
pub(super) fn ideal(
    rule: Rule,
    start: Nanos,
    delay: Duration,
    jobs: usize,
    workers: usize,
) -> Nanos {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let (takes, delay) = (nanos(TAKES), nanos(delay));
    let mut limiter = Limiter::new(rule);
    let mut ready: BinaryHeap<Reverse<Nanos>> = (0..workers).map(|_| Reverse(start)).collect();
    let mut end = start;
    for _ in 0..jobs {
        let Some(Reverse(at)) = ready.pop() else { break };
        let accepted = limiter.earliest(at + delay);
        limiter.arrive(accepted);
        let done = accepted + takes + delay;
        end = end.max(done);
        ready.push(Reverse(done));
    }
    end - start
}
