//! Scripted faults.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::responses::{self, BufferedResponse};

/// What happens to one request instead of the usual.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing: the request is served as always. Fills a place in a script.
    Pass,
    /// Served as always, later.
    Delay(Duration),
    /// Served as always and at once, but the response is held back that long: a client that leaves meanwhile never sees it.
    Late(Duration),
    /// A failing status with the provider's own body, and its challenge where it has one; a 429 has
    /// no hint.
    Status(u16),
    /// The same body with these headers and no others, so no challenge.
    StatusWith(u16, Vec<(&'static str, String)>),
    /// The provider's own 429, telling the client to wait this long.
    RateLimited(Duration),
    /// A response made by the test.
    Reply(Box<BufferedResponse>),
    /// The connection is closed with no response.
    CloseConnection,
    /// The connection breaks in the middle of the response head.
    BreakHead,
    /// The connection breaks in the middle of the body.
    BreakBody,
    /// No response; the connection stays open.
    HangHead,
    /// The head and a first piece of the body, then nothing.
    HangBody,
    /// These bytes instead of a response.
    Raw(Raw),
}

/// Bytes put on the wire past the HTTP server.
#[derive(Clone, Debug)]
pub struct Raw {
    pub bytes: Bytes,
    pub then: Then,
}

/// What follows raw bytes.
#[derive(Clone, Debug)]
pub enum Then {
    Close,
    /// Stays open until the client leaves.
    Hang,
    /// These bytes again and again until the client leaves.
    Repeat(Bytes),
}

// === impl Fault ===

impl Fault {
    /// A JSON response made by the test: a token of the wrong type, without its lifetime ...
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Reply(Box::new(responses::json(status, body)))
    }

    /// A 200 with a web page, as a captive portal or a proxy responds.
    pub fn html() -> Self {
        let page =
            "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome</body></html>";
        Self::reply("text/html; charset=utf-8", page)
    }

    /// A 200 with no body.
    pub fn empty() -> Self {
        Self::reply("application/json", "")
    }

    /// A 200 whose `token_type` is not `Bearer`.
    pub fn wrong_token_type() -> Self {
        let body = serde_json::json!({ "access_token": "of-another-kind", "token_type": "mac", "expires_in": 3600 });
        Self::json(200, &body)
    }

    /// A 200 that promises 5 GB of JSON and breaks after a few bytes.
    pub fn huge_content_length() -> Self {
        Self::raw(
            "200 OK\r\ncontent-type: application/json\r\ncontent-length: 5368709120",
            "{\"access",
            Then::Close,
        )
    }

    /// A 200 with a JSON string that never ends.
    pub fn endless_body() -> Self {
        let head = "200 OK\r\ncontent-type: application/json\r\nconnection: close";
        Self::raw(head, "{\"access_token\":\"", Then::Repeat(Bytes::from(vec![b'x'; 16 * 1024])))
    }

    fn reply(kind: &'static str, body: &'static str) -> Self {
        let mut response = BufferedResponse::new(Bytes::from_static(body.as_bytes()));
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        Self::Reply(Box::new(response))
    }

    fn raw(head: &str, body: &str, then: Then) -> Self {
        Self::Raw(Raw { bytes: Bytes::from(format!("HTTP/1.1 {head}\r\n\r\n{body}")), then })
    }

    /// The bytes of a fault that goes past the HTTP server, with its name in the log.
    pub(super) fn on_the_wire(self) -> Option<(&'static str, Raw)> {
        let half = "200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000";
        let (name, fault) = match self {
            Self::CloseConnection => {
                ("closed", Self::Raw(Raw { bytes: Bytes::new(), then: Then::Close }))
            }
            Self::BreakHead => {
                let bytes = Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-type: applic");
                ("broken head", Self::Raw(Raw { bytes, then: Then::Close }))
            }
            Self::BreakBody => ("broken body", Self::raw(half, "{\"half\":\"of the", Then::Close)),
            Self::HangBody => ("hung body", Self::raw(half, "{\"half\":\"of the", Then::Hang)),
            other => ("raw bytes", other),
        };
        match fault {
            Self::Raw(raw) => Some((name, raw)),
            _ => None,
        }
    }
}

// === impl Raw ===

impl Raw {
    /// Writes the bytes and does what follows. A client that leaves ends it.
    pub(super) async fn play(self, mut stream: TcpStream) {
        if stream.write_all(&self.bytes).await.is_err() {
            return;
        }
        match self.then {
            Then::Close => stream.shutdown().await.unwrap_or_default(),
            Then::Hang => while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {},
            Then::Repeat(chunk) => while stream.write_all(&chunk).await.is_ok() {},
        }
    }
}
