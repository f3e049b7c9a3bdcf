use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use super::dialect::{Attribute, Dialect};
use crate::headers::{number::Number, wait::Wait};

/// One of the limits that a request counts against.
///
/// Its limit, its remaining units and its reset may each be unknown. A window is *spent* if its remaining units are known and less
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
    /// `Limit` or `LimitElse`.
    attribute: Attribute,
    /// False for a negative limit, Azure OpenAI's `-1`: the rest of such a window is meaningless.
    metered: bool,
    units: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reset {
    pub(super) attribute: Attribute,
    pub(super) spelling: Spelling,
    pub(super) wait: Wait,
    /// Whether the server sent an absolute time.
    pub(super) is_moment: bool,
}

/// How a header's name is composed of the family's name, the attribute's word and the key.
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
    /// The number of requests or other units that the window allows.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit.map(|limit| limit.units)
    }

    /// The number of units remaining, without a fraction.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.remaining.map(Number::floor)
    }

    /// The time from the response until the window resets: whole milliseconds, rounded up, at most 2^31 s, and zero if that time has
    /// passed.
    #[must_use]
    pub fn reset(&self) -> Option<Duration> {
        self.reset.map(|reset| reset.wait.to_duration())
    }

    /// The same by the server's clock, if the server sent an absolute time. It does not change within a window, unlike a delay in
    /// whole seconds.
    pub(crate) fn reset_moment(&self, date: SystemTime) -> Option<SystemTime> {
        let reset = self.reset.filter(|reset| reset.is_moment)?;
        date.checked_add(reset.wait.to_duration())
    }

    /// The server's name of the window: that of a `RateLimit` item, the key in a header's name (`requests`), the bucket of an Auth0
    /// quota.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The header, or the prefix of the headers, that the window comes from: `x-ratelimit`, `anthropic-ratelimit`. Together with the
    /// name it identifies the window within a response and across responses.
    #[must_use]
    pub const fn family(&self) -> &'static str {
        self.dialect.name
    }

    /// Whether the server sent an absolute time for the reset.
    pub(super) fn resets_at_moment(&self) -> bool {
        self.reset.is_some_and(|reset| reset.is_moment)
    }

    /// Identifies the window among those of one server.
    pub(crate) fn id(&self) -> u64 {
        // A family is one row of a table.
        let family = std::ptr::from_ref(self.dialect).addr() as u64;
        let name = self.name().unwrap_or_default();
        // FNV-1a: a server that makes two of its own windows collide deceives nobody else.
        name.bytes()
            .fold(family, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Whether the limit is zero, so that nothing can be counted against it: a concurrency limit at Okta, push-back in the drafts.
    pub(crate) fn allows_nothing(&self) -> bool {
        self.limit() == Some(0)
    }

    /// Whether the reset is only an estimate. Okta says of a concurrency limit that it is; the drafts' push-back is meant.
    pub(super) fn reset_is_estimated(&self) -> bool {
        self.allows_nothing() && !self.dialect.is_draft()
    }

    /// Whether the remaining units are known and less than one.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.remaining() == Some(0)
    }

    pub(super) const fn new(dialect: &'static Dialect, name: Option<Box<str>>) -> Self {
        Self { dialect, name, limit: None, remaining: None, reset: None }
    }

    /// Whether the limit or the remaining units are known.
    pub(super) const fn has_units(&self) -> bool {
        self.limit.is_some() || self.remaining.is_some()
    }

    /// Whether nothing is known.
    pub(super) const fn is_empty(&self) -> bool {
        !self.has_units() && self.reset.is_none()
    }

    pub(super) fn is_metered(&self) -> bool {
        self.limit.is_none_or(|limit| limit.metered)
    }

    /// The first limit counts; `Limit` overrides `LimitElse`.
    pub(super) fn add_limit(&mut self, limit: Limit) {
        if self.limit.is_none_or(|known| known.attribute < limit.attribute) {
            self.limit = Some(limit);
        }
    }

    /// The least value counts.
    pub(super) fn add_remaining(&mut self, remaining: Number) {
        self.remaining = Some(self.remaining.map_or(remaining, |known| known.min(remaining)));
    }

    /// The latest reset counts; `Reset` overrides `ResetElse`.
    pub(super) fn add_reset(&mut self, reset: Reset) {
        let rank = |reset: &Reset| (reset.attribute, reset.wait);
        if self.reset.is_none_or(|known| rank(&known) < rank(&reset)) {
            self.reset = Some(reset);
        }
    }

    /// With the fraction, for comparison.
    pub(super) const fn units_left(&self) -> Option<Number> {
        self.remaining
    }

    /// Unclamped, for comparison.
    pub(super) fn wait(&self) -> Option<Wait> {
        self.reset.map(|reset| reset.wait)
    }

    /// Whether an explicit delay overrides the reset.
    ///
    /// In the drafts it MUST. In OpenAI's style of names and in Anthropic's headers, the reset is when the window is full again, which
    /// no request has to wait for.
    pub(super) fn yields_to_delay(&self) -> bool {
        self.dialect.delay_governs
            || self.reset.is_some_and(|reset| reset.spelling == Spelling::WordKey)
    }

    /// The name of the reset's header.
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

    /// Parses a number, or a negative one as unmetered.
    pub(super) fn parse(attribute: Attribute, text: &[u8]) -> Option<Self> {
        let (metered, units) = match text {
            [b'-', b'0'..=b'9', ..] => (false, 0),
            _ => (true, Number::parse(text)?.floor()),
        };
        Some(Self { attribute, metered, units })
    }
}
