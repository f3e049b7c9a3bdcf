//! The record of a quota: requests as the script's arguments, and its replies.

use std::time::Duration;

use bytes::Bytes;
use redis::{
    ErrorKind, RedisError, RedisResult, Script, Value, aio::ConnectionLike, from_redis_value,
};
use tower_heed::store::{QuotaReply, QuotaRequest};

/// One step.
pub(crate) async fn call<C>(
    script: &Script,
    connection: &mut C,
    request: QuotaRequest,
) -> RedisResult<QuotaReply>
where
    C: ConnectionLike,
{
    let mut call = script.key(request.name().as_str());
    match &request {
        QuotaRequest::Read { .. } => {}
        QuotaRequest::Swap { was, record, ttl, deadline, .. } => {
            call.arg(was.as_deref().unwrap_or_default())
                .arg(&record[..])
                .arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1))
                .arg(u64::try_from(deadline.as_micros()).unwrap_or(u64::MAX));
        }
        _ => return Err(unknown("the request is of a later version of tower-heed")),
    }
    let reply: Vec<Value> = call.invoke_async(connection).await?;
    read(reply).ok_or_else(|| unknown("the script's reply is not one of a quota"))
}

fn read(reply: Vec<Value>) -> Option<QuotaReply> {
    let mut reply = reply.into_iter();
    if from_redis_value::<u8>(reply.next()?).ok()? == 1 {
        return Some(QuotaReply::Swapped);
    }
    let seconds = Duration::from_secs(from_redis_value(reply.next()?).ok()?);
    let micros = Duration::from_micros(from_redis_value(reply.next()?).ok()?);
    let record: Vec<u8> = from_redis_value(reply.next()?).ok()?;
    let record = Some(record).filter(|record| !record.is_empty()).map(Bytes::from);
    Some(QuotaReply::Record { now: seconds + micros, record })
}

fn unknown(what: &'static str) -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, what))
}
