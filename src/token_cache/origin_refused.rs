//! A request that was not sent because of where it goes.

use std::{error::Error, fmt};

use crate::origin::Origin;

/// A request was not sent, because the token is not for the server it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRefused {
    origin: Option<String>,
    why: Why,
}

/// Why it was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    NotAbsolute,
    NoneAllowed,
    ClearText,
    NotAllowed,
}

// === impl OriginRefused ===

impl OriginRefused {
    pub(super) fn new(origin: Option<Origin<'_>>, why: Why) -> Self {
        Self { origin: origin.map(|origin| origin.to_string()), why }
    }

    /// The origin that the request was for; none if its address names no server.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }
}

impl fmt::Display for OriginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(origin) = &self.origin else {
            return f.write_str("token not sent: the address names no http or https server");
        };
        write!(f, "token not sent to {origin}: ")?;
        f.write_str(match self.why {
            Why::NoneAllowed => {
                "no origin is allowed yet, name it with `TokenCacheLayer::allow_origin`"
            }
            Why::ClearText => {
                "it could be read on the way; if that is meant, use \
                 `TokenCacheLayer::allow_clear_text_origin`"
            }
            Why::NotAllowed | Why::NotAbsolute => "this origin is not among those allowed",
        })
    }
}

impl Error for OriginRefused {}
