//! The store: a connection, and the scripts.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use redis::{ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, aio::ConnectionLike};
use tokio::time::timeout;
use tower_heed::store::{QuotaReply, QuotaRequest, SlotReply, SlotRequest};
use tower_service::Service;

use crate::{quota, slot};

/// The reply of a [`Store`], on its way.
pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T, RedisError>> + Send>>;

type Connect<C> = dyn Fn() -> Reply<C> + Send + Sync;

/// How long a new connection may take: a name, a handshake and a login. A call of the store ends sooner.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// What processes share, in a Redis or Valkey server.
///
/// Clones share the connection. See the [front page](crate) for an example.
pub struct Store<C> {
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    current: Mutex<Current<C>>,
    connect: Option<Box<Connect<C>>>,
    slots: Script,
    quotas: Script,
}

struct Current<C> {
    connection: C,
    /// How many there were before it. What an earlier one replies late says nothing about it.
    number: u64,
    is_replaced: bool,
}

// === impl Store ===

impl<C> Store<C> {
    /// Shares by this connection: a `ConnectionManager`, a `MultiplexedConnection`, a `ClusterConnection` or any other. It must
    /// reconnect by itself, as the first and the last of these do.
    pub fn new(connection: C) -> Self {
        Self::of(connection, None)
    }

    /// The same, and when the server turns out to be a replica, which does not take writes, `connect` makes a new connection: after a
    /// failover the address may lead to another server. It has ten seconds, however soon the call that found out is given up. A
    /// `ClusterConnection` finds the server by itself.
    pub fn reconnecting<F, R>(connection: C, connect: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = RedisResult<C>> + Send + 'static,
    {
        Self::of(connection, Some(Box::new(move || Box::pin(connect()))))
    }

    fn of(connection: C, connect: Option<Box<Connect<C>>>) -> Self {
        let slots = Script::new(include_str!("slot.lua"));
        let current = Mutex::new(Current { connection, number: 0, is_replaced: false });
        let quotas = Script::new(include_str!("quota.lua"));
        Self { shared: Arc::new(Shared { current, connect, slots, quotas }) }
    }
}

impl<C> Service<SlotRequest> for Store<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    type Response = SlotReply;
    type Error = RedisError;
    type Future = Reply<SlotReply>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<RedisResult<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: SlotRequest) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (mut connection, number) = shared.connection();
            let replied = slot::call(&shared.slots, &mut connection, request).await;
            shared.reconnect_after(&replied, number).await;
            replied
        })
    }
}

impl<C> Service<QuotaRequest> for Store<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    type Response = QuotaReply;
    type Error = RedisError;
    type Future = Reply<QuotaReply>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<RedisResult<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: QuotaRequest) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (mut connection, number) = shared.connection();
            let replied = quota::call(&shared.quotas, &mut connection, request).await;
            shared.reconnect_after(&replied, number).await;
            replied
        })
    }
}

impl<C> Clone for Store<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C> fmt::Debug for Store<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

// === impl Shared ===

impl<C: Clone> Shared<C> {
    fn connection(&self) -> (C, u64) {
        let current = self.lock();
        (current.connection.clone(), current.number)
    }
}

impl<C: Send + 'static> Shared<C> {
    /// Makes the connection of this number anew if the server takes no writes, on a task of its own: a caller that leaves does not end
    /// it.
    async fn reconnect_after<T>(self: &Arc<Self>, replied: &RedisResult<T>, number: u64) {
        let is_replica = matches!(replied, Err(error) if is_read_only(error));
        let Some(connect) = self.connect.as_ref().filter(|_| is_replica) else { return };
        {
            let mut current = self.lock();
            if current.number != number || current.is_replaced {
                return;
            }
            current.is_replaced = true;
        }
        let connecting = Connecting(Arc::clone(self));
        let connected = connect();
        let task = tokio::spawn(async move {
            // Without a connection the next call finds out again.
            if let Ok(Ok(connection)) = timeout(CONNECT_LIMIT, connected).await {
                let mut current = connecting.0.lock();
                (current.connection, current.number) = (connection, number + 1);
            }
        });
        let _ended = task.await;
    }
}

impl<C> Shared<C> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Current<C>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is being made.
struct Connecting<C>(Arc<Shared<C>>);

impl<C> Drop for Connecting<C> {
    fn drop(&mut self) {
        self.0.lock().is_replaced = false;
    }
}

/// The server takes no writes. Within a script the error is the script's.
fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        || error.to_string().contains("READONLY")
}
