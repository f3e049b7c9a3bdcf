/// Why a response is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotKept {
    /// Its status is none of 200, 203 and 204.
    Status,
    /// It says `no-store`.
    NoStore,
    /// It says `no-cache`, or is stale when it comes: the server wants to be asked each time.
    NoCache,
    /// It sets a cookie.
    SetCookie,
    /// It varies by more than the request's header fields: `Vary: *`.
    VaryAny,
    /// Its body is longer than what is kept.
    TooLong,
    /// Its body ended before its promised length ([RFC 9111 section 3.3]).
    ///
    /// [RFC 9111 section 3.3]: https://www.rfc-editor.org/rfc/rfc9111#section-3.3
    Incomplete,
}

// === impl NotKept ===

impl NotKept {
    /// The reason in snake case, as it stands in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::NoStore => "no_store",
            Self::NoCache => "no_cache",
            Self::SetCookie => "set_cookie",
            Self::VaryAny => "vary_any",
            Self::TooLong => "too_long",
            Self::Incomplete => "incomplete",
        }
    }
}
