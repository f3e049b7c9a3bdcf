//! Responses that repeat what an earlier one said, apart from the units that are left.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

use super::{
    Bucket, Scan, Window,
    bucket::BucketFields,
    dialect::{Attribute, Shape},
    dialects, flat,
    text::trim,
};
use crate::headers::number::few_digits;

/// The responses that are remembered: servers leave out some header fields at times, and a client calls more than one.
const MAX_RESPONSES: usize = 4;

/// The most windows of a response that is remembered.
pub(crate) const MAX_WINDOWS: usize = 4;

/// The most header fields of a response that is remembered.
const MAX_LINES: usize = 48;

/// The longest value that is remembered; a date has 29 bytes.
const MAX_VALUE: usize = 48;

/// The last few responses, with what was made of each.
///
/// A response with the same names in the same order, and the same values of all that are read apart from the units that are left,
/// means the same. Then only those units are parsed. Anything else is read anew.
#[derive(Debug)]
pub(crate) struct Repeats<T> {
    responses: SmallVec<[Response<T>; MAX_RESPONSES]>,
    /// The one that was recognised last.
    last: usize,
    oldest: usize,
}

/// What a response that has been recognised says anew.
#[derive(Debug)]
pub(crate) struct Repeat<'a> {
    /// What is left of each window.
    pub(crate) left: [u64; MAX_WINDOWS],
    pub(crate) bucket: Option<Bucket<'a>>,
}

#[derive(Debug)]
struct Response<T> {
    lines: Vec<Line>,
    bucket: NamedBy,
    made: T,
}

#[derive(Debug)]
struct Line {
    name: HeaderName,
    role: Role,
    value: Text,
}

/// What a header field means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It is not read.
    Other,
    /// Its value has to be the same.
    Same,
    /// The same, and it names the bucket.
    Bucket,
    /// The units that are left of a window.
    Left(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamedBy {
    Nothing,
    Global,
    Line,
}

/// A short value.
#[derive(Clone, Copy, Debug)]
struct Text {
    bytes: [u8; MAX_VALUE],
    len: u8,
}

// === impl Repeats ===

impl<T: Copy> Repeats<T> {
    pub(crate) const fn new() -> Self {
        Self { responses: SmallVec::new_const(), last: 0, oldest: 0 }
    }

    /// Recognises a response.
    #[inline]
    pub(crate) fn recognise<'a>(&mut self, headers: &'a HeaderMap) -> Option<(&T, Repeat<'a>)> {
        let mut found = self.responses.get(self.last)?.repeated_by(headers);
        if found.is_none() {
            found = self.recognise_other(headers);
        }
        Some((&self.responses.get(self.last)?.made, found?))
    }

    #[cold]
    fn recognise_other<'a>(&mut self, headers: &'a HeaderMap) -> Option<Repeat<'a>> {
        let found = self.responses.iter().enumerate().find_map(|(index, response)| {
            let is_other = index != self.last;
            Some((index, is_other.then(|| response.repeated_by(headers)).flatten()?))
        });
        let (index, repeat) = found?;
        self.last = index;
        Some(repeat)
    }

    /// Remembers a response and what was made of it, if only the units that are left can differ from it to the next.
    pub(crate) fn remember(&mut self, headers: &HeaderMap, scan: &Scan<'_>, made: T) {
        if !is_timeless(scan) || headers.len() > MAX_LINES {
            return;
        }
        let same = self.responses.iter().position(|response| response.has_names_of(headers));
        let index = same.unwrap_or_else(|| {
            if self.responses.len() < MAX_RESPONSES {
                self.responses.push(Response::new(made));
                return self.responses.len() - 1;
            }
            let index = self.oldest;
            self.oldest = (self.oldest + 1) % MAX_RESPONSES;
            index
        });
        self.last = index;
        if let Some(response) = self.responses.get_mut(index) {
            response.made = made;
            if response.set(headers, scan).is_none() {
                // It is never recognised.
                response.lines.clear();
            }
        }
    }
}

/// Whether the windows have a header for each number, and the client's own clock made no difference.
fn is_timeless(scan: &Scan<'_>) -> bool {
    let windows = scan.limit.windows();
    let is_flat = |window: &Window| matches!(window.dialect.shape, Shape::Flat(..));
    scan.limit.delay.is_none()
        && (1..=MAX_WINDOWS).contains(&windows.len())
        && windows.iter().all(is_flat)
        && (scan.date.is_some() || !windows.iter().any(Window::resets_at_moment))
}

// === impl Response ===

impl<T: Copy> Response<T> {
    const fn new(made: T) -> Self {
        Self { lines: Vec::new(), bucket: NamedBy::Nothing, made }
    }

    #[inline]
    fn repeated_by<'a>(&self, headers: &'a HeaderMap) -> Option<Repeat<'a>> {
        if self.lines.len() != headers.len() || self.lines.is_empty() {
            return None;
        }
        let mut left = [0; MAX_WINDOWS];
        let mut bucket = None;
        for (line, (name, value)) in self.lines.iter().zip(headers) {
            if line.name != *name {
                return None;
            }
            match line.role {
                Role::Other => {}
                Role::Same if line.value.is(value) => {}
                Role::Bucket if line.value.is(value) => bucket = Some(value),
                Role::Left(window) => {
                    *left.get_mut(usize::from(window))? = few_digits(trim(value.as_bytes()))?;
                }
                Role::Same | Role::Bucket => return None,
            }
        }
        let bucket = match self.bucket {
            NamedBy::Nothing => None,
            NamedBy::Global => Some(Bucket::Global),
            NamedBy::Line => Some(Bucket::Named(bucket?.to_str().ok()?.trim())),
        };
        Some(Repeat { left, bucket })
    }

    fn has_names_of(&self, headers: &HeaderMap) -> bool {
        let lines = self.lines.iter().map(|line| &line.name);
        self.lines.len() == headers.len() && lines.eq(headers.iter().map(|(name, _)| name))
    }

    /// `None` if the response cannot be recognised.
    fn set(&mut self, headers: &HeaderMap, scan: &Scan<'_>) -> Option<()> {
        self.lines.clear();
        self.bucket = match scan.bucket {
            None => NamedBy::Nothing,
            Some(Bucket::Global) => NamedBy::Global,
            Some(Bucket::Named(_)) => NamedBy::Line,
        };
        let mut lefts = 0_u8;
        for (name, value) in headers {
            let role = role(name, value, scan)?;
            if let Role::Left(window) = role {
                // Of several lines the least counts, so there must be one only.
                let bit = 1 << window;
                if lefts & bit != 0 {
                    return None;
                }
                lefts |= bit;
            }
            let value = match role {
                Role::Same | Role::Bucket => Text::new(value)?,
                Role::Other | Role::Left(_) => Text::EMPTY,
            };
            self.lines.push(Line { name: name.clone(), role, value });
        }
        // Every window has its line.
        let all = (1_u8 << scan.limit.windows().len()) - 1;
        let is_named = self.lines.iter().filter(|line| line.role == Role::Bucket).count() == 1;
        (lefts == all && (self.bucket != NamedBy::Line || is_named)).then_some(())
    }
}

/// `None` if the response cannot be recognised.
fn role(name: &HeaderName, value: &HeaderValue, scan: &Scan<'_>) -> Option<Role> {
    let Some((_, dialect, rest)) = dialects::find(name.as_str()) else {
        let is_read = *name == header::DATE || *name == header::AGE;
        return Some(if is_read { Role::Same } else { Role::Other });
    };
    let Shape::Flat(keys, words) = dialect.shape else { return Some(Role::Same) };
    match flat::attribute(keys, words, rest) {
        Some((Attribute::Remaining, key, _)) => {
            few_digits(trim(value.as_bytes()))?;
            let name = (!key.is_empty()).then_some(key);
            let mut windows = scan.limit.windows().iter();
            let at = windows.position(|window| window.dialect == dialect && window.name() == name);
            Some(Role::Left(u8::try_from(at?).ok()?))
        }
        Some(_) => Some(Role::Same),
        None if !BucketFields::has(dialect, rest) => Some(Role::Other),
        None => Some(match scan.bucket {
            Some(Bucket::Named(bucket)) if trim(value.as_bytes()) == bucket.as_bytes() => {
                Role::Bucket
            }
            _ => Role::Same,
        }),
    }
}

// === impl Text ===

impl Text {
    const EMPTY: Self = Self { bytes: [0; MAX_VALUE], len: 0 };

    /// `None` if the value is too long.
    fn new(value: &HeaderValue) -> Option<Self> {
        let value = value.as_bytes();
        let mut text = Self::EMPTY;
        text.bytes.get_mut(..value.len())?.copy_from_slice(value);
        text.len = u8::try_from(value.len()).ok()?;
        Some(text)
    }

    #[inline]
    fn is(&self, value: &HeaderValue) -> bool {
        self.bytes.get(..usize::from(self.len)) == Some(value.as_bytes())
    }
}
