//! The ways to spell a path, and what servers may make of them.
//!
//! Servers differ in what they decode, skip and fold before they route a request
//! ([RFC 3986 section 6](https://www.rfc-editor.org/rfc/rfc3986#section-6) lets them). A decision that must not be evaded by another
//! spelling is made for every reading.

use std::str;

/// What a path may be read as.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spelling<'a> {
    /// As it is written, which is in normal form: decoded, in lower case, without empty segments and `;` parameters.
    Normal(&'a str),
    /// As one of these paths, which are decoded and in lower case. The first one is in normal form. In others an encoded slash is part
    /// of a segment, written `%2f`, and empty segments or parameters are left.
    Several(Vec<String>),
    /// As anything.
    Any,
}

/// A literal of a pattern in normal form, and whether a `;` ends its segment. `None` if it may be read as anything.
pub(super) fn normal_literal(literal: &str) -> Option<(String, bool)> {
    let Decoded { text, has_slash } = Decoded::of(literal)?;
    let text = String::from_utf8(text).ok().filter(|_| !has_slash)?;
    let name = text.split(';').next().unwrap_or_default().to_ascii_lowercase();
    let is_cut = name.len() < text.len();
    Some((name, is_cut))
}

// === impl Spelling ===

impl<'a> Spelling<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        if is_normal(path) {
            return Self::Normal(path);
        }
        let Some(Decoded { text, has_slash }) = Decoded::of(path) else { return Self::Any };
        // A server that cuts parameters first would end the segment at the `;`, and any other at the slash.
        if has_slash && text.contains(&b';') {
            return Self::Any;
        }
        let mut readings = Vec::new();
        for slash in if has_slash { &["/", "%2f"][..] } else { &["/"] } {
            for cuts in [true, false] {
                for empty in [Empty::Skipped, Empty::KeptAtEnd, Empty::Kept] {
                    match reading(&text, slash, cuts, empty) {
                        Some(reading) if readings.contains(&reading) => {}
                        Some(reading) => readings.push(reading),
                        None => return Self::Any,
                    }
                }
            }
        }
        Self::Several(readings)
    }
}

/// What a server does with empty segments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Skipped,
    KeptAtEnd,
    Kept,
}

/// A path without its percent-encoding.
struct Decoded {
    /// An encoded slash is [`ENCODED_SLASH`].
    text: Vec<u8>,
    has_slash: bool,
}

/// No path contains it otherwise: control characters are refused.
const ENCODED_SLASH: u8 = 0;

// === impl Decoded ===

impl Decoded {
    /// `None` if servers may decode it to anything: what was decoded can be decoded again, is a backslash or a control character,
    /// or a `%` encodes nothing.
    fn of(path: &str) -> Option<Self> {
        let mut text = Vec::with_capacity(path.len());
        let mut has_slash = false;
        let mut rest = path.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            let byte = if *first == b'%' {
                let ([high, low], after) = rest.split_first_chunk()?;
                rest = after;
                let byte = hex(*high)? << 4 | hex(*low)?;
                if byte == b'/' {
                    has_slash = true;
                    text.push(ENCODED_SLASH);
                    continue;
                }
                // The end of the path, if it is read once more.
                if matches!(byte, b'?' | b'#') {
                    return None;
                }
                byte
            } else {
                *first
            };
            if byte == b'\\' || byte.is_ascii_control() {
                return None;
            }
            text.push(byte);
        }
        let again = |digits: &[u8]| matches!(digits, [b'%', high, low] if hex(*high).is_some() && hex(*low).is_some());
        (!text.windows(3).any(again)).then_some(Self { text, has_slash })
    }
}

/// The path in lower case, without the parameters if it `cuts` them. `None` if it has dot segments or is no UTF-8.
fn reading(text: &[u8], slash: &str, cuts: bool, empty: Empty) -> Option<String> {
    let text = str::from_utf8(text).ok()?.replace(char::from(ENCODED_SLASH), slash);
    let mut path = String::with_capacity(text.len());
    let text = text.strip_prefix('/').unwrap_or(&text);
    let mut segments = text.split('/').peekable();
    while let Some(segment) = segments.next() {
        let name = segment.split(';').next().unwrap_or_default();
        if matches!(name, "." | "..") {
            return None;
        }
        let segment = if cuts { name } else { segment };
        let is_kept = match empty {
            Empty::Skipped => false,
            Empty::KeptAtEnd => segments.peek().is_none(),
            Empty::Kept => true,
        };
        if is_kept || !segment.is_empty() {
            path.push('/');
            path.push_str(segment);
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path.make_ascii_lowercase();
    Some(path)
}

/// Whether a path is in normal form already, as most are.
fn is_normal(path: &str) -> bool {
    let mut at_start = true;
    let mut bytes = path.bytes();
    if bytes.next() != Some(b'/') {
        return false;
    }
    for byte in bytes.by_ref() {
        match byte {
            // An empty segment, or one that may be a dot segment.
            b'/' | b'.' if at_start => return false,
            b'%' | b';' | b'\\' | b'A'..=b'Z' => return false,
            byte if byte.is_ascii_control() => return false,
            byte => at_start = byte == b'/',
        }
    }
    !at_start || path == "/"
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> String {
        match Spelling::of(path) {
            Spelling::Normal(path) => path.to_owned(),
            Spelling::Several(readings) => readings[0].clone(),
            Spelling::Any => panic!("{path} may be anything"),
        }
    }

    #[test]
    fn one_path_has_one_normal_form() {
        for path in [
            "/permissions/1",
            "//permissions/1",
            "/permissions//1/",
            "/%70ermissions/1",
            "/Permissions/1",
            "/permissions;x=1/1",
            "/permissions/1;a=b;c",
            "/;x/permissions/1",
            "/PERMISSIONS%3bx/%31",
        ] {
            assert_eq!(normal(path), "/permissions/1", "{path}");
        }
        for root in ["/", "//", "", "/;x"] {
            assert_eq!(normal(root), "/", "{root}");
        }
        assert_eq!(normal("/.well-known/x"), "/.well-known/x");
        assert_eq!(normal("/caf%C3%A9/100%25"), "/café/100%");
    }

    #[test]
    fn an_encoded_slash_is_read_in_two_ways() {
        let read = ["/a/b/c", "/a/b%2fc"].map(str::to_owned);
        assert_eq!(Spelling::of("/A/b%2Fc"), Spelling::Several(read.into()));
    }

    #[test]
    fn empty_segments_and_parameters_may_be_left() {
        let read = ["/a/1", "/a/1/", "//a/1/", "/a/1;b", "/a/1;b/", "//a/1;b/"].map(str::to_owned);
        assert_eq!(Spelling::of("//A/1;b/"), Spelling::Several(read.into()));
    }

    #[test]
    fn what_servers_read_differently_may_be_anything() {
        for path in [
            "/a/../permissions/1",
            "/./permissions/1",
            "/a/%2e%2E/permissions/1",
            "/a/..;/permissions/1",
            "/a/..%2fpermissions/1",
            "/%2570ermissions/1",
            "/\\permissions/1",
            "/%5cpermissions/1",
            "/%u0070ermissions/1",
            "/permissions%00/1",
            "/permissions%/1",
            "/%C0%AFpermissions/1",
            "/permissions;b%2fc/1",
            "/permissions/1%3Fx",
            "/permissions/1%23x",
        ] {
            assert_eq!(Spelling::of(path), Spelling::Any, "{path}");
        }
    }
}
