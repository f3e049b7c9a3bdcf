//! What a row of the table of dialects says.

use super::reader::Reader;

/// One header, or one family of headers that begin alike.
pub(super) struct Dialect {
    /// In lower case. A family's name without the hyphen that more follows.
    pub(super) name: &'static str,
    pub(super) reach: Reach,
    pub(super) shape: Shape,
    /// An explicit delay governs alone over this family's resets.
    pub(super) delay_governs: bool,
}

/// Which names a row speaks for.
pub(super) enum Reach {
    /// This name.
    Name,
    /// This name, and this name with a hyphen and more.
    Family,
}

/// How the header is read.
pub(super) enum Shape {
    /// An explicit delay. Of several the row that stands first counts.
    Delay(Delay),
    /// A number for each attribute of a window.
    Flat(Keys, &'static [Word]),
    /// The structured field `RateLimit`.
    Items,
    /// The structured field `RateLimit-Policy`.
    Policies,
    /// A grammar of the vendor's own, given what follows the family's name, and the value.
    Own(fn(&mut Reader<'_>, &'static Dialect, &str, &[u8])),
}

/// The value of an explicit delay.
#[derive(Clone, Copy)]
pub(super) enum Delay {
    Millis,
    Seconds,
    SecondsOrDate,
    GoDuration,
}

/// What the names of a flat family are made of, beside words of its own.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// Nothing: every name is listed.
    Listed,
    /// `limit`, `remaining`, `reset`, `reset-after`: one window.
    None,
    /// A key and behind it one of those: a window for each key.
    Before,
    /// One of those, alone, before or behind a key.
    Either,
    /// A key alone, which says what is left.
    Remaining,
}

/// A name of a family's own.
pub(super) struct Word {
    /// What follows the family's name and the hyphen.
    pub(super) text: &'static str,
    pub(super) attribute: Attribute,
    /// Of which of its windows it speaks; empty where the family has one.
    pub(super) key: &'static str,
}

/// What a number says of its window. Of two that say the same, the greater one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attribute {
    /// A limit where there is no other.
    LimitElse,
    Limit,
    Remaining,
    /// A reset where there is no other.
    ResetElse,
    Reset,
    /// Always seconds from now.
    ResetAfter,
}

/// The words for them that all flat families share, the longer one before the one it begins with.
pub(super) const WORDS: [(&str, Attribute); 4] = [
    ("limit", Attribute::Limit),
    ("remaining", Attribute::Remaining),
    ("reset-after", Attribute::ResetAfter),
    ("reset", Attribute::Reset),
];

// === impl Attribute ===

impl Attribute {
    /// What one of [`WORDS`] says, by a jump instead of a search: nearly all names are one of them alone.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "limit" => Some(Self::Limit),
            "remaining" => Some(Self::Remaining),
            "reset" => Some(Self::Reset),
            "reset-after" => Some(Self::ResetAfter),
            _ => None,
        }
    }
}

// === impl Dialect ===

impl Dialect {
    /// The word for an attribute in the family's names.
    pub(super) fn word(&self, attribute: Attribute) -> &'static str {
        let own = match self.shape {
            Shape::Flat(_, words) => words.iter().find(|word| word.attribute == attribute),
            _ => None,
        };
        let usual = || WORDS.iter().find(|(_, known)| *known == attribute);
        own.map(|word| word.text).or_else(|| usual().map(|(word, _)| *word)).unwrap_or_default()
    }

    /// What follows the family's name and its hyphen, if it is one of this row's names.
    pub(super) fn rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        let end = self.name.len();
        match (name.as_bytes().get(end), &self.reach) {
            (None, _) => (name == self.name).then_some(""),
            (Some(b'-'), Reach::Family) if name.starts_with(self.name) => name.get(end + 1..),
            _ => None,
        }
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Dialect {}

impl std::fmt::Debug for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

// === Rows ===

pub(super) const fn delay(name: &'static str, value: Delay) -> Dialect {
    Dialect { name, reach: Reach::Name, shape: Shape::Delay(value), delay_governs: false }
}

pub(super) const fn draft(name: &'static str, reach: Reach, shape: Shape) -> Dialect {
    Dialect { name, reach, shape, delay_governs: true }
}

pub(super) const fn flat(name: &'static str, keys: Keys, words: &'static [Word]) -> Dialect {
    Dialect { name, reach: Reach::Family, shape: Shape::Flat(keys, words), delay_governs: false }
}

pub(super) const fn anthropic(name: &'static str) -> Dialect {
    Dialect { delay_governs: true, ..flat(name, Keys::Before, &[]) }
}

pub(super) const fn own(
    name: &'static str,
    reach: Reach,
    read: fn(&mut Reader<'_>, &'static Dialect, &str, &[u8]),
) -> Dialect {
    Dialect { name, reach, shape: Shape::Own(read), delay_governs: false }
}

pub(super) const fn word(text: &'static str, attribute: Attribute) -> Word {
    Word { text, attribute, key: "" }
}
