//! The only place that draws the chance which spreads callers in time, as `clock.rs` is the only one that reads a clock.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

thread_local! {
    // Nothing that is drawn here is a secret: it spreads callers in time. So the seed is the standard library's own
    // randomness, and `rand` comes without its generator of secrets and what that depends on.
    static GENERATOR: RefCell<SmallRng> =
        RefCell::new(SmallRng::seed_from_u64(RandomState::new().hash_one(0)));
}

/// A number drawn evenly from 0.0..1.0.
pub(crate) fn draw() -> f64 {
    GENERATOR.with_borrow_mut(RngExt::random)
}

/// The part `ratio` of a span. A ratio outside of 0.0..=1.0 counts as the nearer end, NaN as zero.
pub(crate) fn share(span: Duration, ratio: f64) -> Duration {
    let part = span.as_secs_f64() * ratio.clamp(0.0, 1.0);
    Duration::try_from_secs_f64(part).unwrap_or_default().min(span)
}

/// From here on this thread draws what the seed says.
#[cfg(test)]
pub(crate) fn seed(seed: u64) {
    GENERATOR.set(SmallRng::seed_from_u64(seed));
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::*;

    #[test]
    fn no_two_threads_and_no_two_draws_are_alike() {
        let draw_some = || (0..100).map(|_| draw()).collect::<Vec<f64>>();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(draw_some)).collect();
        let drawn: Vec<f64> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(drawn.iter().all(|chance| (0.0..1.0).contains(chance)));
        let different: BTreeSet<u64> = drawn.iter().map(|chance| chance.to_bits()).collect();
        assert_eq!(different.len(), 400);
    }
}
