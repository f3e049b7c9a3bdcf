//! What we decide: floor 1 of the crate.
//!
//! Every decision here is a function of its arguments. No clock is read and no chance is drawn: `now` and `chance` come in,
//! so a decision can be tested, and explained, without waiting for it. What calls share is asked for by its name: a
//! [`RetryBudget`], and [`Deadline::ambient`].

pub(crate) mod ambient;
mod backoff;
mod budget;
mod class;
mod classes;
mod classification;
mod classifier;
mod deadline;
mod decision;
pub(crate) mod denial;
mod endpoints;
pub(crate) mod errors;
mod freshness;
mod hold_off;
mod limits;
mod marks;
mod progress;
pub mod quota;
mod repeatable;
mod stopped;
pub(crate) mod token_key;
pub(crate) mod token_scope;
mod transport;

pub(crate) use budget::Taken;
pub(crate) use classes::Classes;

pub use backoff::Backoff;
pub use budget::RetryBudget;
pub use class::ErrorClass;
pub use classification::Classification;
pub use classifier::{Answer, Classifier, Preset};
pub use deadline::Deadline;
pub use decision::{Cost, Decision};
pub use endpoints::{Endpoint, Endpoints};
pub use freshness::{Freshness, Moment, TokenState};
pub use hold_off::{FetchFailure, HoldOff};
pub use limits::Limits;
pub use marks::{Attempt, Degraded, Idempotent, NoRetry, Priority, Recovery, TokenReplaced};
pub use progress::Progress;
pub use repeatable::Repeatable;
pub use stopped::Stopped;
