//! One counter of a rate limit.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use super::dialect::{Attribute, Dialect};
use crate::headers::{number::Number, wait::Wait};

/// One counter: what a server says about one of the limits that a request counts against.
///
/// Each of the limit, what remains of it, and its reset may be missing. A window is *spent* when what remains is known and less
/// than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub(super) dialect: &'static Dialect,
    pub(super) name: Option<Box<str>>,
    limit: Option<Limit>,
    remaining: Option<Number>,
    reset: Option<Reset>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// A true limit, or one that stands in for it.
    attribute: Attribute,
    /// False for a negative limit, Azure OpenAI's `-1`: nothing else that such a window says is true of anything.
    metered: bool,
    units: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reset {
    pub(super) attribute: Attribute,
    pub(super) spelling: Spelling,
    pub(super) wait: Wait,
    /// The server named a moment of its own clock, and not a span from now.
    pub(super) is_moment: bool,
}

/// How a header's name is put together from its family's name, the word for the attribute and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    Bare,
    Key,
    Word,
    WordKey,
    KeyWord,
}

// === impl Window ===

impl Window {
    /// How many requests, or other units, the window lets through.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit.map(|limit| limit.units)
    }

    /// How many of them are left, without a fraction.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.remaining.map(Number::floor)
    }

    /// The time from the answer until the window starts anew: a whole number of milliseconds, rounded up, at most 2^31 s, and zero
    /// if that moment is over.
    #[must_use]
    pub fn reset(&self) -> Option<Duration> {
        self.reset.map(|reset| reset.wait.to_duration())
    }

    /// The same as a moment of the server's own clock, if that is what it named. It stays what it is while the reset is the same,
    /// which a span from the answer, cut to whole seconds, does not.
    #[must_use]
    pub fn reset_moment(&self, date: SystemTime) -> Option<SystemTime> {
        let reset = self.reset.filter(|reset| reset.is_moment)?;
        date.checked_add(reset.wait.to_duration())
    }

    /// What the server calls this window: the name of a `RateLimit` item, the key in a header's name (`requests`), the bucket of
    /// an Auth0 quota.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The header, or the beginning of the headers, that the window comes from: `x-ratelimit`, `anthropic-ratelimit`. Together
    /// with the name it tells a window from the others of an answer, and finds it again in the next.
    #[must_use]
    pub const fn family(&self) -> &'static str {
        self.dialect.name
    }

    /// Whether nothing is left: what remains is known and less than one.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.remaining() == Some(0)
    }

    pub(super) const fn new(dialect: &'static Dialect, name: Option<Box<str>>) -> Self {
        Self { dialect, name, limit: None, remaining: None, reset: None }
    }

    /// Whether it says how many units there are or were.
    pub(super) const fn has_units(&self) -> bool {
        self.limit.is_some() || self.remaining.is_some()
    }

    /// Whether it says nothing.
    pub(super) const fn is_empty(&self) -> bool {
        !self.has_units() && self.reset.is_none()
    }

    pub(super) fn is_metered(&self) -> bool {
        self.limit.is_none_or(|limit| limit.metered)
    }

    /// The first limit counts, and a true one before one that stands in for it.
    pub(super) fn add_limit(&mut self, limit: Limit) {
        if self.limit.is_none_or(|known| known.attribute < limit.attribute) {
            self.limit = Some(limit);
        }
    }

    /// The least counts.
    pub(super) fn add_remaining(&mut self, remaining: Number) {
        self.remaining = Some(self.remaining.map_or(remaining, |known| known.min(remaining)));
    }

    /// The latest counts, and a true one before one that stands in for it.
    pub(super) fn add_reset(&mut self, reset: Reset) {
        let rank = |reset: &Reset| (reset.attribute, reset.wait);
        if self.reset.is_none_or(|known| rank(&known) < rank(&reset)) {
            self.reset = Some(reset);
        }
    }

    /// Unfloored, to compare with.
    pub(super) const fn units_left(&self) -> Option<Number> {
        self.remaining
    }

    /// Uncut, to compare with.
    pub(super) fn wait(&self) -> Option<Wait> {
        self.reset.map(|reset| reset.wait)
    }

    /// Whether an explicit delay governs alone over the reset.
    ///
    /// In the drafts it MUST; in OpenAI's style of names and in Anthropic's headers the reset is the moment at which everything is
    /// full again, which no request has to wait for.
    pub(super) fn yields_to_delay(&self) -> bool {
        self.dialect.delay_governs
            || self.reset.is_some_and(|reset| reset.spelling == Spelling::WordKey)
    }

    /// The name of the header that the reset was read from.
    pub(super) fn reset_header(&self) -> Option<Cow<'static, str>> {
        let reset = self.reset?;
        let (family, key) = (self.dialect.name, self.name().unwrap_or_default());
        let word = self.dialect.word(reset.attribute);
        Some(match reset.spelling {
            Spelling::Bare => Cow::Borrowed(family),
            Spelling::Key => Cow::Owned(format!("{family}-{key}")),
            Spelling::Word => Cow::Owned(format!("{family}-{word}")),
            Spelling::WordKey => Cow::Owned(format!("{family}-{word}-{key}")),
            Spelling::KeyWord => Cow::Owned(format!("{family}-{key}-{word}")),
        })
    }
}

// === impl Limit ===

impl Limit {
    pub(super) const fn units(units: u64) -> Self {
        Self { attribute: Attribute::Limit, metered: true, units }
    }

    /// A number, or a sign and a digit.
    pub(super) fn parse(attribute: Attribute, text: &[u8]) -> Option<Self> {
        let (metered, units) = match text {
            [b'-', b'0'..=b'9', ..] => (false, 0),
            _ => (true, Number::parse(text)?.floor()),
        };
        Some(Self { attribute, metered, units })
    }
}
