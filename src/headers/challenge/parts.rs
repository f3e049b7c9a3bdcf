/// A part of a `WWW-Authenticate` field.
pub(super) enum Part<'a> {
    Scheme(&'a [u8]),
    Parameter { name: &'a [u8], value: &'a [u8] },
}

/// The parts of one field, in order.
///
/// The grammar of RFC 9110 §11.6.1 is ambiguous without a heuristic: a word before `=` is a parameter's name. Any other word is a
/// scheme at the start of the field or after a comma, and is skipped elsewhere, as a `token68` or as the rest of an unquoted value.
pub(super) struct Parts<'a> {
    rest: &'a [u8],
    scheme_may_follow: bool,
}

// === impl Parts ===

impl<'a> Parts<'a> {
    pub(super) fn new(field: &'a [u8]) -> Self {
        Self { rest: field, scheme_may_follow: true }
    }

    fn skip_separators(&mut self) {
        while let [first, rest @ ..] = self.rest {
            match first {
                b',' => self.scheme_may_follow = true,
                b' ' | b'\t' | b'=' | b'"' => {}
                _ => return,
            }
            self.rest = rest;
        }
    }

    fn word(&mut self) -> &'a [u8] {
        self.take_until(|byte| matches!(byte, b' ' | b'\t' | b',' | b'=' | b'"'))
    }

    fn take_until(&mut self, stop: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| stop(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// The value after a name and `=`. Whitespace around the `=` is invalid but occurs (RFC 9110 §5.6.3).
    fn value(&mut self) -> Option<&'a [u8]> {
        let after_equals = self.rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        if let Some(quoted) = after_equals.strip_prefix(b"\"") {
            let end = end_of_quoted(quoted);
            self.rest = quoted.get(end + 1..).unwrap_or_default();
            Some(&quoted[..end])
        } else {
            self.rest = after_equals;
            Some(self.take_until(|byte| matches!(byte, b' ' | b'\t' | b',')))
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        loop {
            self.skip_separators();
            if self.rest.is_empty() {
                return None;
            }
            let scheme_may_follow = std::mem::take(&mut self.scheme_may_follow);
            let word = self.word();
            if let Some(value) = self.value() {
                return Some(Part::Parameter { name: word, value });
            }
            if scheme_may_follow {
                return Some(Part::Scheme(word));
            }
        }
    }
}

/// The end of a quoted string: its closing quote, or the end of the field.
fn end_of_quoted(quoted: &[u8]) -> usize {
    let mut escaped = false;
    for (at, &byte) in quoted.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    quoted.len()
}
