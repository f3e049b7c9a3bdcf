//! The causes of an error, as `Display` shows them.

use std::{error::Error, fmt};

use super::{TokenError, as_a, chain};

/// The longest text of one cause. It is for a person to read, and may repeat what a server sent.
const MAX_TEXT_LEN: usize = 256;

/// Shows the texts of an error and of those below it, outermost first.
///
/// Clients name addresses in their errors: user names, passwords and queries in them are left out.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for link in chain(self.0) {
            let text = shown(&link.to_string());
            // An `io::Error` shows the text of the error in it.
            if last.as_ref() != Some(&text) {
                f.write_str(if last.is_some() { ": " } else { "" })?;
                f.write_str(&text)?;
            }
            // These name their own causes; most other errors do not.
            if as_a::<super::Error>(link).is_some() || as_a::<TokenError>(link).is_some() {
                break;
            }
            last = Some(text);
        }
        Ok(())
    }
}

impl fmt::Debug for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text on one line, within its bound, and without the secret parts of addresses.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + "://".len());
        let is_end = |c: char| c.is_whitespace() || "\"'`<>()".contains(c);
        let (address, after) = address.split_at(address.find(is_end).unwrap_or(address.len()));
        let (authority, path) =
            address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
        shown.push_str(before);
        shown.push_str(authority.rsplit('@').next().unwrap_or_default());
        shown.push_str(path.split(['?', '#']).next().unwrap_or_default());
        rest = after;
    }
    shown.push_str(rest);
    shown.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT_LEN).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn user_names_passwords_and_queries_of_addresses_are_left_out() {
        for (text, expected) in [
            ("refused", "refused"),
            (
                "error for url (https://u:p@id.example/token?code=1#a)",
                "error for url (https://id.example/token)",
            ),
            (
                "via http://u:p@proxy:8080, to https://a.example?k=1 and",
                "via http://proxy:8080, to https://a.example and",
            ),
            ("a\r\nb\u{1b}[31m", "a  b [31m"),
            ("://", "://"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown(&"x".repeat(10_000)).len(), MAX_TEXT_LEN);
    }

    #[test]
    fn each_cause_is_named_once() {
        let inner = io::Error::new(io::ErrorKind::NotFound, "no such host");
        let outer = io::Error::other(inner);
        assert_eq!(Causes(&outer).to_string(), "no such host");
    }
}
