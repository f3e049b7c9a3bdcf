//! Connections and requests on their way, counted whatever becomes of them.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, header::DATE, request::Parts};

use super::{
    responses::BufferedResponse,
    routes::Endpoint,
    seen::{self, Outcome},
    tenant::Tenant,
};

/// An open connection, counted.
pub struct Open {
    pub tenant: Arc<Tenant>,
    pub number: usize,
}

/// A request on its way, counted.
pub struct PendingRequest<'a> {
    pub tenant: &'a Tenant,
    endpoint: Endpoint,
    index: usize,
}

// === impl Open ===

impl Open {
    pub fn new(tenant: Arc<Tenant>) -> Self {
        let number = tenant.state().seen.connected(tenant.wall.offset());
        Self { tenant, number }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tenant.state().seen.disconnected(self.tenant.wall.offset(), self.number);
    }
}

// === impl PendingRequest ===

impl<'a> PendingRequest<'a> {
    pub fn begin(tenant: &'a Tenant, connection: usize, endpoint: Endpoint, head: &Parts) -> Self {
        let index = tenant.state().seen.arrived(seen::Request {
            at: tenant.wall.offset(),
            connection,
            endpoint: endpoint.name,
            path: head.uri.path().to_owned(),
            headers: head.headers.clone(),
            body: Bytes::new(),
            outcome: Outcome::Open,
        });
        Self { tenant, endpoint, index }
    }

    pub fn body(&mut self, body: Bytes) {
        self.tenant.state().seen.requests[self.index].body = body;
    }

    pub fn end(&mut self, outcome: Outcome) {
        self.tenant.state().seen.finished(self.tenant.wall.offset(), self.index, outcome);
    }

    /// Dates the response, and takes note of it before the client can see it.
    pub fn finish(mut self, mut response: BufferedResponse) -> BufferedResponse {
        let date = HeaderValue::try_from(self.tenant.wall.date()).expect("a date is ASCII");
        response.headers_mut().entry(DATE).or_insert(date);
        let status = response.status().as_u16();
        if self.endpoint.action.gives_tokens() && status >= 400 {
            self.tenant.state().seen.tokens_rejected += 1;
        }
        self.end(Outcome::Responded(status));
        response
    }
}

impl Drop for PendingRequest<'_> {
    /// hyper drops the response of a client that has left.
    fn drop(&mut self) {
        self.end(Outcome::Abandoned);
    }
}
