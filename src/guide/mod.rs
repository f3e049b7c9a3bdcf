//! The manual: what holds for all layers together. There is no code in here.
//!
//! Each layer has a page of its own, which says when to use it and when not, its defaults, and what it does about readiness,
//! cancellation, cloning and errors. These pages are about what lies between them:
//!
//! | page | answers |
//! |---|---|
//! | [`ordering`] | which layer goes outside of which, and why |
//! | [`readiness`] | what tower's contract asks, and what each layer makes of it |
//! | [`providers`] | whose rate-limit headers, status codes and token endpoints are known |
//! | [`failure_modes`] | what happens when the API refuses, hangs, is out or signs us out, what the caller sees, and what to alert on |
//! | [`testing`] | how to try out a stack without a server and without waiting |
//! | [`performance`] | what a call costs, and what is reached under a limit |
//! | [`comparison`] | what other crates and SDKs do |
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | *call* | one request as the caller sees it, to the end of the response body |
//! | *send* | one request on the wire; a call may take several |
//! | *retry* | a send after the first of a call |
//! | *class* | what a failing answer means: [`ErrorClass`](crate::classify::ErrorClass) |
//! | *quota* | what is left of a limit, for one *key* (by default an origin) |
//! | *turn* | the moment at which the quota lets a request go |
//! | *flight* | one acquisition of a token or of a response that is kept, for all who wait for it |
//! | *hold-off* | the time after a failed flight in which none is begun |
//! | *deadline*, *timeout* | a point in time, a span |

pub mod comparison;
pub mod failure_modes;
pub mod ordering;
pub mod performance;
pub mod providers;
pub mod readiness;
pub mod testing;
