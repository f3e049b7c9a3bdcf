//! The meta protocol: commands as text, and their replies.
//!
//! <https://docs.memcached.org/protocols/meta/>

use std::io::{Error, ErrorKind, Result};

use bytes::{BufMut, Bytes};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};
use tower_heed::store::MAX_RECORD_LEN;

/// The longest line of a reply: a code and a few flags, or the text of an error.
const MAX_LINE_LEN: u64 = 2048;

/// The longest value: a record, and what stands before it.
const MAX_VALUE_LEN: usize = MAX_RECORD_LEN + 64;

/// Commands that are sent together.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    text: Vec<u8>,
    count: usize,
}

/// What a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done, or found.
    Done,
    /// There is none of this name.
    Missing,
    /// Not stored, or not deleted: there is one already, or it is another one.
    Refused,
}

/// A reply to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: Code,
    pub(crate) value: Bytes,
    /// The unique number of the stored value.
    pub(crate) cas: u64,
    /// The whole seconds that the value has left; -1 is for ever.
    pub(crate) ttl: i64,
}

// === impl Commands ===

impl Commands {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Gets a value, its number and its time to live.
    pub(crate) fn get(self, key: &str) -> Self {
        self.command(&format!("mg {key} v c t"), None)
    }

    /// Stores a value, with such flags besides, and returns its number.
    pub(crate) fn set(self, key: &str, seconds: u64, flags: &str, value: &[u8]) -> Self {
        self.command(&format!("ms {key} {} T{seconds} c {flags}", value.len()), Some(value))
    }

    /// Counts, up from one, for so many seconds.
    pub(crate) fn count(self, key: &str, seconds: u64) -> Self {
        self.command(&format!("ma {key} N{seconds} J1 v"), None)
    }

    /// Deletes the value of this number; zero is any.
    pub(crate) fn delete(self, key: &str, cas: u64) -> Self {
        let cas = if cas == 0 { String::new() } else { format!(" C{cas}") };
        self.command(&format!("md {key}{cas}"), None)
    }

    fn command(mut self, line: &str, value: Option<&[u8]>) -> Self {
        self.text.put_slice(line.as_bytes());
        self.text.put_slice(b"\r\n");
        if let Some(value) = value {
            self.text.put_slice(value);
            self.text.put_slice(b"\r\n");
        }
        self.count += 1;
        self
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }
}

// === impl Reply ===

impl Reply {
    /// Reads one reply. Everything that is read is bounded.
    pub(crate) async fn read<R>(from: &mut R) -> Result<Self>
    where
        R: AsyncBufRead + AsyncRead + Unpin,
    {
        let mut line = Vec::new();
        from.take(MAX_LINE_LEN).read_until(b'\n', &mut line).await?;
        let Some(line) = line.strip_suffix(b"\r\n") else {
            let kind =
                if line.is_empty() { ErrorKind::UnexpectedEof } else { ErrorKind::InvalidData };
            return Err(Error::new(kind, "the connection ended within a reply"));
        };
        let line = std::str::from_utf8(line).map_err(|_| unexpected("bytes"))?;
        let mut words = line.split_ascii_whitespace();
        let code = match words.next() {
            Some("HD" | "VA") => Code::Done,
            Some("EN" | "NF") => Code::Missing,
            Some("NS" | "EX") => Code::Refused,
            _ => return Err(unexpected(line)),
        };
        let mut reply = Self { code, value: Bytes::new(), cas: 0, ttl: -1 };
        let has_value = line.starts_with("VA ");
        let len = has_value.then(|| words.next().and_then(|len| len.parse::<usize>().ok()));
        for flag in words {
            match flag.split_at_checked(1) {
                Some(("c", cas)) => reply.cas = cas.parse().map_err(|_| unexpected(line))?,
                Some(("t", ttl)) => reply.ttl = ttl.parse().map_err(|_| unexpected(line))?,
                _ => {}
            }
        }
        if let Some(len) = len {
            let len = len.filter(|len| *len <= MAX_VALUE_LEN).ok_or_else(|| unexpected(line))?;
            let mut value = vec![0; len + 2];
            from.read_exact(&mut value).await?;
            value.truncate(len);
            reply.value = value.into();
        }
        Ok(reply)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.code == Code::Done
    }

    /// The number that a command counts.
    pub(crate) fn number(&self) -> u64 {
        std::str::from_utf8(&self.value).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

/// An error that the server told, or a reply that is none of the protocol. It is cut: a value may have got into it.
fn unexpected(line: &str) -> Error {
    let shown: String = line.chars().take(80).filter(|c| !c.is_control()).collect();
    Error::other(format!("memcached replied: {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Result<Reply> {
        Reply::read(&mut bytes).await
    }

    #[tokio::test]
    async fn replies_are_read_with_their_flags_and_values() {
        let reply = read(b"VA 4 c17 t-1\r\n\r\nEN\r\n").await.unwrap();
        assert_eq!(
            (reply.code, &reply.value[..], reply.cas, reply.ttl),
            (Code::Done, &b"\r\nEN"[..], 17, -1)
        );
        assert_eq!(read(b"HD c3 t9\r\n").await.unwrap().ttl, 9);
        assert_eq!(read(b"EN\r\n").await.unwrap().code, Code::Missing);
        assert_eq!(read(b"NS\r\n").await.unwrap().code, Code::Refused);
        assert_eq!(read(b"VA 2\r\n12\r\n").await.unwrap().number(), 12);
    }

    #[tokio::test]
    async fn errors_cuts_and_endless_replies_are_errors() {
        for bytes in [
            &b""[..],
            b"HD",
            b"VA 5 c1\r\nab",
            b"VA x\r\n",
            b"VA 99999999999\r\n",
            b"HD cx\r\n",
            b"SERVER_ERROR out of memory storing object\r\n",
            b"\xff\r\n",
            &[b'x'; 5000],
        ] {
            assert!(read(bytes).await.is_err(), "{bytes:?}");
        }
        let error = read(b"SERVER_ERROR out of memory\r\n").await.unwrap_err();
        assert!(error.to_string().contains("out of memory"));
    }
}
