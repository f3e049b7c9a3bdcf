/// How the request is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestFormat {
    /// `application/x-www-form-urlencoded`, as the RFC has it.
    #[default]
    Form,
    /// `application/json`, which Auth0 takes as well.
    Json,
}

// === impl RequestFormat ===

impl RequestFormat {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        }
    }
}
