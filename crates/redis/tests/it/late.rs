//! What a connection replies after another has taken its place.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, ServerErrorKind, Value, aio::ConnectionLike,
};
use store_contract::quotas::name_of;
use tokio::{sync::Semaphore, task::yield_now};
use tower::ServiceExt;
use tower_heed::store::QuotaRequest;
use tower_heed_redis::Store;

/// A connection to a replica, which replies once for each permit.
#[derive(Clone)]
struct Replica(Arc<Semaphore>);

impl ConnectionLike for Replica {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async {
            self.0.acquire().await.unwrap().forget();
            Err(RedisError::from((ErrorKind::Server(ServerErrorKind::ReadOnly), "a replica")))
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

#[tokio::test]
async fn a_late_reply_of_an_earlier_connection_ends_no_later_one() {
    let replies = Arc::new(Semaphore::new(0));
    let connections = Arc::new(AtomicUsize::new(0));
    let (counted, replica) = (Arc::clone(&connections), Replica(Arc::clone(&replies)));
    let again = replica.clone();
    let store = Store::reconnecting(replica, move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let again = again.clone();
        async move { Ok(again) }
    });
    let name = name_of("late");
    let ask = || tokio::spawn(store.clone().oneshot(QuotaRequest::Read { name: name.clone() }));
    let (first, late) = (ask(), ask());
    yield_now().await;
    for (call, is_late) in [(first, false), (late, true)] {
        replies.add_permits(1);
        call.await.unwrap().unwrap_err();
        assert_eq!(connections.load(Ordering::SeqCst), 1, "late: {is_late}");
    }
    // The connection of now is as bad.
    replies.add_permits(1);
    ask().await.unwrap().unwrap_err();
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
