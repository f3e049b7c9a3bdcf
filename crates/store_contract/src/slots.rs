//! The suite of slots. Its cases run at the same time: each has a name of its own.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;
use tower_heed::{
    store::{FetchId, Intent, SealingKeys, SlotReply, SlotRequest, StoreName},
    token_cache::{Shared, TokenKey},
};

use crate::Store;

/// Longer than the whole suite takes.
pub const LONG: Duration = Duration::from_secs(60);

/// The shortest lease that a store of whole seconds can keep, and the time after which it is over for certain.
const SHORT: Duration = Duration::from_secs(1);
const AFTER_SHORT: Duration = Duration::from_millis(2300);

const HOUR: Duration = Duration::from_secs(3600);
const ZERO: Duration = Duration::ZERO;

/// One slot of a store.
#[derive(Clone, Debug)]
pub struct Slot<S> {
    store: S,
    name: StoreName,
}

/// A fetch id that no other test has.
pub fn id() -> FetchId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    FetchId::from_bytes(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes())
}

// === impl Slot ===

impl<S: Store> Slot<S> {
    pub fn new(store: &S, name: &str) -> Self {
        let keys = SealingKeys::in_clear_text(&[0; 32]);
        let source = Shared::new(TokenKey::new(), (), store.clone(), keys);
        Self::of(store, source.name(&TokenKey::new().with_audience(name)))
    }

    pub fn of(store: &S, name: StoreName) -> Self {
        Self { store: store.clone(), name }
    }

    #[must_use]
    pub fn name(&self) -> &StoreName {
        &self.name
    }

    pub async fn call(&self, request: SlotRequest) -> SlotReply {
        let reply = self.store.clone().oneshot(request).await;
        reply.map_err(Into::into).unwrap()
    }

    pub async fn begin_as(
        &self,
        id: FetchId,
        unlike: Option<FetchId>,
        intent: Intent,
        lease: Duration,
    ) -> SlotReply {
        self.call(SlotRequest::Begin { slot: self.name.clone(), id, unlike, intent, lease }).await
    }

    pub async fn begin(&self, id: FetchId) -> SlotReply {
        self.begin_as(id, None, Intent::Fetch, LONG).await
    }

    pub async fn begin_unlike(&self, id: FetchId, unlike: FetchId) -> SlotReply {
        self.begin_as(id, Some(unlike), Intent::Fetch, LONG).await
    }

    /// Gets the lease.
    pub async fn lead(&self, id: FetchId) -> u64 {
        fence(self.begin(id).await)
    }

    pub async fn renew(&self, id: FetchId, lease: Duration) -> SlotReply {
        self.call(SlotRequest::Renew { slot: self.name.clone(), id, lease }).await
    }

    pub async fn complete(&self, id: FetchId, fence: u64, record: &[u8]) -> SlotReply {
        self.complete_with(id, fence, record, HOUR, ZERO).await
    }

    pub async fn complete_with(
        &self,
        id: FetchId,
        fence: u64,
        record: &[u8],
        lifetime: Duration,
        elapsed: Duration,
    ) -> SlotReply {
        let (slot, record) = (self.name.clone(), Bytes::copy_from_slice(record));
        self.call(SlotRequest::Complete { slot, id, fence, record, lifetime, elapsed }).await
    }

    pub async fn fail(&self, id: FetchId, cooldown: Option<(&[u8], Duration)>) -> SlotReply {
        let cooldown = cooldown.map(|(note, wait)| (Bytes::copy_from_slice(note), wait));
        self.call(SlotRequest::Fail { slot: self.name.clone(), id, cooldown }).await
    }

    pub async fn forget(&self, id: Option<FetchId>) -> SlotReply {
        self.call(SlotRequest::Forget { slot: self.name.clone(), id }).await
    }

    /// Has a record of this fetch.
    pub async fn filled(store: &S, name: &str) -> (Self, FetchId) {
        let (slot, first) = (Self::new(store, name), id());
        let fence = slot.lead(first).await;
        assert_eq!(slot.complete(first, fence, b"first").await, SlotReply::Done);
        (slot, first)
    }
}

pub fn fence(reply: SlotReply) -> u64 {
    match reply {
        SlotReply::Lead { fence, .. } => fence,
        reply => panic!("{reply:?}"),
    }
}

fn is_lead(reply: &SlotReply) -> bool {
    matches!(reply, SlotReply::Lead { failure: None, .. })
}

fn is_wait(reply: &SlotReply) -> bool {
    matches!(reply, SlotReply::Wait { .. })
}

fn is_record(reply: &SlotReply, of: FetchId, bytes: &[u8]) -> bool {
    matches!(reply, SlotReply::Record { id, record, .. } if *id == of && record == bytes)
}

/// All cases but the one that takes longer.
pub async fn suite<S: Store>(store: &S) {
    tokio::join!(
        one_has_the_lease_and_may_ask_again(store),
        a_lease_is_renewed_by_its_holder_and_ends(store),
        a_record_is_for_all_but_the_one_who_has_it(store),
        a_record_ends(store),
        of_two_the_later_one_stays(store),
        a_record_that_is_over_is_not_stored(store),
        only_the_holder_gives_the_lease_back(store),
        a_cooldown_is_for_all_and_is_remembered(store),
        a_cooldown_ends_with_a_success(store),
        a_shorter_cooldown_ends_no_longer_one(store),
        rejections_have_a_budget(store),
        what_is_forgotten_is_gone(store),
        records_are_any_bytes(store),
        slots_are_independent(store),
    );
}

async fn one_has_the_lease_and_may_ask_again(store: &impl Store) {
    let slot = Slot::new(store, "lease");
    let (one, other) = (id(), id());
    let reply = slot.begin(one).await;
    assert!(is_lead(&reply), "{reply:?}");
    match slot.begin(other).await {
        SlotReply::Wait { left } => assert!(ZERO < left && left <= LONG, "{left:?}"),
        reply => panic!("{reply:?}"),
    }
    assert_eq!(slot.begin(one).await, reply, "the reply was lost");
}

async fn a_lease_is_renewed_by_its_holder_and_ends(store: &impl Store) {
    let slot = Slot::new(store, "renewed");
    let (one, other) = (id(), id());
    let first = fence(slot.begin_as(one, None, Intent::Fetch, SHORT).await);
    assert_eq!(slot.renew(other, LONG).await, SlotReply::Lost);
    assert_eq!(slot.renew(one, 5 * SHORT).await, SlotReply::Done);
    sleep(AFTER_SHORT).await;
    assert!(is_wait(&slot.begin(other).await), "it was renewed");
    assert_eq!(slot.renew(one, SHORT).await, SlotReply::Done);
    sleep(AFTER_SHORT).await;
    assert!(slot.lead(other).await > first);
    assert_eq!(slot.renew(one, LONG).await, SlotReply::Lost);
}

async fn a_record_is_for_all_but_the_one_who_has_it(store: &impl Store) {
    let slot = Slot::new(store, "record");
    let (one, other, third) = (id(), id(), id());
    let fence = slot.lead(one).await;
    let (lifetime, elapsed) = (HOUR, Duration::from_secs(60));
    let done = slot.complete_with(one, fence, b"first", lifetime, elapsed).await;
    assert_eq!(done, SlotReply::Done);
    match slot.begin(other).await {
        SlotReply::Record { id, record, left } => {
            assert_eq!((id, &record[..]), (one, &b"first"[..]));
            let least = lifetime - elapsed - Duration::from_secs(10);
            assert!(least < left && left <= lifetime - elapsed, "{left:?}");
        }
        reply => panic!("{reply:?}"),
    }
    assert!(is_lead(&slot.begin_unlike(other, one).await));
    assert!(is_wait(&slot.begin_unlike(third, one).await));
    assert!(is_record(&slot.begin(third).await, one, b"first"), "it stays until there is another");
}

async fn a_record_ends(store: &impl Store) {
    let slot = Slot::new(store, "ends");
    let one = id();
    let fence = slot.lead(one).await;
    // A store of whole seconds takes some off.
    let lifetime = Duration::from_secs(7);
    assert_eq!(slot.complete_with(one, fence, b"x", lifetime, ZERO).await, SlotReply::Done);
    let begun = Instant::now();
    loop {
        match slot.begin(id()).await {
            SlotReply::Record { left, .. } => {
                let passed = Instant::now().saturating_duration_since(begun);
                assert!(left + passed <= lifetime + Duration::from_millis(20), "{left:?}");
                sleep(Duration::from_millis(300)).await;
            }
            reply => return assert!(is_lead(&reply), "{reply:?}"),
        }
    }
}

async fn of_two_the_later_one_stays(store: &impl Store) {
    let slot = Slot::new(store, "later");
    let (one, other, third) = (id(), id(), id());
    let first = fence(slot.begin_as(one, None, Intent::Fetch, SHORT).await);
    sleep(AFTER_SHORT).await;
    let second = fence(slot.begin_as(other, None, Intent::Fetch, LONG).await);
    assert!(first < second);
    assert_eq!(slot.complete(one, first, b"first").await, SlotReply::Done, "better than none");
    assert!(is_record(&slot.begin(third).await, one, b"first"));
    assert!(is_wait(&slot.begin_unlike(third, one).await), "the lease is not the first one's");
    assert_eq!(slot.complete(other, second, b"second").await, SlotReply::Done);
    assert_eq!(slot.complete(one, first, b"first").await, SlotReply::Newer);
    assert!(is_record(&slot.begin(third).await, other, b"second"));
}

async fn a_record_that_is_over_is_not_stored(store: &impl Store) {
    let slot = Slot::new(store, "over");
    let one = id();
    let fence = slot.lead(one).await;
    assert_eq!(slot.complete_with(one, fence, b"x", SHORT, LONG).await, SlotReply::Lost);
    assert!(is_lead(&slot.begin(id()).await), "the lease was given back");
}

async fn only_the_holder_gives_the_lease_back(store: &impl Store) {
    let slot = Slot::new(store, "given back");
    let (one, other) = (id(), id());
    slot.lead(one).await;
    assert_eq!(slot.fail(other, None).await, SlotReply::Done);
    assert!(is_wait(&slot.begin(other).await));
    assert_eq!(slot.fail(one, None).await, SlotReply::Done);
    assert!(is_lead(&slot.begin(other).await));
}

async fn a_cooldown_is_for_all_and_is_remembered(store: &impl Store) {
    let slot = Slot::new(store, "cooldown");
    let (one, other) = (id(), id());
    slot.lead(one).await;
    let wait = Duration::from_secs(2);
    assert_eq!(slot.fail(one, Some((b"limited", wait))).await, SlotReply::Done);
    match slot.begin(other).await {
        SlotReply::Cooldown { note, left } => {
            assert_eq!(note, "limited");
            assert!(ZERO < left && left <= wait + SHORT, "{left:?}");
        }
        reply => panic!("{reply:?}"),
    }
    let remembers =
        |reply| matches!(reply, SlotReply::Lead { failure: Some(note), .. } if note == "limited");
    assert!(remembers(slot.begin_as(other, None, Intent::Force, LONG).await));
    assert_eq!(slot.fail(other, None).await, SlotReply::Done, "the cooldown goes on");
    assert!(matches!(slot.begin(other).await, SlotReply::Cooldown { .. }));
    sleep(wait + AFTER_SHORT).await;
    assert!(remembers(slot.begin(other).await));
}

async fn a_cooldown_ends_with_a_success(store: &impl Store) {
    let (slot, first) = Slot::filled(store, "success").await;
    let (one, other) = (id(), id());
    assert!(is_lead(&slot.begin_unlike(one, first).await));
    assert_eq!(slot.fail(one, Some((b"limited", LONG))).await, SlotReply::Done);
    assert!(matches!(slot.begin_unlike(other, first).await, SlotReply::Cooldown { .. }));
    assert!(is_record(&slot.begin(other).await, first, b"first"), "what is there is served");
    let fence = fence(slot.begin_as(other, Some(first), Intent::Force, LONG).await);
    assert_eq!(slot.complete(other, fence, b"second").await, SlotReply::Done);
    assert!(is_lead(&slot.begin_unlike(one, other).await));
}

async fn a_shorter_cooldown_ends_no_longer_one(store: &impl Store) {
    let slot = Slot::new(store, "longer");
    let (one, other, third) = (id(), id(), id());
    slot.lead(one).await;
    assert_eq!(slot.fail(one, Some((b"long", LONG))).await, SlotReply::Done);
    let in_cooldown = async |note: &'static [u8], at_least: Duration, at_most: Duration| match slot
        .begin(id())
        .await
    {
        SlotReply::Cooldown { note: told, left } => {
            assert!(told == note && at_least < left && left <= at_most, "{left:?}");
        }
        reply => panic!("{reply:?}"),
    };
    // Of a fetch that was forced, or that comes late, without the lease.
    for fetch in [other, third] {
        if fetch == other {
            fence(slot.begin_as(other, None, Intent::Force, LONG).await);
        }
        assert_eq!(slot.fail(fetch, Some((b"short", SHORT))).await, SlotReply::Done);
        in_cooldown(b"short", LONG / 2, LONG + 2 * SHORT).await;
    }
    assert_eq!(slot.fail(third, Some((b"longest", 3 * LONG))).await, SlotReply::Done);
    in_cooldown(b"longest", 2 * LONG, 3 * LONG + 2 * SHORT).await;
}

async fn rejections_have_a_budget(store: &impl Store) {
    let (slot, first) = Slot::filled(store, "budget").await;
    let (one, other, third) = (id(), id(), id());
    let reject = |by, mark| slot.begin_as(by, Some(mark), Intent::Reject, LONG);
    let fence = fence(reject(one, first).await);
    assert!(is_wait(&reject(other, first).await));
    assert_eq!(slot.complete(one, fence, b"second").await, SlotReply::Done);
    assert!(is_record(&reject(other, first).await, one, b"second"));
    assert_eq!(reject(third, one).await, SlotReply::Keep, "too soon");
    assert!(is_lead(&slot.begin_unlike(third, one).await), "for another reason");
}

/// Takes 21 s: the budget of rejections has no other time.
pub async fn rejections_are_ten_seconds_apart<S: Store>(store: &S) {
    let (slot, mut last) = Slot::filled(store, "ten seconds").await;
    for may in [true, true, false] {
        let next = id();
        let reply = slot.begin_as(next, Some(last), Intent::Reject, LONG).await;
        if may {
            assert_eq!(slot.complete(next, fence(reply), b"next").await, SlotReply::Done);
            last = next;
            sleep(Duration::from_millis(10_500)).await;
        } else {
            assert_eq!(reply, SlotReply::Keep);
        }
    }
}

async fn what_is_forgotten_is_gone(store: &impl Store) {
    let (slot, first) = Slot::filled(store, "forgotten").await;
    assert_eq!(slot.forget(Some(id())).await, SlotReply::Done);
    assert!(is_record(&slot.begin(id()).await, first, b"first"), "another's");
    assert_eq!(slot.forget(Some(first)).await, SlotReply::Done);
    assert!(is_lead(&slot.begin(id()).await));
    let (slot, _) = Slot::filled(store, "forgotten by all").await;
    assert_eq!(slot.forget(None).await, SlotReply::Done);
    assert!(is_lead(&slot.begin(id()).await));
}

async fn records_are_any_bytes(store: &impl Store) {
    let slot = Slot::new(store, "bytes");
    let one = id();
    let fence = slot.lead(one).await;
    let bytes: Vec<u8> =
        b"\r\nEN\r\n\0".iter().copied().chain((0..=255).cycle().take(65_536)).collect();
    assert_eq!(slot.complete(one, fence, &bytes).await, SlotReply::Done);
    assert!(is_record(&slot.begin(id()).await, one, &bytes));
}

async fn slots_are_independent(store: &impl Store) {
    let (one, other) = (Slot::new(store, "one"), Slot::new(store, "other"));
    let fence = one.lead(id()).await;
    let leads = id();
    other.lead(leads).await;
    assert_eq!(one.complete(id(), fence, b"x").await, SlotReply::Done);
    assert!(is_wait(&other.begin(id()).await));
}
