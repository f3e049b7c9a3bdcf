//! What the crate's own tests reach of its inside. It is no part of the public API and follows no version.

#![allow(missing_docs, reason = "for the crate's own tests")]

pub use crate::body::{collect::collect_bounded, drain::drain, read::Ending};
pub use crate::endpoint::{Endpoint, EndpointIndex, Endpoints};
pub use crate::headers::{rate_limit::aws::is_aws_throttling, server_clock::ServerClock};
pub use crate::moment::Moment;
#[cfg(feature = "response-cache")]
pub use crate::response_cache::store_policy::AfterFailure;
pub use crate::retry::decision::{Cost, Progress, Retry, decide};
pub use crate::throttle::limiter::{
    Availability, LimiterKind, Observation, Permit, Quota, Reading, Reset, Snapshot,
};

/// The quota of a fleet.
#[cfg(feature = "shared")]
pub mod fleet {
    pub use crate::throttle::fleet::*;
    pub use crate::throttle::limiter::Knowledge;
}
