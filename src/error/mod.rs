//! The crate's errors, and how to find them in a [`BoxError`].
//!
//! Every service of this crate has `Error = BoxError`, so that layers stack without conversions. The errors that layers make are of
//! one type, [`Error`], and [`find`] finds it however deep other layers have wrapped it.
//!
//! [`TokenError`] is the error that a token source returns, and [`InvalidConfig`] is the error of constructors.

mod causes;
#[expect(clippy::module_inception, reason = "the type is what the module is about")]
mod error;
mod find;
mod kind;
mod phase;
mod token;
mod token_kind;

pub(crate) use causes::Causes;
pub(crate) use error::Details;
pub use error::Error;
pub use find::{BoxError, InvalidConfig, find};
pub(crate) use find::{as_a, chain, failing_response};
pub use kind::{ErrorKind, NotQueuedReason, NotReplayable};
pub use phase::Phase;
pub use token::TokenError;
pub use token_kind::TokenErrorKind;
