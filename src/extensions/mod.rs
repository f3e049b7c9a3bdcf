//! What travels with a call from layer to layer: in the extensions of requests and responses, and around each poll.

pub(crate) mod ambient;
mod deadline;
mod marks;
pub(crate) mod token_key;
pub(crate) mod token_scope;

pub use deadline::Deadline;
pub use marks::{Attempt, Degraded, Idempotent, NoRetry, Priority, Recovery, TokenReplaced};
