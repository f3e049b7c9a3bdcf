//! An HTTP/2 server that is written frame by frame, for what no server's library sends on demand.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// One connection of a server.
pub struct RawHttp2<S> {
    stream: S,
}

// Types of frames: RFC 9113 section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

// === impl RawHttp2 ===

impl<S: AsyncRead + AsyncWrite + Unpin> RawHttp2<S> {
    /// Reads the client's preface and sends empty settings.
    pub async fn begin(mut stream: S) -> Self {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert!(preface.starts_with(b"PRI * HTTP/2.0"));
        let mut server = Self { stream };
        server.write(SETTINGS, 0, 0, &[]).await;
        server
    }

    /// The number of the stream of the next request whose end has come.
    pub async fn next_request(&mut self) -> u32 {
        self.try_next_request().await.expect("a request")
    }

    /// None if the client has hung up.
    pub async fn try_next_request(&mut self) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; len as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await,
                HEADERS | DATA if flags & END_STREAM != 0 => return Some(stream),
                _ => {}
            }
        }
    }

    /// Responds 200 without a body.
    pub async fn respond(&mut self, stream: u32) {
        // The eighth entry of HPACK's static table: `:status: 200`.
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88]).await;
    }

    pub async fn reset(&mut self, stream: u32, reason: h2::Reason) {
        self.write(RST_STREAM, 0, stream, &u32::from(reason).to_be_bytes()).await;
    }

    /// Nothing above `last_stream` is processed.
    pub async fn go_away(&mut self, last_stream: u32, reason: h2::Reason) {
        let payload = [last_stream.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // The client may have hung up, which the next read tells.
        drop(self.stream.write_all(&frame).await);
    }
}
