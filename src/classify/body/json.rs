//! The scalars of a JSON text, also of one that is cut.

/// The deepest level that is looked at. What the presets look for is at the fifth.
const MAX_DEPTH: usize = 64;

/// Goes through the strings, numbers and words of a JSON text, each with the keys that lead to it. It ends where the text does, or is no
/// JSON.
#[derive(Debug)]
pub(super) struct Scalars<'a> {
    rest: &'a [u8],
    /// The objects and arrays around the next value: the key for an object, none for an array.
    path: Vec<Option<&'a [u8]>>,
    /// Whether a member of this name of the outermost object is an object or an array.
    pub(super) has_container: bool,
    watched: &'static [u8],
}

// === impl Scalars ===

impl<'a> Scalars<'a> {
    pub(super) const fn of(text: &'a [u8]) -> Self {
        Self::watching(text, "")
    }

    /// The same, which also notes whether the member `watched` of the outermost object is an object or an array, if only an empty one.
    pub(super) const fn watching(text: &'a [u8], watched: &'static str) -> Self {
        let watched = watched.as_bytes();
        Self { rest: text, path: Vec::new(), has_container: false, watched }
    }

    /// Whether all of the text was read, and every object and array in it ends.
    pub(super) fn is_at_end(&self) -> bool {
        self.path.is_empty() && self.rest.trim_ascii_start().is_empty()
    }

    /// Whether the keys that lead to the last value are these. Arrays do not count.
    pub(super) fn is_at(&self, keys: &[&str]) -> bool {
        self.path.iter().flatten().copied().eq(keys.iter().map(|key| key.as_bytes()))
    }

    /// The text of a string up to its closing quote, without looking at escapes. The opening one has been read.
    fn string(&mut self) -> Option<&'a [u8]> {
        let mut escaped = false;
        let end = self.rest.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        })?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Some(text)
    }

    fn is_before_colon(&mut self) -> bool {
        self.rest = self.rest.trim_ascii_start();
        match self.rest.strip_prefix(b":") {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

impl<'a> Iterator for Scalars<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (first, rest) = self.rest.trim_ascii_start().split_first()?;
            let whole = self.rest.trim_ascii_start();
            self.rest = rest;
            if matches!(first, b'{' | b'[') && self.path.iter().flatten().eq([&self.watched]) {
                self.has_container = true;
            }
            match first {
                b'{' | b'[' if self.path.len() == MAX_DEPTH => return None,
                b'{' => self.path.push(Some(b"")),
                b'[' => self.path.push(None),
                b'}' | b']' => drop(self.path.pop()?),
                b',' | b':' => {}
                b'"' => {
                    let text = self.string()?;
                    let key = self.path.last_mut().and_then(Option::as_mut).map(|_| ());
                    if key.is_none() || !self.is_before_colon() {
                        return Some(text);
                    }
                    if let Some(Some(key)) = self.path.last_mut() {
                        *key = text;
                    }
                }
                _ => {
                    let is_end = |byte: &u8| b",}] \t\r\n".contains(byte);
                    let end = whole.iter().position(is_end).unwrap_or(whole.len());
                    let (scalar, rest) = whole.split_at(end.max(1));
                    self.rest = rest;
                    return Some(scalar);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(text: &'a str, keys: &[&str]) -> Vec<&'a str> {
        let mut scalars = Scalars::of(text.as_bytes());
        let mut found = Vec::new();
        while let Some(value) = scalars.next() {
            if scalars.is_at(keys) {
                found.push(std::str::from_utf8(value).unwrap_or_default());
            }
        }
        found
    }

    #[test]
    fn values_are_found_by_their_keys_alone() {
        let text = r#"{"errors":[{"message":"a \"quoted\" code: \\","extensions":{"code":"THROTTLED","n":1.5}},
            {"extensions":{"code":"OTHER"}}],"data":null,"code":"outer"}"#;
        assert_eq!(found(text, &["errors", "extensions", "code"]), ["THROTTLED", "OTHER"]);
        assert_eq!(found(text, &["errors", "extensions", "n"]), ["1.5"]);
        assert_eq!(found(text, &["code"]), ["outer"]);
        assert_eq!(found(text, &["data"]), ["null"]);
        assert_eq!(found(text, &["extensions", "code"]), [""; 0]);
    }

    #[test]
    fn a_text_that_is_cut_or_no_json_ends() {
        let text = r#"{"error":{"code":"insufficient_quota","message":"You exc"#;
        assert_eq!(found(text, &["error", "code"]), ["insufficient_quota"]);
        for text in ["", "}", "]]", "\"", "{{{", "[[[[", "{\"a\"", "<html>", ":,:", "\u{0}"] {
            assert_eq!(found(text, &["error", "code"]), [""; 0], "{text}");
        }
        assert_eq!(found(&"[".repeat(100_000), &[]), [""; 0]);
    }
}
