//! Jitter, drawn nowhere else.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

thread_local! {
    // Jitter is no secret. The seed is the standard library's own randomness, so that `rand` needs no generator of secrets.
    static GENERATOR: RefCell<SmallRng> =
        RefCell::new(SmallRng::seed_from_u64(RandomState::new().hash_one(0)));
}

/// A number drawn evenly from 0.0..1.0.
pub(crate) fn draw() -> f64 {
    GENERATOR.with_borrow_mut(RngExt::random)
}

/// A number drawn evenly from all of 64 bits.
pub(crate) fn bits() -> u64 {
    GENERATOR.with_borrow_mut(RngExt::random)
}

/// The part `ratio` of a span. A ratio outside of 0.0..=1.0 counts as the nearer end, and NaN as zero.
pub(crate) fn share(span: Duration, ratio: f64) -> Duration {
    let part = span.as_secs_f64() * ratio.clamp(0.0, 1.0);
    Duration::try_from_secs_f64(part).unwrap_or_default().min(span)
}

/// Seeds the generator of this thread.
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
        assert!(drawn.iter().all(|jitter| (0.0..1.0).contains(jitter)));
        let different: BTreeSet<u64> = drawn.iter().map(|jitter| jitter.to_bits()).collect();
        assert_eq!(different.len(), 400);
    }

    #[test]
    fn every_remainder_of_the_bits_is_drawn() {
        seed(1);
        for (places, draws) in [(64, 2_000), (10_000, 300_000)] {
            let drawn: BTreeSet<u64> = (0..draws).map(|_| bits() % places).collect();
            assert_eq!(drawn.len() as u64, places);
        }
    }
}
