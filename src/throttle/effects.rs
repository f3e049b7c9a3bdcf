//! Effects that run after the lock is released.

use std::{sync::Arc, task::Waker};

use super::events::Event;

/// Effects that run after the lock is released: wakers and subscribers are foreign code, which may call the throttle again.
///
/// `None` in place of an empty list saves 35 instructions a call, one per cent of the recommended stack.
#[derive(Debug, Default)]
#[must_use = "a request may have to be woken"]
pub(super) struct Effects {
    effects: Option<Vec<Effect>>,
    /// The slot for which a question to the store is due.
    #[cfg(feature = "shared")]
    question: Option<usize>,
}

#[derive(Debug)]
enum Effect {
    Wake(Waker),
    /// Dropping a waker may drop a task.
    Drop(Waker),
    Emit(Event),
}

// === impl Effects ===

impl Effects {
    pub(super) fn wake(&mut self, waker: Waker) {
        self.add(Effect::Wake(waker));
    }

    pub(super) fn drop(&mut self, waker: Waker) {
        self.add(Effect::Drop(waker));
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.add(Effect::Emit(event));
    }

    /// A question about this slot is due.
    #[cfg(feature = "shared")]
    pub(super) fn ask(&mut self, slot: usize) {
        self.question = Some(slot);
    }

    #[cfg(feature = "shared")]
    #[inline]
    pub(super) fn take_question(&mut self) -> Option<usize> {
        self.question.take()
    }

    #[inline]
    pub(super) fn run(self, stack: Option<&Arc<str>>) {
        if let Some(effects) = self.effects {
            run_all(effects, stack);
        }
    }

    fn add(&mut self, effect: Effect) {
        self.effects.get_or_insert_default().push(effect);
    }
}

#[cold]
fn run_all(effects: Vec<Effect>, stack: Option<&Arc<str>>) {
    for effect in effects {
        match effect {
            Effect::Wake(waker) => waker.wake(),
            Effect::Drop(waker) => drop(waker),
            Effect::Emit(event) => event.emit(stack.map(|name| &**name)),
        }
    }
}
