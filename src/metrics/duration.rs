//! The durations of attempts, by OpenTelemetry's conventions.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time,
};

use http::StatusCode;
use metrics::{Key, Label, SharedString, with_recorder};
use tokio::time::Instant;

use super::{DURATION, METADATA, Measured};
use crate::{clock::Clock, endpoint::Endpoint};

/// The most servers that have labels of their own. More are made by the callers of a proxy, and not by its program.
const MAX_SERVERS: usize = 100;

/// The label of the others.
const OTHER: &str = "_OTHER";

/// The servers that have labels of their own.
#[derive(Debug, Default)]
pub(crate) struct Servers(Mutex<Vec<Arc<str>>>);

/// An attempt that is being measured.
#[derive(Debug)]
pub(crate) struct Duration {
    began: Instant,
    labels: Vec<Label>,
}

// === impl Servers ===

impl Servers {
    fn label(&self, server: &str) -> SharedString {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter().find(|known| known.eq_ignore_ascii_case(server)) {
            return SharedString::from_shared(Arc::clone(known));
        }
        if known.len() >= MAX_SERVERS {
            return SharedString::const_str(OTHER);
        }
        let server: Arc<str> = server.to_ascii_lowercase().into();
        known.push(Arc::clone(&server));
        SharedString::from_shared(server)
    }
}

// === impl Duration ===

impl Duration {
    pub(crate) fn begin<'a, T>(
        servers: &Servers,
        measured: impl FnOnce() -> Measured<'a>,
        endpoint: &Endpoint<'_, T>,
    ) -> Option<Self> {
        let Measured { method, server, port, template } = measured();
        let mut labels = Vec::with_capacity(7);
        labels.push(Label::new("http.request.method", method_label(method)));
        labels.extend(server.map(|server| Label::new("server.address", servers.label(server))));
        labels.extend(port.map(|port| Label::new("server.port", port.to_string())));
        labels.extend(template.map(|path| Label::new("url.template", path.to_owned())));
        let stack = endpoint.shared_stack();
        labels.extend(stack.map(|name| Label::new("stack", SharedString::from_shared(name))));
        Some(Self { began: Clock::default().now(), labels })
    }

    /// Records the attempt.
    pub(crate) fn ended(mut self, status: Option<StatusCode>, error: Option<&str>) {
        let elapsed: time::Duration = Clock::default().now().saturating_duration_since(self.began);
        let status = status.map(status_label);
        self.labels.extend(status.map(|status| Label::new("http.response.status_code", status)));
        self.labels.extend(error.map(|error| Label::new("error.type", error.to_owned())));
        let key = Key::from_parts(DURATION, self.labels);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(elapsed);
    }
}

/// The usual methods are labels without an allocation.
fn method_label(method: &str) -> SharedString {
    const USUAL: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    match USUAL.iter().find(|usual| **usual == method) {
        Some(usual) => SharedString::const_str(usual),
        None => method.to_owned().into(),
    }
}

/// The usual status codes are labels without an allocation.
fn status_label(status: StatusCode) -> SharedString {
    const USUAL: [&str; 12] =
        ["200", "201", "202", "204", "304", "400", "401", "403", "404", "429", "500", "503"];
    match USUAL.iter().find(|usual| **usual == status.as_str()) {
        Some(usual) => SharedString::const_str(usual),
        None => status.as_str().to_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_servers_have_labels_of_their_own() {
        let servers = Servers::default();
        for number in 0..1_000 {
            let name = format!("Host{number}.example");
            let expected = if number < 100 { name.to_lowercase() } else { "_OTHER".to_owned() };
            assert_eq!(servers.label(&name).to_string(), expected);
        }
        assert_eq!(servers.label("HOST7.example").to_string(), "host7.example");
    }
}
