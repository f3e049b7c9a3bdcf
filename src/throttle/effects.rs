//! Effects that run after the lock is released.

use std::task::Waker;

use super::events::Event;

/// Effects that run after the lock is released: wakers and subscribers are foreign code, which may call the throttle again.
#[derive(Debug, Default)]
#[must_use = "a request may have to be woken"]
pub(super) struct Effects(Vec<Effect>);

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
        self.0.push(Effect::Wake(waker));
    }

    pub(super) fn drop(&mut self, waker: Waker) {
        self.0.push(Effect::Drop(waker));
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.0.push(Effect::Emit(event));
    }

    #[inline]
    pub(super) fn run(self) {
        if !self.0.is_empty() {
            self.run_all();
        }
    }

    #[cold]
    fn run_all(self) {
        for effect in self.0 {
            match effect {
                Effect::Wake(waker) => waker.wake(),
                Effect::Drop(waker) => drop(waker),
                Effect::Emit(event) => event.emit(),
            }
        }
    }
}
