//! The address of a quota, as it is kept and shown.

use std::{fmt::Write, sync::Arc};

use super::key::Address;

/// Of a name from outside, no more than this is kept to be shown. Longer ones are told apart all the same.
const MAX_SHOWN: usize = 256;

/// The address of a quota, as it is kept.
#[derive(Debug)]
pub(super) struct Name {
    hash: u64,
    shown: Arc<str>,
    spelling: Option<Spelling>,
}

/// How an address was written when it was first seen, most often exactly as the next request has it: compared first, because
/// that takes less than to take it apart.
#[derive(Debug)]
struct Spelling {
    scheme: Option<Box<str>>,
    owner: Box<str>,
    part: Option<(u8, Box<str>)>,
}

// === impl Name ===

impl Name {
    pub(super) fn of(address: &Address<'_>, hash: u64) -> Self {
        let shown = shorten(address.to_string()).into();
        Self { hash, shown, spelling: Spelling::of(address) }
    }

    /// That of one of its buckets.
    pub(super) fn bucket(&self, hash: u64, bucket: &str) -> Self {
        let shown = shorten(format!("{} [{bucket}]", self.shown)).into();
        Self { hash, shown, spelling: None }
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) const fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    /// Whether this address is written just like the one that was first seen. If not, it may be the same all the same.
    #[inline]
    pub(super) fn is_spelled(&self, address: &Address<'_>) -> bool {
        self.spelling.as_ref().is_some_and(|spelling| spelling.is(address))
    }
}

// === impl Spelling ===

impl Spelling {
    fn of(address: &Address<'_>) -> Option<Self> {
        let (scheme, owner) = address.owner();
        // Neither a password nor a novel is kept.
        if owner.len() > MAX_SHOWN || owner.contains('@') {
            return None;
        }
        let part = address.part().map(|(tag, part)| (tag, part.into()));
        Some(Self { scheme: scheme.map(Into::into), owner: owner.into(), part })
    }

    fn is(&self, address: &Address<'_>) -> bool {
        let (scheme, owner) = address.owner();
        *self.owner == *owner
            && self.scheme.as_deref() == scheme
            && self.part.as_ref().map(|(tag, part)| (*tag, &**part)) == address.part()
    }
}

fn shorten(mut name: String) -> String {
    if name.len() > MAX_SHOWN {
        let end = (0..=MAX_SHOWN).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(end);
        // Writing to a string does not fail.
        let _ = name.write_char('…');
    }
    name
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;
    use crate::throttle::key::Part;

    #[test]
    fn a_long_name_is_shown_in_part_and_told_apart_all_the_same() {
        let random = RandomState::new();
        let long = |end: &str| Address::of_owner(("é".repeat(500) + end).into(), Part::Whole);
        let (one, other) = (long("a"), long("b"));
        assert_ne!(one.hash(&random), other.hash(&random));
        assert!(Name::of(&one, 1).shown().len() <= MAX_SHOWN + 3);
        assert!(!Name::of(&one, 1).is_spelled(&one));
    }
}
