//! The members of a JSON object whose strings may be secrets: each is wiped when it is dropped.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

/// The members of an object, by name.
#[derive(Clone, Default)]
pub(super) struct Members(BTreeMap<String, Member>);

/// One value. What is of no use to a token response is not kept.
#[derive(Clone)]
pub(super) enum Member {
    Null,
    Number(f64),
    Text(Zeroizing<String>),
    Object(Members),
    Other,
}

/// How serde_json gives a number to a visitor if another crate enabled its feature `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

// === impl Members ===

impl Members {
    /// The object that `body` is, if it is one.
    pub(super) fn from_slice(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body) {
            Ok(Member::Object(members)) => Some(members),
            Ok(Member::Null | Member::Number(_) | Member::Text(_) | Member::Other) | Err(_) => None,
        }
    }

    /// The member of that name, or at the end of a path of names with dots in between.
    pub(super) fn at(&self, path: &str) -> Option<&Member> {
        if let Some(member) = self.0.get(path) {
            return Some(member);
        }
        let (name, rest) = path.split_once('.')?;
        match self.0.get(name)? {
            Member::Object(members) => members.at(rest),
            Member::Null | Member::Number(_) | Member::Text(_) | Member::Other => None,
        }
    }

    /// The same, if it is a string.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match self.at(path)? {
            Member::Text(text) => Some(text),
            Member::Null | Member::Number(_) | Member::Object(_) | Member::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(Any)
    }
}

struct Any;

// === impl Any ===

impl<'de> Visitor<'de> for Any {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Member, E> {
        Ok(Member::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Member, E> {
        Ok(Member::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Member, E> {
        Ok(Member::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Member, E> {
        Ok(Member::Text(Zeroizing::new(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Member, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, member)) = map.next_entry::<String, Member>()? {
            if let (NUMBER, Member::Text(digits)) = (name.as_str(), &member) {
                return Ok(digits.parse().map_or(Member::Other, Member::Number));
            }
            members.insert(name, member);
        }
        Ok(Member::Object(Members(members)))
    }
}
