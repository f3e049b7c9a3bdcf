//! Bodies that can be sent twice, and responses read with a bound.

mod hint;
mod hyper;
mod layer;
mod property;
mod reading;
mod replay;
pub(crate) mod script;
mod stalled_uploads;
mod uploads;
