//! Connections: made when they are needed, and kept for the next call.

use std::{
    future::Future,
    io::Result,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use crate::meta::{Commands, Reply};

/// How many connections are kept while nothing is asked. A process asks a few times in the life of a token.
const MAX_IDLE: usize = 4;

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) type Connection = BufReader<Box<dyn Io>>;
pub(crate) type Connecting = Pin<Box<dyn Future<Output = Result<Box<dyn Io>>> + Send>>;
type Connect = dyn Fn() -> Connecting + Send + Sync;

/// The connections to one server.
pub(crate) struct Client {
    connect: Box<Connect>,
    idle: Mutex<Vec<Connection>>,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(connect: Box<Connect>) -> Self {
        Self { connect, idle: Mutex::new(Vec::new()) }
    }

    /// Sends commands, and reads the reply to each. If this is dropped midway the connection is, too.
    pub(crate) async fn call(&self, commands: &Commands) -> Result<Vec<Reply>> {
        let kept = self.with_idle(Vec::pop);
        if let Some(mut connection) = kept {
            match exchange(&mut connection, commands).await {
                Ok(replies) => {
                    self.keep(connection);
                    return Ok(replies);
                }
                // The server was started anew, or has closed what was idle for long: so it is with all of them.
                Err(error) if is_lost(&error) => self.with_idle(Vec::clear),
                Err(error) => return Err(error),
            }
        }
        let mut connection = BufReader::new((self.connect)().await?);
        let replies = exchange(&mut connection, commands).await?;
        self.keep(connection);
        Ok(replies)
    }

    fn keep(&self, connection: Connection) {
        self.with_idle(|idle| {
            if idle.len() < MAX_IDLE {
                idle.push(connection);
            }
        });
    }

    fn with_idle<T>(&self, change: impl FnOnce(&mut Vec<Connection>) -> T) -> T {
        change(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn exchange(connection: &mut Connection, commands: &Commands) -> Result<Vec<Reply>> {
    connection.write_all(commands.text()).await?;
    connection.flush().await?;
    let mut replies = Vec::with_capacity(commands.len());
    for _ in 0..commands.len() {
        replies.push(Reply::read(connection).await?);
    }
    Ok(replies)
}

/// Whether the connection broke, and not the server told an error.
fn is_lost(error: &std::io::Error) -> bool {
    error.kind() != std::io::ErrorKind::Other
}
