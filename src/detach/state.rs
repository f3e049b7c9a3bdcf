//! The books of a queue: who waits, who is under way, and how many have come to which end.

use std::{collections::VecDeque, fmt, mem};

use super::{Obstacle, Report, send::Sending, ticket::Ticket};

/// How many requests there may be, as the layer that takes one on has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) max_queued: usize,
    pub(super) max_concurrent: usize,
}

/// A request that waits.
pub(super) struct Job {
    pub(super) ticket: Ticket,
    pub(super) sending: Sending,
}

/// What there is to know of the requests that were taken on, and of those who send them.
#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: VecDeque<Job>,
    /// Whoever takes a ticket out of here tells its end.
    pub(super) under_way: Vec<(u64, Ticket)>,
    /// The number of the next one that gets under way.
    pub(super) number: u64,
    /// Of the ends that are counted, those that are being told.
    pub(super) telling: Report,
    pub(super) workers: usize,
    /// Those of them that have a request or the rest of its answer.
    pub(super) busy: usize,
    pub(super) limits: Limits,
    pub(super) is_shut_down: bool,
    /// How many were refused since the queue became full.
    pub(super) refused: u64,
    pub(super) totals: Report,
}

// === impl State ===

impl State {
    pub(super) fn pending(&self) -> usize {
        self.waiting.len() + self.under_way.len() + self.telling.sum()
    }

    /// Why nothing can be taken on now.
    pub(super) fn obstacle(&self) -> Option<Obstacle> {
        let Limits { max_queued, max_concurrent } = self.limits;
        if self.is_shut_down {
            return Some(Obstacle::ShutDown);
        }
        // One that waits for a worker who is free and has not come to it yet takes no place in the queue.
        let free = max_concurrent.saturating_sub(self.busy);
        let is_full = self.waiting.len() >= max_queued.saturating_add(free);
        is_full.then_some(Obstacle::Full { max_queued })
    }

    /// Counts ends that are to be told now.
    pub(super) const fn count(&mut self, ends: Report) {
        self.totals = self.totals.plus(ends);
        self.telling = self.telling.plus(ends);
    }

    /// Counts a refusal, and says whether it is the first.
    pub(super) const fn refuse(&mut self) -> bool {
        self.refused += 1;
        self.refused == 1
    }

    /// How many were refused, once half of the places are free again.
    pub(super) fn has_room_again(&mut self) -> Option<u64> {
        let is_over = self.refused > 0 && self.waiting.len() <= self.limits.max_queued / 2;
        is_over.then(|| mem::take(&mut self.refused))
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Ticket> {
        let place = self.under_way.iter().position(|(of, _)| *of == number)?;
        Some(self.under_way.swap_remove(place).1)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("waiting", &self.waiting.len())
            .field("under_way", &self.under_way.len())
            .field("is_shut_down", &self.is_shut_down)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}
