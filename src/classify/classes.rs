//! A set of classes.

use std::fmt;

use super::ErrorClass;

/// A set of classes, one bit for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Classes(u16);

// === impl Classes ===

impl Classes {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, class: ErrorClass) -> Self {
        Self(self.0 | bit(class))
    }

    pub(crate) const fn without(self, class: ErrorClass) -> Self {
        Self(self.0 & !bit(class))
    }

    pub(crate) const fn contains(self, class: ErrorClass) -> bool {
        self.0 & bit(class) != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(ErrorClass::ALL.iter().filter(|class| self.contains(**class)))
            .finish()
    }
}

const fn bit(class: ErrorClass) -> u16 {
    1 << class as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_put_in_and_taken_out_alone() {
        for class in ErrorClass::ALL {
            let one = Classes::NONE.with(class);
            for other in ErrorClass::ALL {
                assert_eq!(one.contains(other), class == other, "{class} and {other}");
            }
            assert_eq!(format!("{one:?}"), format!("{{{class:?}}}"));
            assert!(one.without(class).is_empty());
        }
    }
}
