//! Which responses were invalidated since they were asked for.
//!
//! Nothing is looked for when something is invalidated: a count goes up, and a response that was asked for under another count is
//! not used any more, nor is the one of a flight that was on its way. There are fewer counts than there may be tags, so that the
//! memory is bounded; tags that share one cost each other a fetch and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use super::key::Tag;

/// What goes up when a tag is invalidated; when it is doubted, one is added.
const INVALIDATED: u64 = 1 << 32;

/// The counts: the first is of all responses, the others are of those with a tag that falls there.
#[derive(Debug)]
pub(super) struct Generations(Box<[AtomicU64]>);

/// The counts of a response's tags at the moment before it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Marks(SmallVec<[(u32, u64); 4]>);

/// What has become of a response since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Current,
    /// A write whose outcome is not known may have changed it.
    Doubted,
    /// It was invalidated.
    Gone,
}

// === impl Generations ===

impl Generations {
    /// One count for each KiB of what is kept, so that there are about as many as responses, within 64 and 2^20.
    pub(super) fn new(max_bytes: u64) -> Self {
        let counts = 1_u64 << (max_bytes / 1024).clamp(64, 1 << 20).ilog2();
        Self((0..=counts).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn bytes(&self) -> u64 {
        size_of_val(&*self.0) as u64
    }

    pub(super) fn mark(&self, tags: impl IntoIterator<Item = Tag>) -> Marks {
        let places = std::iter::once(0).chain(tags.into_iter().map(|tag| self.place(tag)));
        Marks(places.map(|place| (place, self.count(place))).collect())
    }

    pub(super) fn standing(&self, marks: &Marks) -> Standing {
        let mut standing = Standing::Current;
        for (place, seen) in &marks.0 {
            let count = self.count(*place);
            if count / INVALIDATED != seen / INVALIDATED {
                return Standing::Gone;
            }
            if count != *seen {
                standing = Standing::Doubted;
            }
        }
        standing
    }

    pub(super) fn invalidate(&self, tag: Tag) {
        self.add(self.place(tag), INVALIDATED);
    }

    pub(super) fn doubt(&self, tag: Tag) {
        self.add(self.place(tag), 1);
    }

    pub(super) fn invalidate_all(&self) {
        self.add(0, INVALIDATED);
    }

    fn add(&self, place: u32, step: u64) {
        if let Some(count) = self.0.get(place as usize) {
            count.fetch_add(step, Ordering::AcqRel);
        }
    }

    fn count(&self, place: u32) -> u64 {
        self.0.get(place as usize).map_or(0, |count| count.load(Ordering::Acquire))
    }

    fn place(&self, tag: Tag) -> u32 {
        // All but the first, a power of two of at most 2^20.
        let others = (self.0.len() - 1) as u64;
        (tag.0 & (others - 1)) as u32 + 1
    }
}

// === impl Marks ===

impl Marks {
    /// Those of nothing.
    pub(super) fn none() -> Self {
        Self(SmallVec::new())
    }

    pub(super) fn bytes(&self) -> usize {
        if self.0.spilled() { self.0.capacity() * size_of::<(u32, u64)>() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_marked_before_is_gone_and_what_is_marked_after_is_not() {
        let generations = Generations::new(1 << 20);
        let (one, other) = (Tag(7), Tag(8));
        let before = generations.mark([one, other]);
        let apart = generations.mark([Tag(9)]);
        assert_eq!(generations.standing(&before), Standing::Current);
        generations.doubt(other);
        assert_eq!(generations.standing(&before), Standing::Doubted);
        generations.invalidate(one);
        assert_eq!(generations.standing(&before), Standing::Gone);
        assert_eq!(generations.standing(&generations.mark([one, other])), Standing::Current);
        assert_eq!(generations.standing(&apart), Standing::Current);
        generations.invalidate_all();
        assert_eq!(generations.standing(&apart), Standing::Gone);
    }

    #[test]
    fn the_counts_are_bounded() {
        assert_eq!(Generations::new(0).bytes(), 65 * 8);
        assert_eq!(Generations::new(u64::MAX).bytes(), ((1 << 20) + 1) * 8);
        let generations = Generations::new(64 << 20);
        assert!(generations.bytes() * 100 < 64 << 20);
        generations.invalidate(Tag(u64::MAX));
    }
}
