use super::reader::Reader;

/// One header, or a family of headers with a common prefix.
pub(super) struct Dialect {
    /// In lower case. For a family, the prefix without its hyphen.
    pub(super) name: &'static str,
    pub(super) reach: Reach,
    pub(super) shape: Shape,
    /// Whether an explicit delay overrides this family's resets.
    pub(super) delay_governs: bool,
}

/// The names that a row matches.
pub(super) enum Reach {
    /// This name.
    Name,
    /// This name, alone or with a hyphen and a suffix.
    Family,
}

/// How a header is parsed.
pub(super) enum Shape {
    /// An explicit delay. The first row takes precedence.
    Delay(Delay),
    /// One number per header, for one attribute of a window.
    Flat(Keys, &'static [Word]),
    /// The structured field `RateLimit`.
    Items,
    /// The structured field `RateLimit-Policy`.
    Policies,
    /// A vendor's own grammar. The function gets the suffix of the name and the value.
    Vendor(fn(&mut Reader<'_, '_>, &'static Dialect, &str, &[u8])),
}

/// The value of an explicit delay.
#[derive(Clone, Copy)]
pub(super) enum Delay {
    Millis,
    Seconds,
    /// Seconds, or a moment in any form.
    SecondsOrMoment,
    GoDuration,
    /// A `google.rpc.Status` with a `RetryInfo`, in base64.
    RetryInfo,
}

/// How the names of a flat family are composed, apart from its own words.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// Every name is listed.
    Listed,
    /// An attribute (`limit`, `remaining`, `reset`, `reset-after`): one window.
    None,
    /// A key and an attribute: a window for each key.
    Before,
    /// An attribute, alone, before a key or after one.
    Either,
    /// A key; the value is what remains.
    Remaining,
}

/// A family's own word.
pub(super) struct Word {
    /// The suffix after the family's name and hyphen.
    pub(super) text: &'static str,
    pub(super) attribute: Attribute,
    /// The key of its window; empty if the family has one window.
    pub(super) key: &'static str,
}

/// The attribute of a window that a number sets. A greater variant overrides a lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attribute {
    /// A limit if there is no other.
    LimitElse,
    Limit,
    Remaining,
    /// A reset if there is no other.
    ResetElse,
    Reset,
    /// Always seconds from now.
    ResetAfter,
}

/// The words that all flat families share; a longer word precedes its prefix.
pub(super) const WORDS: [(&str, Attribute); 4] = [
    ("limit", Attribute::Limit),
    ("remaining", Attribute::Remaining),
    ("reset-after", Attribute::ResetAfter),
    ("reset", Attribute::Reset),
];

// === impl Attribute ===

impl Attribute {
    /// The attribute of one of [`WORDS`]. Most names are one of them, so this is faster than a search.
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

    /// Whether it is one of the IETF drafts.
    pub(super) fn is_draft(&self) -> bool {
        self.name.starts_with("ratelimit")
    }

    /// The suffix of a name that this row matches.
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

pub(super) const fn vendor(
    name: &'static str,
    reach: Reach,
    read: fn(&mut Reader<'_, '_>, &'static Dialect, &str, &[u8]),
) -> Dialect {
    Dialect { name, reach, shape: Shape::Vendor(read), delay_governs: false }
}

pub(super) const fn word(text: &'static str, attribute: Attribute) -> Word {
    Word { text, attribute, key: "" }
}
