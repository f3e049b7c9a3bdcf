//! Splitting header values.

/// Removes optional whitespace, which is SP and HTAB only
/// ([RFC 9110 section 5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
pub(in crate::headers) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The parts between a separator, each trimmed.
pub(super) fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    text.split(move |byte| *byte == separator).map(trim)
}

/// The members of a comma-separated list, each up to its first `;`.
pub(super) fn members(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(text, b',').map(|member| split(member, b';').next().unwrap_or(member))
}

/// The parts before and after the first separator, each trimmed.
pub(super) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((trim(&text[..at]), trim(&text[at + 1..])))
}

/// Decodes ISO 8859-1, the historical encoding of header values.
pub(super) fn latin1(text: &[u8]) -> Box<str> {
    text.iter().copied().map(char::from).collect()
}
