//! The grammar of a field that is a list.

/// The members of a list: split at commas outside of quotes.
pub(super) fn split_list(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quotes = Quotes::default();
    field.split(move |byte| quotes.are_closed_after(*byte) && *byte == b',')
}

/// Whether a text is a `token` ([RFC 9110 section 5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)).
pub(super) fn is_token(text: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_tchar)
}

/// Whether a text is a `quoted-string` ([RFC 9110 section 5.6.4](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4)).
pub(super) fn is_quoted(text: &[u8]) -> bool {
    let mut quotes = Quotes::default();
    let closed = text.iter().position(|byte| quotes.are_closed_after(*byte));
    text.len() > 1 && closed == Some(text.len() - 1)
}

/// Whether a position in a field is within quotes.
#[derive(Default)]
struct Quotes {
    are_open: bool,
    is_escaped: bool,
}

// === impl Quotes ===

impl Quotes {
    fn are_closed_after(&mut self, byte: u8) -> bool {
        let was_escaped = std::mem::take(&mut self.is_escaped);
        match byte {
            b'"' if !was_escaped => self.are_open = !self.are_open,
            b'\\' if self.are_open && !was_escaped => self.is_escaped = true,
            _ => {}
        }
        !self.are_open
    }
}
