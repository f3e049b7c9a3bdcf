//! Slots: a record, a lease, a failure and a budget, each a value of its own whose number tells whether it has changed meanwhile.
//!
//! ```text
//! {name}     record   fetch id · fence · bytes
//! {name}:l   lease    fetch id, then also its fence
//! {name}:c   failure  the note; it lives ten minutes longer than the cooldown
//! {name}:s   spacing  there for ten seconds after a rejection
//! {name}:b   budget   counts the rejections of five minutes
//! ```
//!
//! A fence is the number that the server gave to the lease when it was stored: it grows with each value that is stored anywhere.

use std::{
    io::{Error, Result},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tower_heed::store::{FetchId, Intent, NOTE_KEPT_FOR, SlotReply, SlotRequest, StoreName};

use crate::{
    client::Client,
    meta::{Code, Commands, Reply},
};

/// The most seconds that the server does not take for a date.
const MAX_SECONDS: u64 = 30 * 24 * 60 * 60 - 1;

/// How long a record lives before it is confirmed. A server that stood still executes what was sent to it long ago: then the record
/// that would be confirmed is gone, and no record lives longer than it may by more than this time.
const UNCONFIRMED: u64 = 4;

/// What is taken off the life of a record: that time, and a second, since the server's clock has whole ones.
const MARGIN: Duration = Duration::from_secs(UNCONFIRMED + 1);

/// The budget of rejections.
const SPACING: u64 = 10;
const BURST: u64 = 2;
const REFILL: u64 = 5 * 60;

/// How often a record is written again that has changed meanwhile.
const TRIES: usize = 3;

/// A stored record.
struct Record {
    id: FetchId,
    fence: u64,
    bytes: Bytes,
    cas: u64,
    left: Duration,
}

/// A stored lease.
struct Lease {
    id: FetchId,
    fence: u64,
    cas: u64,
    left: Duration,
}

/// What stands under the name of a record.
enum Present {
    None,
    Record(Record),
    Foreign,
}

/// One step.
pub(crate) async fn call(client: &Client, request: SlotRequest) -> Result<SlotReply> {
    match request {
        SlotRequest::Begin { slot, id, unlike, intent, lease } => {
            begin(client, &slot, id, unlike, intent, lease).await
        }
        SlotRequest::Renew { slot, id, lease } => renew(client, &slot, id, lease).await,
        SlotRequest::Complete { slot, id, fence, record, lifetime, elapsed } => {
            let left = lifetime.saturating_sub(elapsed).saturating_sub(MARGIN).as_secs();
            let value = [&id.to_bytes()[..], &fence.to_be_bytes(), &record].concat();
            complete(client, &slot, id, fence, &value, left.min(MAX_SECONDS)).await
        }
        SlotRequest::Fail { slot, id, cooldown } => fail(client, &slot, id, cooldown).await,
        SlotRequest::Forget { slot, id } => forget(client, &slot, id).await,
        _ => Err(Error::other("the request is of a later version of tower-heed")),
    }
}

async fn begin(
    client: &Client,
    slot: &StoreName,
    id: FetchId,
    unlike: Option<FetchId>,
    intent: Intent,
    lease: Duration,
) -> Result<SlotReply> {
    let (name, failed) = (slot.as_str(), slot.part("c"));
    let [present, failure] = ask(client, Commands::new().get(name).get(&failed)).await?;
    if let Some(reply) = wanted(present, unlike) {
        return Ok(reply);
    }
    let note = failure.is_done().then(|| failure.value.clone());
    let cooldown = u64::try_from(failure.ttl).unwrap_or(0).saturating_sub(NOTE_KEPT_FOR.as_secs());
    if let (Some(note), true, true) = (&note, cooldown > 0, intent != Intent::Force) {
        let left = Duration::from_secs(cooldown);
        return Ok(SlotReply::Cooldown { note: note.clone(), left });
    }
    let leased = slot.part("l");
    if intent == Intent::Reject {
        // Whoever takes of the budget has the lease, and then stores a record: what comes later is read later.
        let commands = budget(slot).get(&leased).get(name);
        let [spaced, count, lease, record] = ask(client, commands).await?;
        let is_spent = spaced.is_done() || count.number() >= BURST;
        match (Lease::of(&lease), wanted(record, unlike)) {
            (_, Some(reply)) => return Ok(reply),
            (None, None) if is_spent => return Ok(SlotReply::Keep),
            (_, None) => {}
        }
    }
    let commands = Commands::new()
        .set(&leased, seconds(lease) + 1, "ME", &id.to_bytes())
        .get(&leased)
        // Whoever had the lease until now may have completed meanwhile.
        .get(name);
    let [set, present, record] = ask(client, commands).await?;
    let Some(lease) = Lease::of(&present) else {
        return Ok(SlotReply::Wait { left: Duration::from_secs(1) });
    };
    if lease.id != id {
        return Ok(SlotReply::Wait { left: lease.left });
    }
    // One that has the lease already asks again, as the reply was lost.
    if set.is_done() {
        let mut reply = wanted(record, unlike);
        if reply.is_none() && intent == Intent::Reject && !take_budget(client, slot).await? {
            reply = Some(SlotReply::Keep);
        }
        if let Some(reply) = reply {
            let [_] = ask(client, Commands::new().delete(&leased, lease.cas)).await?;
            return Ok(reply);
        }
    }
    Ok(SlotReply::Lead { fence: lease.fence, failure: note })
}

/// The reply if there is a record that is wanted, or a value that is none.
fn wanted(present: Reply, unlike: Option<FetchId>) -> Option<SlotReply> {
    match Present::of(present) {
        Present::Foreign => Some(SlotReply::Foreign),
        Present::Record(Record { id, bytes, left, .. }) if Some(id) != unlike => {
            Some(SlotReply::Record { id, record: bytes, left })
        }
        Present::Record(_) | Present::None => None,
    }
}

/// Reads what is left of the budget.
fn budget(slot: &StoreName) -> Commands {
    Commands::new().get(&slot.part("s")).get(&slot.part("b"))
}

async fn take_budget(client: &Client, slot: &StoreName) -> Result<bool> {
    let [spaced, count] = ask(client, budget(slot)).await?;
    if spaced.is_done() || count.number() >= BURST {
        return Ok(false);
    }
    let take =
        Commands::new().set(&slot.part("s"), SPACING, "", b"").count(&slot.part("b"), REFILL);
    let [_, _] = ask(client, take).await?;
    Ok(true)
}

async fn renew(
    client: &Client,
    slot: &StoreName,
    id: FetchId,
    lease: Duration,
) -> Result<SlotReply> {
    let leased = slot.part("l");
    let [present] = ask(client, Commands::new().get(&leased)).await?;
    let Some(held) = Lease::of(&present).filter(|held| held.id == id) else {
        return Ok(SlotReply::Lost);
    };
    // With the fence in it: the value gets another number here.
    let value = [id.to_bytes(), held.fence.to_be_bytes()].concat();
    let unchanged = format!("C{}", held.cas);
    let commands = Commands::new().set(&leased, seconds(lease) + 1, &unchanged, &value);
    let [set] = ask(client, commands).await?;
    Ok(if set.is_done() { SlotReply::Done } else { SlotReply::Lost })
}

async fn complete(
    client: &Client,
    slot: &StoreName,
    id: FetchId,
    fence: u64,
    value: &[u8],
    left: u64,
) -> Result<SlotReply> {
    let (name, leased, failed) = (slot.as_str(), slot.part("l"), slot.part("c"));
    for _ in 0..TRIES {
        let [present, lease] = ask(client, Commands::new().get(name).get(&leased)).await?;
        let held = Lease::of(&lease).filter(|held| held.id == id);
        let unchanged = match Present::of(present) {
            Present::Foreign => return Ok(SlotReply::Foreign),
            Present::Record(record) if record.fence > fence => return Ok(SlotReply::Newer),
            Present::Record(record) => format!("C{}", record.cas),
            Present::None => "ME".to_owned(),
        };
        if left == 0 {
            if let Some(held) = held {
                let [_] = ask(client, Commands::new().delete(&leased, held.cas)).await?;
            }
            return Ok(SlotReply::Lost);
        }
        let commands = Commands::new().set(name, UNCONFIRMED.min(left), &unchanged, value);
        let [stored] = ask(client, commands).await?;
        if !stored.is_done() {
            continue;
        }
        let confirm = Commands::new()
            .set(name, left, &format!("C{}", stored.cas), value)
            .delete(&failed, 0)
            .delete(&leased, held.map_or(u64::MAX, |held| held.cas));
        let [confirmed, ..] = ask::<3>(client, confirm).await?;
        return Ok(if confirmed.is_done() { SlotReply::Done } else { SlotReply::Newer });
    }
    Ok(SlotReply::Newer)
}

async fn fail(
    client: &Client,
    slot: &StoreName,
    id: FetchId,
    cooldown: Option<(Bytes, Duration)>,
) -> Result<SlotReply> {
    let (leased, failed) = (slot.part("l"), slot.part("c"));
    if let Some((note, wait)) = cooldown {
        let wanted = seconds(wait + NOTE_KEPT_FOR) + 1;
        for _ in 0..TRIES {
            // A cooldown that ends later goes on.
            let [present] = ask(client, Commands::new().get(&failed)).await?;
            let unchanged = match present.code {
                Code::Done => format!("C{}", present.cas),
                Code::Missing | Code::Refused => "ME".to_owned(),
            };
            let seconds = wanted.max(u64::try_from(present.ttl).unwrap_or(0));
            let commands = Commands::new().set(&failed, seconds, &unchanged, &note);
            let [set] = ask(client, commands).await?;
            if set.is_done() {
                break;
            }
        }
    }
    let [present] = ask(client, Commands::new().get(&leased)).await?;
    if let Some(held) = Lease::of(&present).filter(|held| held.id == id) {
        let [_] = ask(client, Commands::new().delete(&leased, held.cas)).await?;
    }
    Ok(SlotReply::Done)
}

async fn forget(client: &Client, slot: &StoreName, id: Option<FetchId>) -> Result<SlotReply> {
    let name = slot.as_str();
    let [present] = ask(client, Commands::new().get(name)).await?;
    if let Present::Record(record) = Present::of(present) {
        if id.is_none_or(|id| id == record.id) {
            let [_] = ask(client, Commands::new().delete(name, record.cas)).await?;
        }
    }
    Ok(SlotReply::Done)
}

/// The replies to as many commands.
pub(crate) async fn ask<const N: usize>(client: &Client, commands: Commands) -> Result<[Reply; N]> {
    let replies = client.call(&commands).await?;
    replies.try_into().map_err(|_| Error::other("not as many replies as commands"))
}

/// Whole seconds, none too few.
pub(crate) fn seconds(span: Duration) -> u64 {
    let part = u64::from(span.subsec_nanos() > 0);
    span.as_secs().saturating_add(part).min(MAX_SECONDS - 1)
}

/// What is left of a value for certain.
fn left(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0).saturating_sub(1))
}

// === impl Present ===

impl Present {
    fn of(reply: Reply) -> Self {
        let (cas, left) = (reply.cas, left(reply.ttl));
        let mut bytes = reply.value;
        match reply.code {
            Code::Done if bytes.len() >= 16 => {
                let mut id = [0; 8];
                bytes.copy_to_slice(&mut id);
                let fence = bytes.get_u64();
                Self::Record(Record { id: FetchId::from_bytes(id), fence, bytes, cas, left })
            }
            Code::Done => Self::Foreign,
            Code::Missing | Code::Refused => Self::None,
        }
    }
}

// === impl Lease ===

impl Lease {
    fn of(reply: &Reply) -> Option<Self> {
        let (id, rest) = reply.value.split_first_chunk()?;
        let fence = rest.first_chunk().map_or(reply.cas, |fence| u64::from_be_bytes(*fence));
        let left = left(reply.ttl).max(Duration::from_millis(500));
        Some(Self { id: FetchId::from_bytes(*id), fence, cas: reply.cas, left })
    }
}
