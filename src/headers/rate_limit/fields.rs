//! Reads a few numbers from a structured field with `sfv`'s visitors, without building the rest.

use std::fmt;

use sfv::{
    BareItemFromInput, KeyRef, Parser,
    visitor::{
        DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor,
        Never, ParameterVisitor,
    },
};

use super::reader::MAX_WINDOWS;

/// A member of a list, with the wanted parameters.
pub(super) struct Member<const N: usize> {
    /// The string or token; none for an integer.
    pub(super) name: Option<Box<str>>,
    pub(super) values: [Option<u64>; N],
}

/// A well-formed field that the draft does not allow.
#[derive(Debug)]
pub(super) struct Malformed;

/// The first members of a list, with the parameters of these keys. Empty if any part is invalid.
pub(super) fn list<const N: usize>(field: &[u8], keys: [&'static str; N]) -> Vec<Member<N>> {
    let list = List { keys, members: Vec::new() };
    Parser::new(field).parse_list_with_visitor(list).unwrap_or_default()
}

/// The values of these keys of a dictionary. `None` if the field is not a dictionary or has none of the keys.
pub(super) fn dictionary<const N: usize>(
    field: &[u8],
    keys: [&'static str; N],
) -> Option<Result<[Option<u64>; N], Malformed>> {
    let dictionary = Dictionary { keys, values: [Value::Absent; N] };
    let values = Parser::new(field).parse_dictionary_with_visitor(dictionary).ok()?;
    let any = values.iter().any(|value| !matches!(value, Value::Absent));
    any.then(|| units(values))
}

/// The value of a key. The last one of a key counts, so an invalid value matters only once everything is read.
#[derive(Clone, Copy, Default)]
enum Value {
    #[default]
    Absent,
    Units(u64),
    Invalid,
}

/// The values, if all are valid.
fn units<const N: usize>(values: [Value; N]) -> Result<[Option<u64>; N], Malformed> {
    if values.iter().any(|value| matches!(value, Value::Invalid)) {
        return Err(Malformed);
    }
    Ok(values.map(|value| if let Value::Units(units) = value { Some(units) } else { None }))
}

impl From<BareItemFromInput<'_>> for Value {
    /// A non-negative integer is valid.
    fn from(item: BareItemFromInput<'_>) -> Self {
        match item {
            BareItemFromInput::Integer(integer) => {
                u64::try_from(i64::from(integer)).map_or(Self::Invalid, Self::Units)
            }
            _ => Self::Invalid,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed rate limit")
    }
}

impl std::error::Error for Malformed {}

// === Lists ===

struct List<const N: usize> {
    keys: [&'static str; N],
    members: Vec<Member<N>>,
}

impl<'de, const N: usize> ListVisitor<'de> for List<N> {
    type Out = Vec<Member<N>>;
    type Error = Malformed;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Malformed> {
        Ok(ListEntry(self))
    }

    fn finish(self) -> Result<Self::Out, Malformed> {
        Ok(self.members)
    }
}

struct ListEntry<'a, const N: usize>(&'a mut List<N>);

impl<'de, const N: usize> EntryVisitor<'de> for ListEntry<'_, N> {
    type Error = Malformed;

    fn item(self) -> Result<impl ItemVisitor<'de>, Malformed> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Malformed> {
        Err::<Never, _>(Malformed)
    }
}

impl<'de, const N: usize> ItemVisitor<'de> for ListEntry<'_, N> {
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
        Ok(Parameters { list: self.0, name, values: [Value::Absent; N] })
    }
}

struct Parameters<'a, const N: usize> {
    list: &'a mut List<N>,
    name: Option<Box<str>>,
    values: [Value; N],
}

impl<'de, const N: usize> ParameterVisitor<'de> for Parameters<'_, N> {
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
        let values = units(self.values)?;
        // Further members are validated and skipped.
        if self.list.members.len() < MAX_WINDOWS {
            self.list.members.push(Member { name: self.name, values });
        }
        Ok(())
    }
}

// === Dictionaries ===

struct Dictionary<const N: usize> {
    keys: [&'static str; N],
    values: [Value; N],
}

impl<'de, const N: usize> DictionaryVisitor<'de> for Dictionary<N> {
    type Out = [Value; N];
    type Error = Malformed;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Malformed> {
        let at = self.keys.iter().position(|known| *known == key.as_str());
        Ok(at.map(|at| DictionaryEntry(&mut self.values[at])))
    }

    fn finish(self) -> Result<Self::Out, Malformed> {
        Ok(self.values)
    }
}

struct DictionaryEntry<'a>(&'a mut Value);

impl<'de> EntryVisitor<'de> for DictionaryEntry<'_> {
    type Error = Malformed;

    fn item(self) -> Result<impl ItemVisitor<'de>, Malformed> {
        Ok(|item: BareItemFromInput<'de>| -> Result<Ignored, Malformed> {
            *self.0 = Value::from(item);
            Ok(Ignored)
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Malformed> {
        *self.0 = Value::Invalid;
        Ok(Ignored)
    }
}
