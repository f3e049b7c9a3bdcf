//! Slots: requests as the script's arguments, and its replies.

use std::time::Duration;

use bytes::Bytes;
use redis::{
    ErrorKind, FromRedisValue, RedisError, RedisResult, Script, Value, aio::ConnectionLike,
};
use tower_heed::store::{FetchId, Intent, SlotReply, SlotRequest};

/// One step.
pub(crate) async fn call<C>(
    script: &Script,
    connection: &mut C,
    request: SlotRequest,
) -> RedisResult<SlotReply>
where
    C: ConnectionLike,
{
    let mut call = script.key(request.slot().as_str());
    match &request {
        SlotRequest::Begin { id, unlike, intent, lease, .. } => {
            let intent = match intent {
                Intent::Force => "force",
                Intent::Reject => "reject",
                _ => "fetch",
            };
            call.arg("begin")
                .arg(&id.to_bytes())
                .arg(bytes_of(*unlike))
                .arg(intent)
                .arg(millis(*lease))
        }
        SlotRequest::Renew { id, lease, .. } => {
            call.arg("renew").arg(&id.to_bytes()).arg(millis(*lease))
        }
        SlotRequest::Complete { id, fence, record, lifetime, elapsed, .. } => call
            .arg("complete")
            .arg(&id.to_bytes())
            .arg(*fence)
            .arg(&record[..])
            .arg(millis(*lifetime))
            .arg(millis(*elapsed)),
        SlotRequest::Fail { id, cooldown, .. } => {
            call.arg("fail").arg(&id.to_bytes());
            match cooldown {
                Some((note, wait)) => call.arg(&note[..]).arg(millis(*wait)),
                None => &mut call,
            }
        }
        SlotRequest::Forget { id, .. } => call.arg("forget").arg(bytes_of(*id)),
        _ => return Err(unknown("the request is of a later version of tower-heed")),
    };
    let reply: Vec<Value> = call.invoke_async(connection).await?;
    read(reply).ok_or_else(|| unknown("the script's reply is not one of a slot"))
}

fn read(reply: Vec<Value>) -> Option<SlotReply> {
    let mut reply = reply.into_iter();
    let kind: String = next(&mut reply)?;
    Some(match kind.as_str() {
        "record" => SlotReply::Record {
            id: FetchId::from_bytes(next::<Vec<u8>>(&mut reply)?.try_into().ok()?),
            record: bytes(&mut reply)?,
            left: duration(&mut reply)?,
        },
        "lead" => SlotReply::Lead { fence: next(&mut reply)?, failure: bytes(&mut reply) },
        "wait" => SlotReply::Wait { left: duration(&mut reply)? },
        "cooldown" => SlotReply::Cooldown { note: bytes(&mut reply)?, left: duration(&mut reply)? },
        "keep" => SlotReply::Keep,
        "foreign" => SlotReply::Foreign,
        "done" => SlotReply::Done,
        "lost" => SlotReply::Lost,
        "newer" => SlotReply::Newer,
        _ => return None,
    })
}

fn next<T: FromRedisValue>(reply: &mut impl Iterator<Item = Value>) -> Option<T> {
    redis::from_redis_value(reply.next()?).ok()
}

fn bytes(reply: &mut impl Iterator<Item = Value>) -> Option<Bytes> {
    next::<Vec<u8>>(reply).map(Bytes::from)
}

fn duration(reply: &mut impl Iterator<Item = Value>) -> Option<Duration> {
    next(reply).map(Duration::from_millis)
}

fn bytes_of(id: Option<FetchId>) -> Vec<u8> {
    id.map_or_else(Vec::new, |id| id.to_bytes().to_vec())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn unknown(what: &'static str) -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, what))
}
