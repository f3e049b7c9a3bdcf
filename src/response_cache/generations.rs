//! Which stored responses were invalidated after their request was sent.
//!
//! An invalidation looks nothing up: it increments a counter, and a response whose request was sent under another count is not
//! used any more, nor is one that is being fetched. There are fewer counters than possible tags, so that the memory is bounded;
//! tags that share a counter cost each other a fetch and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::key::Tag;

/// What an invalidation adds to a counter. A suspicion adds one.
const INVALIDATED: u64 = 1 << 32;

/// The counters: the first is for all responses, each other one for the responses with a tag that maps to it.
#[derive(Debug)]
pub(super) struct Generations(Box<[AtomicU64]>);

/// The version of a response: the moment just before its request was sent, and the counts of its tags then.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) sent_at: Instant,
    counts: SmallVec<[(u32, u64); 4]>,
}

/// What has become of a version since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Valid,
    /// A write of unknown outcome may have changed the resource.
    Suspect,
    Invalidated,
}

// === impl Generations ===

impl Generations {
    /// One counter for each KiB of the store, about as many as there are responses, and between 64 and 2^20.
    pub(super) fn new(max_bytes: u64) -> Self {
        let counters = 1_u64 << (max_bytes / 1024).clamp(64, 1 << 20).ilog2();
        Self((0..=counters).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn bytes(&self) -> u64 {
        size_of_val(&*self.0) as u64
    }

    pub(super) fn version(&self, sent_at: Instant, tags: impl IntoIterator<Item = Tag>) -> Version {
        let indices = std::iter::once(0).chain(tags.into_iter().map(|tag| self.index(tag)));
        let counts = indices.map(|index| (index, self.count(index))).collect();
        Version { sent_at, counts }
    }

    pub(super) fn validity(&self, version: &Version) -> Validity {
        let mut validity = Validity::Valid;
        for (index, seen) in &version.counts {
            let count = self.count(*index);
            if count / INVALIDATED != seen / INVALIDATED {
                return Validity::Invalidated;
            }
            if count != *seen {
                validity = Validity::Suspect;
            }
        }
        validity
    }

    pub(super) fn invalidate(&self, tag: Tag) {
        self.add(self.index(tag), INVALIDATED);
    }

    pub(super) fn suspect(&self, tag: Tag) {
        self.add(self.index(tag), 1);
    }

    pub(super) fn invalidate_all(&self) {
        self.add(0, INVALIDATED);
    }

    fn add(&self, index: u32, step: u64) {
        if let Some(counter) = self.0.get(index as usize) {
            counter.fetch_add(step, Ordering::AcqRel);
        }
    }

    fn count(&self, index: u32) -> u64 {
        self.0.get(index as usize).map_or(0, |counter| counter.load(Ordering::Acquire))
    }

    fn index(&self, tag: Tag) -> u32 {
        // All but the first: a power of two of at most 2^20.
        let others = (self.0.len() - 1) as u64;
        (tag.0 & (others - 1)) as u32 + 1
    }
}

// === impl Version ===

impl Version {
    /// The version of something without tags, which is never invalidated.
    pub(super) fn untagged(sent_at: Instant) -> Self {
        Self { sent_at, counts: SmallVec::new() }
    }

    pub(super) fn bytes(&self) -> usize {
        if self.counts.spilled() { self.counts.capacity() * size_of::<(u32, u64)>() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalidation_ends_earlier_versions_of_its_tag_alone() {
        let generations = Generations::new(1 << 20);
        let version = |tags: &[Tag]| generations.version(Instant::now(), tags.iter().copied());
        let (one, other) = (Tag(7), Tag(8));
        let (before, apart) = (version(&[one, other]), version(&[Tag(9)]));
        assert_eq!(generations.validity(&before), Validity::Valid);
        generations.suspect(other);
        assert_eq!(generations.validity(&before), Validity::Suspect);
        generations.invalidate(one);
        assert_eq!(generations.validity(&before), Validity::Invalidated);
        assert_eq!(generations.validity(&version(&[one, other])), Validity::Valid);
        assert_eq!(generations.validity(&apart), Validity::Valid);
        generations.invalidate_all();
        assert_eq!(generations.validity(&apart), Validity::Invalidated);
    }

    #[test]
    fn the_counters_are_bounded() {
        assert_eq!(Generations::new(0).bytes(), 65 * 8);
        assert_eq!(Generations::new(u64::MAX).bytes(), ((1 << 20) + 1) * 8);
        let generations = Generations::new(64 << 20);
        assert!(generations.bytes() * 100 < 64 << 20);
        generations.invalidate(Tag(u64::MAX));
    }
}
