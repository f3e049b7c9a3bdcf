//! An inner service that notices how it is treated: the crate's own, with the body and the error that the tests use.

use std::{error::Error, fmt};

use bytes::Bytes;
use http_body_util::Full;
use tower_heed::test_util::{ScriptedHandle, ScriptedService};

pub use tower_heed::test_util::ScriptedResponse;

pub type Body = Full<Bytes>;
pub type Probe = ScriptedService<Body>;
pub type Watch = ScriptedHandle<Body>;

/// An error that no layer knows, and which all have to pass on unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeError(pub &'static str);

/// A probe with `permits`, and what watches it. It responds 200 with an empty body by default, and counts the calls of
/// instances that were not made ready.
pub fn probe(permits: usize) -> (Probe, Watch) {
    let probe = Probe::new().permits(permits).counts_unready_calls();
    let watch = probe.handle();
    (probe, watch)
}

// === impl ProbeError ===

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for ProbeError {}
