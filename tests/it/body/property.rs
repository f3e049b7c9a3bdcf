//! Whatever is cloned, read, recalled and dropped in whatever order: a `ReplayBody` gives the body or a typed error.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio_test::task;
use tower_heed::{
    Error as LayerError, ErrorKind,
    body::{ReplayBody, ReplayableBody},
    error::NotReplayable,
};

use crate::body::script::{Script, Step};

#[derive(Clone, Debug)]
enum Deed {
    Clone(Index),
    Recall(Index),
    Read(Index),
    ReadOn(Index),
    Drop(Index),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Ends,
    Fails,
    EndsEarly,
}

#[derive(Clone, Debug)]
struct Plan {
    steps: Vec<Step>,
    whole: Vec<u8>,
    trailers: Option<HeaderMap>,
    fate: Fate,
    promise: bool,
    foresees_end: bool,
    max_bytes: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let len = prop_oneof![4 => 0..8_usize, 1 => 1000..1100_usize, 1 => 8000..9000_usize];
    let chunks = prop::collection::vec((len, any::<bool>()), 0..12);
    let fate =
        prop_oneof![3 => Just(Fate::Ends), 1 => Just(Fate::Fails), 1 => Just(Fate::EndsEarly)];
    let max_bytes = prop_oneof![3 => Just(1 << 20), 1 => 0..64_usize, 1 => 0..20_000_usize];
    (chunks, fate, any::<[bool; 3]>(), max_bytes).prop_map(
        |(chunks, fate, [promise, foresees_end, trailers], max_bytes)| {
            let mut steps = Vec::new();
            let mut whole = Vec::new();
            for (len, pause) in chunks {
                // Bytes that tell their place, so that nothing doubled or lost could look right.
                let chunk: Vec<u8> =
                    (whole.len()..whole.len() + len).map(|place| (place % 251) as u8).collect();
                whole.extend(&chunk);
                steps.push(Step::Data(chunk.into()));
                steps.extend(pause.then_some(Step::Pause));
            }
            let trailers = (trailers && fate == Fate::Ends).then(|| {
                HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("sum"))])
            });
            steps.extend(trailers.clone().map(Step::Trailers));
            steps.extend((fate == Fate::Fails).then_some(Step::Fail("disk on fire")));
            Plan { steps, whole, trailers, fate, promise, foresees_end, max_bytes }
        },
    )
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let one = |deed: fn(Index) -> Deed| any::<Index>().prop_map(deed);
    let deed = prop_oneof![
        2 => one(Deed::Clone),
        1 => one(Deed::Recall),
        6 => one(Deed::Read),
        1 => one(Deed::ReadOn),
        1 => one(Deed::Drop),
    ];
    prop::collection::vec(deed, 0..40)
}

impl Plan {
    fn body(&self) -> ReplayBody<Script> {
        let mut script = Script::new(self.steps.clone());
        if self.promise || self.fate == Fate::EndsEarly {
            script =
                script.promising(self.whole.len() as u64 + u64::from(self.fate == Fate::EndsEarly));
        }
        if self.foresees_end {
            script = script.foreseeing_its_end();
        }
        ReplayBody::new(script, self.max_bytes)
    }
}

/// One send, and all that it has given.
struct Send {
    id: usize,
    body: ReplayBody<Script>,
    begun: bool,
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    over: bool,
}

impl Send {
    fn new(id: usize, body: ReplayBody<Script>) -> Self {
        Self { id, body, begun: false, data: Vec::new(), trailers: None, over: false }
    }

    /// Reads a frame, if there is one now, and checks it. `rightful` is the attempt that nothing may keep from going on.
    fn read(&mut self, plan: &Plan, rightful: &mut Option<usize>) -> Result<(), TestCaseError> {
        if !self.begun && (self.body.is_replayable() || rightful.is_none()) {
            *rightful = Some(self.id);
        }
        self.begun = true;
        let hint = self.body.size_hint();
        let foreseen = self.body.is_end_stream();
        let std::task::Poll::Ready(frame) = task::spawn(self.body.frame()).poll() else {
            return Ok(());
        };
        prop_assert!(!foreseen || frame.is_none(), "went on after its end: {frame:?}");
        let left = plan.whole.len() - self.data.len();
        match frame {
            Some(Ok(frame)) => {
                prop_assert!(!self.over && self.trailers.is_none());
                match frame.into_data() {
                    Ok(data) => self.data.extend::<Bytes>(data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                }
                prop_assert!(plan.whole.starts_with(&self.data));
            }
            Some(Err(error)) => {
                prop_assert!(!self.over);
                self.over = true;
                let kind = error.downcast_ref::<LayerError>().map(LayerError::kind);
                let reason = match kind {
                    Some(ErrorKind::ReplayBody { reason, .. }) => Some(*reason),
                    Some(ErrorKind::RequestBody) => None,
                    kind => panic!("{kind:?}"),
                };
                match reason {
                    Some(NotReplayable::Broken) => prop_assert_ne!(plan.fate, Fate::Ends),
                    Some(reason) => prop_assert_ne!(*rightful, Some(self.id), "{:?}", reason),
                    None if plan.fate == Fate::EndsEarly => {}
                    None => {
                        prop_assert_eq!((plan.fate, left), (Fate::Fails, 0));
                        prop_assert!(error.to_string().ends_with("disk on fire"));
                    }
                }
            }
            None if self.over => {}
            None => {
                self.over = true;
                prop_assert_eq!(left, 0, "ended short of its end");
                prop_assert_eq!(&self.trailers, &plan.trailers);
                prop_assert_eq!(plan.fate, Fate::Ends);
            }
        }
        if plan.fate != Fate::EndsEarly && !self.over && self.data.len() < plan.whole.len() {
            prop_assert!(
                hint.lower() <= left as u64
                    && hint.upper().is_none_or(|upper| left as u64 <= upper)
            );
        }
        Ok(())
    }

    fn read_on(&mut self, plan: &Plan, rightful: &mut Option<usize>) -> Result<(), TestCaseError> {
        for _ in 0..200 {
            self.read(plan, rightful)?;
        }
        prop_assert!(self.over, "never came to an end");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_is_given_whole_or_an_error_says_why_not(plan in plan(), deeds in deeds()) {
        let first = plan.body();
        let mut rightful = None;
        let mut attempts = vec![Send::new(0, first)];
        for (id, deed) in (1..).zip(deeds) {
            if attempts.is_empty() {
                break;
            }
            match deed {
                Deed::Clone(index) => {
                    let clone = index.get(&attempts).body.try_clone();
                    attempts.extend(clone.map(|body| Send::new(id, body)));
                }
                Deed::Recall(index) => {
                    if let Some(body) = index.get(&attempts).body.rewind() {
                        rightful = None;
                        attempts.push(Send::new(id, body));
                    }
                }
                Deed::Read(index) => { let at = index.index(attempts.len()); attempts[at].read(&plan, &mut rightful)? }
                Deed::ReadOn(index) => { let at = index.index(attempts.len()); attempts[at].read_on(&plan, &mut rightful)? }
                Deed::Drop(index) => drop(attempts.swap_remove(index.index(attempts.len()))),
            }
        }
        let last = attempts.iter().find_map(|send| send.body.try_clone());
        if let Some(body) = last {
            Send::new(usize::MAX, body).read_on(&plan, &mut rightful)?;
        }
        for mut send in attempts {
            send.read_on(&plan, &mut rightful)?;
        }
    }

    /// Without a second attempt there is no difference to the wrapped body, whatever the cap.
    #[test]
    fn the_first_attempt_is_intact(plan in plan()) {
        let mut send = Send::new(0, plan.body());
        let _kept = send.body.try_clone();
        send.read_on(&plan, &mut None)?;
        prop_assert_eq!(&send.data, &plan.whole);
        prop_assert_eq!(&send.trailers, &plan.trailers);
    }

    /// Within the cap every later attempt gives the same.
    #[test]
    fn every_replay_is_the_same(mut plan in plan(), reads in prop::collection::vec((0_usize..20, any::<bool>()), 1..5)) {
        plan.max_bytes = 1 << 20;
        plan.fate = Fate::Ends;
        plan.steps.retain(|step| !matches!(step, Step::Fail(_)));
        let kept = plan.body();
        let mut alive = Vec::new();
        for (id, (frames, keep_alive)) in (0..).zip(reads) {
            let mut send = Send::new(id, kept.rewind().unwrap());
            for _ in 0..frames {
                send.read(&plan, &mut Some(id))?;
            }
            alive.extend(keep_alive.then_some(send));
        }
        let mut last = Send::new(usize::MAX, kept.rewind().unwrap());
        last.read_on(&plan, &mut Some(usize::MAX))?;
        prop_assert_eq!(&last.data, &plan.whole);
        prop_assert_eq!(&last.trailers, &plan.trailers);
    }
}
