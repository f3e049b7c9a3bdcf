//! The durations of attempts, by OpenTelemetry's conventions.

use std::{
    borrow::Cow,
    collections::HashSet,
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

/// The values of labels that were seen: with them a label costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Labels(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    servers: Vec<Server>,
    templates: HashSet<Arc<str>>,
}

/// A server by its name and port, which both are the choice of a proxy's callers.
#[derive(Debug)]
struct Server {
    address: Arc<str>,
    port: Option<(i64, Arc<str>)>,
}

/// An attempt that is being measured.
#[derive(Debug)]
pub(crate) struct Duration {
    began: Instant,
    labels: Vec<Label>,
}

// === impl Labels ===

impl Labels {
    /// Adds the labels of the server and the template.
    fn add(&self, measured: &Measured<'_>, to: &mut Vec<Label>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = measured.server {
            let (address, port) = known.server(address, measured.port);
            to.push(Label::new("server.address", address));
            to.extend(port.map(|port| Label::new("server.port", port)));
        }
        if let Some(template) = measured.template {
            to.push(Label::new("url.template", known.template(template)));
        }
    }
}

// === impl Known ===

impl Known {
    /// The labels of the address and the port. The others have no port.
    fn server(&mut self, address: &str, port: Option<i64>) -> (SharedString, Option<SharedString>) {
        let is_same = |known: &Server| {
            known.port.as_ref().map(|port| port.0) == port
                && known.address.eq_ignore_ascii_case(address)
        };
        let index = match self.servers.iter().position(is_same) {
            Some(index) => index,
            None if self.servers.len() >= MAX_SERVERS => {
                return (SharedString::const_str(OTHER), None);
            }
            None => {
                let port = port.map(|port| (port, port.to_string().into()));
                self.servers.push(Server { address: address.to_ascii_lowercase().into(), port });
                self.servers.len() - 1
            }
        };
        let Server { address, port } = &self.servers[index];
        let port = port.as_ref().map(|(_, text)| SharedString::from_shared(Arc::clone(text)));
        (SharedString::from_shared(Arc::clone(address)), port)
    }

    fn template(&mut self, template: &str) -> SharedString {
        if let Some(known) = self.templates.get(template) {
            return SharedString::from_shared(Arc::clone(known));
        }
        // Not more than the layer has endpoints.
        let shared: Arc<str> = template.into();
        self.templates.insert(Arc::clone(&shared));
        SharedString::from_shared(shared)
    }
}

// === impl Duration ===

impl Duration {
    pub(crate) fn begin<'a, T>(
        known: &Labels,
        measured: impl FnOnce() -> Measured<'a>,
        endpoint: &Endpoint<'_, T>,
    ) -> Option<Self> {
        let measured = measured();
        // The only allocation of an attempt whose labels are known.
        let mut labels = Vec::with_capacity(7);
        labels.push(Label::new("http.request.method", method_label(measured.method)));
        known.add(&measured, &mut labels);
        let stack = endpoint.shared_stack();
        labels.extend(stack.map(|name| Label::new("stack", SharedString::from_shared(name))));
        Some(Self { began: Clock::default().now(), labels })
    }

    /// Records the attempt.
    pub(crate) fn ended(mut self, status: Option<StatusCode>, error: Option<Cow<'static, str>>) {
        let elapsed: time::Duration = Clock::default().now().saturating_duration_since(self.began);
        let status = status.map(status_label);
        self.labels.extend(status.map(|status| Label::new("http.response.status_code", status)));
        self.labels.extend(error.map(|error| Label::new("error.type", error_label(error))));
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

fn error_label(error: Cow<'static, str>) -> SharedString {
    match error {
        Cow::Borrowed(error) => SharedString::const_str(error),
        Cow::Owned(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_servers_have_labels_of_their_own() {
        let mut known = Known::default();
        for number in 0..1_000 {
            let name = format!("Host{number}.example");
            let is_known = number < 100;
            let expected = if is_known { name.to_lowercase() } else { "_OTHER".to_owned() };
            let (address, port) = known.server(&name, Some(443));
            assert_eq!((&*address, port.as_deref()), (&*expected, is_known.then_some("443")));
        }
        assert_eq!(&*known.server("HOST7.example", Some(443)).0, "host7.example");
    }

    #[test]
    fn a_hundred_ports_of_a_server_have_labels_of_their_own() {
        let mut known = Known::default();
        for number in 0..1_000 {
            let expected = (number < 100).then(|| number.to_string());
            let (address, port) = known.server("a.example", Some(number));
            assert_eq!(&*address, if expected.is_some() { "a.example" } else { "_OTHER" });
            assert_eq!(port.as_deref(), expected.as_deref());
        }
    }
}
