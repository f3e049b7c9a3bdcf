//! Counts of what processes share.

use std::{sync::Arc, time::Duration};

#[cfg(feature = "metrics")]
use metrics::{Key, Label, with_recorder};

#[cfg(feature = "metrics")]
use super::{METADATA, PERMITS, SHARED_TOKENS, STORE_CALL, STORE_CALLS, with_stack};

/// A call of the store ended.
pub(crate) fn store_called(contract: &'static str, outcome: &'static str, took: Duration) {
    count_call(contract, outcome);
    #[cfg(feature = "metrics")]
    {
        let key = Key::from_parts(STORE_CALL, vec![Label::from_static_parts("contract", contract)]);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(took);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = took;
}

/// The store is down, and was not called.
pub(crate) fn store_not_called(contract: &'static str) {
    count_call(contract, "not_called");
}

/// A fetch of a shared token ended.
pub(crate) fn shared_token(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    count(SHARED_TOKENS, vec![Label::from_static_parts("outcome", outcome)]);
    #[cfg(not(feature = "metrics"))]
    let _ = outcome;
}

/// So many permits of a fleet's quota were used, or were not.
pub(crate) fn permits(outcome: &'static str, number: u32, stack: Option<&Arc<str>>) {
    #[cfg(feature = "metrics")]
    {
        let labels = with_stack([Label::from_static_parts("outcome", outcome)], stack);
        let key = Key::from_parts(PERMITS, labels);
        let counter = with_recorder(|recorder| recorder.register_counter(&key, &METADATA));
        counter.increment(number.into());
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (outcome, number, stack);
}

fn count_call(contract: &'static str, outcome: &'static str) {
    #[cfg(feature = "metrics")]
    {
        let labels = [("contract", contract), ("outcome", outcome)];
        let labels = labels.map(|(key, value)| Label::from_static_parts(key, value));
        count(STORE_CALLS, labels.to_vec());
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (contract, outcome);
}

#[cfg(feature = "metrics")]
fn count(name: &'static str, labels: Vec<Label>) {
    let key = Key::from_parts(name, labels);
    with_recorder(|recorder| recorder.register_counter(&key, &METADATA)).increment(1);
}
