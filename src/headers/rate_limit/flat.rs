//! Families with one number per header, for one attribute of a window.

use super::{
    bucket::BUCKET_FAMILY,
    clock::{self, Clock},
    dialect::{Attribute, Dialect, Keys, WORDS, Word},
    reader::Reader,
    text::members,
    window::{Limit, Reset, Spelling},
};
use crate::headers::{number::Number, wait::Wait};

/// Reads one header of the family; `rest` is the suffix of its name.
pub(super) fn read<'a>(
    reader: &mut Reader<'a, '_>,
    dialect: &'static Dialect,
    (keys, words): (Keys, &'static [Word]),
    rest: &str,
    value: &'a [u8],
) {
    let Some((attribute, key, spelling)) = attribute(keys, words, rest) else {
        if dialect.name == BUCKET_FAMILY {
            reader.bucket.add(rest, value);
        }
        return;
    };
    let key = (!key.is_empty()).then_some(key);
    // Only a valid value starts a window, so that a malformed header changes nothing.
    match attribute {
        Attribute::Limit | Attribute::LimitElse => {
            let Some(limit) = limit(attribute, value) else { return };
            if let Some(window) = reader.window(dialect, key) {
                window.add_limit(limit);
            }
        }
        Attribute::Remaining => {
            let Some(remaining) = remaining(value) else { return };
            if let Some(window) = reader.window(dialect, key) {
                window.add_remaining(remaining);
            }
        }
        Attribute::Reset | Attribute::ResetElse | Attribute::ResetAfter => {
            let Some((wait, is_moment)) = reset(&mut reader.clock, attribute, value) else {
                return;
            };
            if let Some(window) = reader.window(dialect, key) {
                window.add_reset(Reset { attribute, wait, spelling, is_moment });
            }
        }
    }
}

/// The attribute, the key and the spelling of a name.
pub(super) fn attribute<'a>(
    keys: Keys,
    words: &'static [Word],
    rest: &'a str,
) -> Option<(Attribute, &'a str, Spelling)> {
    let alone = || Some((Attribute::from_word(rest)?, "", Spelling::Word));
    // Most names are one of these, which no family of these keys has a word of its own for.
    if let Keys::None | Keys::Either = keys {
        if let found @ Some(_) = alone() {
            return found;
        }
    }
    if let Some(word) = words.iter().find(|word| word.text == rest) {
        return Some((word.attribute, word.key, Spelling::Word));
    }
    let behind_key = || {
        WORDS.iter().find_map(|(word, attribute)| {
            let key = rest.strip_suffix(word)?.strip_suffix('-')?;
            (!key.is_empty()).then_some((*attribute, key, Spelling::KeyWord))
        })
    };
    let before_key = || {
        WORDS.iter().find_map(|(word, attribute)| {
            let key = rest.strip_prefix(word)?.strip_prefix('-')?;
            (!key.is_empty()).then_some((*attribute, key, Spelling::WordKey))
        })
    };
    match keys {
        Keys::Listed | Keys::None => None,
        Keys::Before => behind_key(),
        Keys::Either => before_key().or_else(behind_key),
        Keys::Remaining => {
            (!rest.is_empty()).then_some((Attribute::Remaining, rest, Spelling::Key))
        }
    }
}

/// The first member that is a limit: `10, 10;w=1;name="ip"` is 10, and the policies are skipped.
fn limit(attribute: Attribute, value: &[u8]) -> Option<Limit> {
    let read = |text| Limit::parse(attribute, text);
    // Most values have one member and need no splitting.
    read(value).or_else(|| members(value).find_map(read))
}

/// The least member: two limiters on the path may each have added one.
fn remaining(value: &[u8]) -> Option<Number> {
    Number::parse(value).or_else(|| members(value).filter_map(Number::parse).min())
}

/// The latest member. The whole value is tried first, because an HTTP-date has a comma and is not a list.
fn reset(clock: &mut Clock<'_, '_>, attribute: Attribute, value: &[u8]) -> Option<(Wait, bool)> {
    let mut read = |text: &[u8]| match attribute {
        Attribute::ResetAfter => Some((clock::seconds(text)?, false)),
        _ => clock.reset(text),
    };
    read(value).or_else(|| members(value).filter_map(read).max())
}
