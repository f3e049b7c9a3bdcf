//! The manual: how the layers work together.
//!
//! The page of each layer has its defaults, readiness, cancellation, cloning and errors. These pages are about several layers:
//!
//! | page | about |
//! |---|---|
//! | [`ordering`] | which layer goes outside of which, and why |
//! | [`readiness`] | what tower's contract demands, and how each layer meets it |
//! | [`sources`] | which token source a provider needs |
//! | [`providers`] | which rate-limit headers, status codes and token endpoints are known |
//! | [`failure_modes`] | what happens when the API rate limits, hangs, fails or signs us out, how to handle it, and what to alert on |
//! | [`events`] | every event, span and metric |
//! | [`testing`] | how to test a stack without a server and without waiting |
//! | [`performance`] | what a call costs, and the goodput under a limit |
//! | [`proof`] | what is promised, and how each promise is tested |
//! | [`comparison`] | what other crates and SDKs do |
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | *call* | one request as the caller sees it, up to the end of the response body |
//! | *attempt* | one request that is sent; a call may take several |
//! | *retry* | an attempt after the first of a call |
//! | *class* | what a failing response means: [`ErrorClass`](crate::classify::ErrorClass) |
//! | *key* | identifies what requests share: a quota, a token or a stored response |
//! | *quota* | the requests that a limit still allows, for one key (by default an origin) |
//! | *permit* | the right to send one request within the quota |
//! | *fetch* | one request for a token or for a response to store, shared by all waiters (*single flight*) |
//! | *cooldown* | the time after a failed fetch in which no other is begun |
//! | *deadline*, *timeout* | a point in time, a span |

pub mod comparison;
pub mod events;
pub mod failure_modes;
pub mod ordering;
pub mod performance;
pub mod proof;
pub mod providers;
pub mod readiness;
pub mod sources;
pub mod testing;
