//! Which of the requests with one key a response is for.

use http::{
    HeaderMap, HeaderName,
    header::{InvalidHeaderName, VARY},
};

use super::{
    key::Secret,
    memory::{NAME, names},
};

/// Those that say the same in the fields that it varies by.
#[derive(Clone, Debug, Default)]
pub(super) struct Variant {
    names: Box<[HeaderName]>,
    print: u128,
}

// === impl Variant ===

impl Variant {
    /// The variant of a response with these fields, to a request with those.
    ///
    /// # Errors
    ///
    /// Its `Vary` cannot be read: which requests it is for is not known.
    pub(super) fn of(
        secret: &Secret,
        response: &HeaderMap,
        request: &HeaderMap,
    ) -> Result<Self, InvalidHeaderName> {
        let names: Box<[HeaderName]> = names(response, &VARY).collect::<Result<_, _>>()?;
        let print = secret.variant(&names, request);
        Ok(Self { names, print })
    }

    pub(super) fn is_of(&self, secret: &Secret, request: &HeaderMap) -> bool {
        self.names.is_empty() || secret.variant(&self.names, request) == self.print
    }

    /// The bytes that it takes besides itself, nearly.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.names.iter().map(|name| NAME + name.as_str().len()).sum::<usize>();
        size_of_val(&*self.names) + texts
    }
}
