//! The structured fields `RateLimit` and `RateLimit-Policy` of the IETF draft, in its older form, a dictionary, and its newer one, a
//! list.

use std::{borrow::Cow, fmt, mem};

use http::HeaderMap;
use sfv::{
    BareItemFromInput, KeyRef, Parser,
    visitor::{
        DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor,
        Never, ParameterVisitor,
    },
};

use super::{
    clock::span,
    dialects::{Attribute, Dialect},
    reader::MAX_WINDOWS,
    text::trim,
    window::{Limit, Reset, Spelling, Window},
};
use crate::wire::number::{Number, SECOND};

/// The windows of both fields.
pub(super) struct Structured {
    items: Vec<Counter>,
    policies: Vec<Counter>,
}

/// A window, as the drafts write it.
#[derive(Default)]
pub(super) struct Counter {
    name: Option<Box<str>>,
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<u64>,
}

// === impl Structured ===

impl Structured {
    /// Reads both, each as one value however many lines it has.
    ///
    /// A malformed field MUST be ignored whole ([RFC 9651 section 4.2]); the other one stands.
    ///
    /// [RFC 9651 section 4.2]: https://www.rfc-editor.org/rfc/rfc9651#section-4.2
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let limits = lines(headers, "ratelimit");
        let mut items = match dictionary(&limits) {
            Some(Ok(counter)) => return Self { items: vec![counter], policies: Vec::new() },
            Some(Err(Malformed)) => Vec::new(),
            None => items(&limits),
        };
        let mut policies = policies(&lines(headers, "ratelimit-policy"));
        for item in &mut items {
            let policy = policies.iter().find(|policy| policy.name == item.name);
            item.limit = policy.and_then(|policy| policy.limit);
        }
        policies.retain(|policy| items.iter().all(|item| item.name != policy.name));
        Self { items, policies }
    }

    /// The windows of `RateLimit`, once.
    pub(super) fn take_items(&mut self) -> Vec<Counter> {
        mem::take(&mut self.items)
    }

    /// The windows of policies that no item names, once.
    pub(super) fn take_policies(&mut self) -> Vec<Counter> {
        mem::take(&mut self.policies)
    }
}

// === impl Counter ===

impl Counter {
    pub(super) fn window(self, dialect: &'static Dialect) -> Window {
        let mut window = Window::new(dialect, self.name);
        if let Some(limit) = self.limit {
            window.add_limit(Limit::units(limit));
        }
        if let Some(remaining) = self.remaining {
            window.add_remaining(Number::from(remaining));
        }
        if let Some(seconds) = self.reset {
            window.add_reset(Reset {
                attribute: Attribute::ResetAfter,
                wait: span(Number::from(seconds), SECOND),
                spelling: Spelling::Bare,
            });
        }
        window
    }
}

/// A field's lines, joined as [RFC 9651 section 4.2](https://www.rfc-editor.org/rfc/rfc9651#section-4.2) says.
fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Cow<'a, [u8]> {
    let mut lines = headers.get_all(name).iter().map(|value| trim(value.as_bytes()));
    let first = lines.next().unwrap_or_default();
    lines.fold(Cow::Borrowed(first), |mut joined, line| {
        joined.to_mut().extend_from_slice(b", ");
        joined.to_mut().extend_from_slice(line);
        joined
    })
}

/// Draft 08 on: `"default";r=50;t=30`.
fn items(field: &[u8]) -> Vec<Counter> {
    let list = List { keys: ["r", "t"], members: Vec::new() };
    let members = Parser::new(field).parse_list_with_visitor(list).unwrap_or_default();
    if members.iter().any(|member| member.name.is_none()) {
        return Vec::new();
    }
    let counter = |Member { name, values: [remaining, reset] }| Counter {
        name,
        remaining,
        reset,
        limit: None,
    };
    members.into_iter().map(counter).collect()
}

/// Draft 08 on: `"default";q=100;w=60`. Policies without a name (`100;w=60`) are older and passed over.
fn policies(field: &[u8]) -> Vec<Counter> {
    let list = List { keys: ["q", ""], members: Vec::new() };
    let members = Parser::new(field).parse_list_with_visitor(list).unwrap_or_default();
    let counter =
        |Member { name, values: [limit, _] }| Counter { name, limit, ..Counter::default() };
    members.into_iter().filter(|member| member.name.is_some()).map(counter).collect()
}

/// Draft 07: `limit=100, remaining=50, reset=5`. `None` if the field is no such dictionary.
fn dictionary(field: &[u8]) -> Option<Result<Counter, Malformed>> {
    let entries = Parser::new(field).parse_dictionary_with_visitor(Entries::default()).ok()?;
    if entries.0.iter().all(|value| matches!(value, Value::Absent)) {
        return None;
    }
    let [limit, remaining, reset] = entries.0;
    let counter = || {
        let (limit, remaining, reset) = (limit.units()?, remaining.units()?, reset.units()?);
        Ok(Counter { name: None, limit, remaining, reset })
    };
    Some(counter())
}

// === Visitors ===

/// A number that a field may give. Of two under one key the last counts, so one that is wrong is wrong only when all is read.
#[derive(Clone, Copy, Default)]
enum Value {
    #[default]
    Absent,
    Units(u64),
    Wrong,
}

impl Value {
    fn units(self) -> Result<Option<u64>, Malformed> {
        match self {
            Self::Absent => Ok(None),
            Self::Units(units) => Ok(Some(units)),
            Self::Wrong => Err(Malformed),
        }
    }
}

impl From<BareItemFromInput<'_>> for Value {
    /// A non-negative integer, or wrong.
    fn from(item: BareItemFromInput<'_>) -> Self {
        match item {
            BareItemFromInput::Integer(integer) => {
                u64::try_from(i64::from(integer)).map_or(Self::Wrong, Self::Units)
            }
            _ => Self::Wrong,
        }
    }
}

/// Well-formed, and yet not what the draft allows.
#[derive(Debug)]
struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed rate limit")
    }
}

impl std::error::Error for Malformed {}

/// A list of names, each with parameters of which two are read.
struct List {
    keys: [&'static str; 2],
    members: Vec<Member>,
}

struct Member {
    /// None for an integer.
    name: Option<Box<str>>,
    values: [Option<u64>; 2],
}

impl<'de> ListVisitor<'de> for List {
    type Out = Vec<Member>;
    type Error = Malformed;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Malformed> {
        Ok(Entry(self))
    }

    fn finish(self) -> Result<Vec<Member>, Malformed> {
        Ok(self.members)
    }
}

struct Entry<'a>(&'a mut List);

impl<'de> EntryVisitor<'de> for Entry<'_> {
    type Error = Malformed;

    fn item(self) -> Result<impl ItemVisitor<'de>, Malformed> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Malformed> {
        Err::<Never, _>(Malformed)
    }
}

impl<'de> ItemVisitor<'de> for Entry<'_> {
    type Out = ();
    type Error = Malformed;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Malformed> {
        let name = match item {
            BareItemFromInput::String(name) => Some(name.as_str().into()),
            BareItemFromInput::Token(name) => Some(name.as_str().into()),
            BareItemFromInput::Integer(_) => None,
            _ => return Err(Malformed),
        };
        Ok(Parameters { list: self.0, name, values: Default::default() })
    }
}

struct Parameters<'a> {
    list: &'a mut List,
    name: Option<Box<str>>,
    values: [Value; 2],
}

impl<'de> ParameterVisitor<'de> for Parameters<'_> {
    type Out = ();
    type Error = Malformed;

    fn parameter(
        &mut self,
        key: &'de KeyRef,
        value: BareItemFromInput<'de>,
    ) -> Result<(), Malformed> {
        if let Some(at) = self.list.keys.iter().position(|known| *known == key.as_str()) {
            self.values[at] = Value::from(value);
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Malformed> {
        let [first, second] = self.values;
        let values = [first.units()?, second.units()?];
        if self.list.members.len() < MAX_WINDOWS {
            self.list.members.push(Member { name: self.name, values });
        }
        Ok(())
    }
}

/// `limit`, `remaining` and `reset`.
#[derive(Default)]
struct Entries([Value; 3]);

impl<'de> DictionaryVisitor<'de> for Entries {
    type Out = Self;
    type Error = Malformed;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Malformed> {
        let at = ["limit", "remaining", "reset"].iter().position(|known| *known == key.as_str());
        Ok(at.map(|at| Slot(&mut self.0[at])))
    }

    fn finish(self) -> Result<Self, Malformed> {
        Ok(self)
    }
}

struct Slot<'a>(&'a mut Value);

impl<'de> EntryVisitor<'de> for Slot<'_> {
    type Error = Malformed;

    fn item(self) -> Result<impl ItemVisitor<'de>, Malformed> {
        Ok(|item: BareItemFromInput<'de>| -> Result<Ignored, Malformed> {
            *self.0 = Value::from(item);
            Ok(Ignored)
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Malformed> {
        *self.0 = Value::Wrong;
        Ok(Ignored)
    }
}
