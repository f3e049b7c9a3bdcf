//! One question to a store that only compares and sets: read the ledger, ask it here, and put it back unless it has changed.

use super::{
    ask::{Ask, Grant, Nanos, SECOND},
    ledger::Ledger,
    record::{Decoded, decode, encode},
};

/// A ledger is not put back later than this after it was read: a store that was frozen would grant to nobody.
const DEADLINE: Nanos = SECOND / 4;

/// How long a ledger that nobody asks is kept, in milliseconds.
const KEPT_MILLIS: u64 = 15 * 60 * 1_000;

/// The times that a question is put again because another was faster. In a crowd it is put off instead.
const TRIES: u32 = 4;

/// A question under way.
#[derive(Debug)]
pub struct Question {
    ask: Ask,
    /// The ledger as this process has seen it last, and when, for a store that was emptied.
    remembered: Option<(Ledger, Nanos)>,
    answer: Option<(Ledger, Grant)>,
    tries: u32,
}

/// What is next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Put this in the place of what was read. If it has changed, read again.
    Swap(Swap),
    /// The answer is there: nothing has to be written.
    Done,
    /// The record is of another version.
    Foreign,
    /// Too many others ask at the same time: again later.
    Busy,
}

/// What is put in the place of what was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Swap {
    /// The new record.
    pub record: Vec<u8>,
    /// How long it is kept.
    pub ttl_millis: u64,
    /// The time of the store after which it is not written any more.
    pub deadline: Nanos,
}

// === impl Question ===

impl Question {
    /// A question, with the ledger that the process has seen last, and when by the time of the store.
    #[must_use]
    pub const fn new(ask: Ask, remembered: Option<(Ledger, Nanos)>) -> Self {
        Self { ask, remembered, answer: None, tries: 0 }
    }

    /// The record that was read, and the time of the store.
    pub fn on_record(&mut self, now: Nanos, record: Option<&[u8]>) -> Step {
        self.tries += 1;
        if self.tries > TRIES {
            return Step::Busy;
        }
        let before = match record.map(decode) {
            Some(Decoded::Ledger(ledger)) => Some(ledger),
            Some(Decoded::Foreign) => return Step::Foreign,
            Some(Decoded::Broken) | None => None,
        };
        let revive = |(ledger, since): &(Ledger, Nanos)| ledger.clone().revived(*since, now);
        let remembered = || self.remembered.as_ref().map(revive);
        let mut after = before.clone().or_else(remembered).unwrap_or_default();
        let grant = after.ask(now, &self.ask);
        let step = if before.as_ref() == Some(&after) {
            Step::Done
        } else {
            let record = encode(&after);
            let deadline = now.saturating_add(DEADLINE);
            Step::Swap(Swap { record, ttl_millis: KEPT_MILLIS, deadline })
        };
        self.answer = Some((after, grant));
        step
    }

    /// The ledger after the question, and the answer.
    #[must_use]
    pub fn into_answer(self) -> Option<(Ledger, Grant)> {
        self.answer
    }
}
