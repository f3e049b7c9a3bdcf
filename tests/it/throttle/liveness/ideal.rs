//! A scheduler that knows the limit and the deadlines.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

use limiter_sim::{Limiter, MILLI, Nanos, Rule, trouble::EPOCH};

/// The way there, and the way there and back.
const THERE: Nanos = MILLI;
const BOTH: Nanos = 2 * MILLI;

/// How many calls, one after each `gap`, can have their responses in time, and have them in `counted`.
///
/// All calls have the same time to live, so the oldest that can still make it goes first.
pub fn ideal(
    rule: Rule,
    gap: Nanos,
    takes: Nanos,
    deadline: Nanos,
    counted: Range<Nanos>,
) -> usize {
    let mut limiter = Limiter::new(rule);
    let (mut free, mut useful) = (0, 0);
    for begins in (0..counted.end).step_by(gap as usize) {
        let at = limiter.earliest(EPOCH + free.max(begins + THERE));
        let ends = at - EPOCH + takes + THERE;
        if ends > begins + deadline {
            continue;
        }
        assert!(limiter.arrive(at).accepted);
        free = at - EPOCH;
        useful += usize::from(counted.contains(&ends));
    }
    useful
}

/// How long so many workers need for the jobs.
pub fn ideal_time(rule: Rule, jobs: usize, workers: usize, takes: Nanos) -> Nanos {
    let mut limiter = Limiter::new(rule);
    let mut free: BinaryHeap<Reverse<Nanos>> = (0..workers).map(|_| Reverse(0)).collect();
    let (mut last, mut end) = (0, 0);
    for _ in 0..jobs {
        let Reverse(begins) = free.pop().expect("there are workers");
        let at = limiter.earliest(EPOCH + last.max(begins + THERE));
        assert!(limiter.arrive(at).accepted);
        last = at - EPOCH;
        let over = last + takes + BOTH - THERE;
        end = end.max(over);
        free.push(Reverse(over));
    }
    end
}
