//! One segment of a pattern's path: how specific it is, and which other segments it covers.

use super::spelling::normal_literal;

/// A segment: a literal, or a parameter between two literals.
#[derive(PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) kind: Kind,
    /// The literal before the parameter, or the whole segment.
    pub(super) prefix: String,
    /// The literal after the parameter.
    pub(super) suffix: String,
}

/// The kinds of segments, the least specific first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Rest,
    Parameter,
    Prefixed,
    Literal,
}

/// Whether every path of the pattern `narrow` is one of the pattern `wide`.
pub(super) fn cover(wide: &[Segment], narrow: &[Segment]) -> bool {
    match (wide, narrow) {
        ([], []) => true,
        // It takes all that is left, if that is not empty.
        ([Segment { kind: Kind::Rest, .. }, ..], [last]) => !last.is_empty(),
        ([Segment { kind: Kind::Rest, .. }, ..], [_, ..]) => true,
        ([one, wide @ ..], [other, narrow @ ..]) => one.covers(other) && cover(wide, narrow),
        _ => false,
    }
}

/// The segments in normal form. `None` if servers may read them as anything.
pub(super) fn normal(segments: &[Segment]) -> Option<Vec<Segment>> {
    let mut normal = Vec::with_capacity(segments.len());
    for Segment { kind, prefix, suffix } in segments {
        let (prefix, is_cut) = normal_literal(prefix)?;
        let (suffix, _) = normal_literal(suffix)?;
        // What follows a `;` is not part of the name.
        let (kind, suffix) = if is_cut { (Kind::Literal, String::new()) } else { (*kind, suffix) };
        match (kind, &*prefix) {
            (Kind::Literal, "." | "..") => return None,
            (Kind::Literal, "") => {}
            _ => normal.push(Segment { kind, prefix, suffix }),
        }
    }
    Some(normal)
}

/// Whether a path in normal form matches.
pub(super) fn matches(segments: &[Segment], path: &str) -> bool {
    let mut rest = path.strip_prefix('/').filter(|rest| !rest.is_empty());
    for Segment { kind, prefix, suffix } in segments {
        let Some(path) = rest else { return false };
        if *kind == Kind::Rest {
            return true;
        }
        let (segment, after) = match path.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (path, None),
        };
        let value = segment.strip_prefix(&**prefix).and_then(|end| end.strip_suffix(&**suffix));
        if value.is_none_or(|value| value.is_empty() != (*kind == Kind::Literal)) {
            return false;
        }
        rest = after;
    }
    rest.is_none()
}

// === impl Segment ===

impl Segment {
    /// The kind, then the length of the literal part.
    pub(super) fn rank(&self) -> (Kind, usize) {
        (self.kind, self.prefix.len() + self.suffix.len())
    }

    fn is_empty(&self) -> bool {
        self.kind == Kind::Literal && self.prefix.is_empty()
    }

    /// Whether this segment, which is not the rest of a path, matches all that `other` matches.
    fn covers(&self, other: &Self) -> bool {
        match (self.kind, other.kind) {
            (Kind::Literal, _) => self == other,
            (_, Kind::Rest) => false,
            (_, Kind::Literal) => other
                .prefix
                .strip_prefix(&*self.prefix)
                .and_then(|value| value.strip_suffix(&*self.suffix))
                .is_some_and(|value| !value.is_empty()),
            _ => other.prefix.starts_with(&*self.prefix) && other.suffix.ends_with(&*self.suffix),
        }
    }
}
