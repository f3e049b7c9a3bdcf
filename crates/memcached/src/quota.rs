//! The record of a quota: compared and set by the number of the value, with the time at which it was written before it.

use std::{
    io::{Error, Result},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::time::Instant;
use tower_heed::store::{QuotaReply, QuotaRequest};

use crate::{
    client::Client,
    clock::Clock,
    meta::{Commands, Reply},
    slot::{ask, seconds},
};

/// What stands under the name.
struct Present {
    record: Option<Bytes>,
    cas: u64,
}

/// One step: a round trip, and another one to write.
pub(crate) async fn call(
    client: &Client,
    clock: &Mutex<Clock>,
    request: QuotaRequest,
) -> Result<QuotaReply> {
    let name = request.name().clone();
    let name = name.as_str();
    let [reply] = ask(client, Commands::new().get(name)).await?;
    let mut present = Present::of(&reply, clock);
    if let QuotaRequest::Swap { was, record, ttl, deadline, .. } = request {
        let now = time(clock);
        if present.record == was && now <= deadline {
            // What was written meanwhile has another number.
            let unchanged = match present.record {
                Some(_) => format!("C{}", present.cas),
                None => "ME".to_owned(),
            };
            let written = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).to_be_bytes();
            let value = [&written[..], &record].concat();
            let commands =
                Commands::new().set(name, seconds(ttl) + 1, &unchanged, &value).get(name);
            let [stored, reply] = ask(client, commands).await?;
            if stored.is_done() {
                return Ok(QuotaReply::Swapped);
            }
            present = Present::of(&reply, clock);
        }
    } else if !matches!(request, QuotaRequest::Read { .. }) {
        return Err(Error::other("the request is of a later version of tower-heed"));
    }
    Ok(QuotaReply::Record { now: time(clock), record: present.record })
}

fn time(clock: &Mutex<Clock>) -> Duration {
    clock.lock().unwrap_or_else(PoisonError::into_inner).now(Instant::now())
}

// === impl Present ===

impl Present {
    fn of(reply: &Reply, clock: &Mutex<Clock>) -> Self {
        let (cas, mut value) = (reply.cas, reply.value.clone());
        if !reply.is_done() {
            return Self { record: None, cas };
        }
        // A shorter one is none of ours.
        if value.len() >= 8 {
            let written = Duration::from_nanos(value.get_u64());
            clock.lock().unwrap_or_else(PoisonError::into_inner).saw(written, Instant::now());
        }
        Self { record: Some(value), cas }
    }
}
