//! The integration tests: one binary, one module for each behaviour.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test binary has no public items, and its helpers fail as a test does"
)]

#[cfg(feature = "axum")]
mod axum_responses;
mod body_hint;
mod body_hyper;
mod body_layer;
mod body_property;
mod body_reading;
mod body_replay;
mod body_script;
mod classifier;
mod classify_answers;
mod classify_errors;
mod classify_events;
#[cfg(feature = "hyper")]
mod classify_hyper;
mod classify_loopback;
mod classify_recovery;
mod classify_status;
mod classify_storm;
mod classify_tokens;
mod contract;
mod corpus;
mod decision;
mod detach;
#[cfg(feature = "client-credentials")]
mod end_to_end;
mod endpoints;
mod fallback;
mod floors;
mod guide;
mod house;
#[cfg(feature = "metrics")]
mod metrics;
mod quota_first;
mod quota_fleet;
mod quota_hanging;
mod quota_hard;
mod quota_idle;
mod quota_others;
mod quota_safety;
mod quota_table;
mod quota_turns;
mod quota_unsent;
mod rate_limit;
mod rate_limit_properties;
#[cfg(feature = "reqwest")]
mod reqwest_client;
#[cfg(feature = "response-cache")]
mod response_cache;
mod retry;
#[cfg(feature = "client-credentials")]
mod secrets;
mod send_span;
mod server_clock;
mod stack;
mod support;
mod test_util;
mod throttle;
mod timeout;
mod token_attach;
#[cfg(feature = "client-credentials")]
mod token_clerk;
#[cfg(feature = "client-credentials")]
mod token_credentials;
mod token_dropped;
mod token_failures;
mod token_flight;
mod token_handle;
mod token_keys;
#[cfg(feature = "private-key-jwt")]
mod token_private_key;
mod token_rejected;
#[cfg(feature = "client-credentials")]
mod token_rotation;
#[cfg(feature = "client-credentials")]
mod token_secrets;
mod token_states;
mod token_support;
mod tower_http_redirect;
#[cfg(feature = "tower-http")]
mod tower_http_trace;
