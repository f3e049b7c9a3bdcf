//! Connections: made when they are needed, and kept for the next call.

use std::{
    future::Future,
    io::{Error, ErrorKind, Result},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{Semaphore, oneshot},
    time::timeout,
};

use crate::meta::{Commands, Reply};

/// How many connections are kept while nothing is asked. A process asks a few times in the life of a token.
const MAX_IDLE: usize = 4;

/// How many connections are made at a time for callers that may leave.
const MAX_CONNECTING: usize = 16;

/// How long a new connection may take: a name, a handshake and a login. A call of the store ends sooner.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) type Connection = BufReader<Box<dyn Io>>;
pub(crate) type Connecting = Pin<Box<dyn Future<Output = Result<Box<dyn Io>>> + Send>>;
type Connect = dyn Fn() -> Connecting + Send + Sync;

/// The connections to one server.
pub(crate) struct Client {
    connect: Box<Connect>,
    connecting: Arc<Semaphore>,
    idle: Arc<Idle>,
}

#[derive(Default)]
struct Idle(Mutex<Vec<Connection>>);

// === impl Client ===

impl Client {
    pub(crate) fn new(connect: Box<Connect>) -> Self {
        let connecting = Arc::new(Semaphore::new(MAX_CONNECTING));
        Self { connect, connecting, idle: Arc::default() }
    }

    /// Sends commands, and reads the reply to each. If this is dropped midway the connection is, too.
    pub(crate) async fn call(&self, commands: &Commands) -> Result<Vec<Reply>> {
        let kept = self.idle.with(Vec::pop);
        if let Some(mut connection) = kept {
            match exchange(&mut connection, commands).await {
                Ok(replies) => {
                    self.idle.keep(connection);
                    return Ok(replies);
                }
                // The server was started anew, or has closed what was idle for long: so it is with all of them.
                Err(error) if is_lost(&error) => self.idle.with(Vec::clear),
                Err(error) => return Err(error),
            }
        }
        let mut connection = self.connection().await?;
        let replies = exchange(&mut connection, commands).await?;
        self.idle.keep(connection);
        Ok(replies)
    }

    /// Makes a connection, on a task of its own: that of a caller which has left meanwhile is kept for the next call.
    async fn connection(&self) -> Result<Connection> {
        let (connecting, idle) = ((self.connect)(), Arc::clone(&self.idle));
        let Ok(permit) = Arc::clone(&self.connecting).try_acquire_owned() else {
            return connecting.await.map(BufReader::new);
        };
        let (sender, connected) = oneshot::channel();
        tokio::spawn(async move {
            let connected = timeout(CONNECT_LIMIT, connecting).await;
            drop(permit);
            let connected = connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
            if let Err(Ok(connection)) = sender.send(connected.map(BufReader::new)) {
                idle.keep(connection);
            }
        });
        connected.await.map_err(|_| Error::other("no connection was made"))?
    }
}

// === impl Idle ===

impl Idle {
    fn keep(&self, connection: Connection) {
        self.with(|idle| {
            if idle.len() < MAX_IDLE {
                idle.push(connection);
            }
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Connection>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
fn is_lost(error: &Error) -> bool {
    error.kind() != ErrorKind::Other
}
