//! The ledger under arbitrary questions, records and times.

use proptest::prelude::*;
use tower_heed::__internals::fleet::{
    Ask, Decoded, Learned, Ledger, Nanos, Question, Role, SECOND as LEDGER_SECOND, Step, decode,
    encode,
};

use super::world::{Scenario, lie, run};
use crate::support::sim::{Chance, Headers, Rule, SECOND};

const NOW: Nanos = 1_800_000_000 * LEDGER_SECOND;

fn ask_of(asker: u64, want: u32) -> Ask {
    Ask { asker, want, ..Ask::default() }
}

/// A ledger that has learned this, and what the learner was granted.
fn learned(found: Learned) -> Ledger {
    let mut ledger = Ledger::new();
    let grant = ledger.ask(NOW, &ask_of(1, 1));
    assert_eq!(grant.role, Role::Learner);
    let ask = Ask { learned: Some(found), generation: grant.generation, ..ask_of(1, 0) };
    assert_eq!(ledger.ask(NOW, &ask).role, Role::Shares);
    ledger
}

/// Questions of many processes that tell nothing: who asks, what it wants, and how long after the one before.
fn questions() -> impl Strategy<Value = Vec<(u64, u32, u64)>> {
    prop::collection::vec((0..50_u64, 0..200_u32, 0..300_u64), 1..200)
}

proptest! {
    #[test]
    fn a_window_never_grants_more_than_the_limit(limit in 1..500_u32, left in 0..500_u32, questions in questions()) {
        let period = LEDGER_SECOND;
        let end = (NOW + period / 2, NOW + period * 6 / 10);
        let found = Learned::Window { limit, left: left.min(limit), period: Some(period), end };
        let mut ledger = learned(found);
        let mut granted = std::collections::BTreeMap::<u64, u32>::new();
        let mut now = NOW;
        for (asker, want, after) in questions {
            now += after * 1_000_000;
            let grant = ledger.ask(now, &ask_of(asker, want));
            prop_assert!(grant.lots.iter().map(|lot| lot.count).sum::<u32>() <= want);
            for lot in grant.lots {
                prop_assert!(lot.from < lot.until);
                *granted.entry(lot.window).or_default() += lot.count;
            }
        }
        prop_assert!(granted.values().all(|count| *count <= limit), "{granted:?}");
    }

    #[test]
    fn a_rate_never_grants_more_than_has_come_in(burst in 1..200_u32, left in 0..200_u32, millis in 1..200_u64, questions in questions()) {
        let every = millis * 1_000_000;
        let mut ledger = learned(Learned::Rate { every, burst, left: left.min(burst) });
        // What is granted of each moment: all permits up to it fit in the bucket.
        let mut permits = Vec::new();
        let mut now = NOW;
        for (asker, want, after) in questions {
            now += after * 1_000_000;
            let grant = ledger.ask(now, &ask_of(asker, want));
            prop_assert!(grant.lots.iter().map(|lot| lot.count).sum::<u32>() <= want);
            for lot in grant.lots {
                permits.extend((0..u64::from(lot.count)).map(|count| lot.from + count * lot.every));
            }
        }
        permits.sort_unstable();
        for (count, at) in permits.iter().enumerate() {
            let came_in = u64::from(burst) + (at - NOW) / every;
            prop_assert!(count as u64 <= came_in, "{count} of {came_in}");
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written(seed in 0..u64::MAX, count in 0..100) {
        let mut chance = Chance::new(seed);
        let mut ledger = Ledger::new();
        for step in 0..count {
            let mut ask = ask_of(chance.between(1, 5), 3);
            lie(&mut ask, &mut chance);
            ask.generation = ledger.ask(NOW, &Ask::default()).generation;
            ledger.ask(NOW + step as u64 * LEDGER_SECOND / 3, &ask);
            let record = encode(&ledger);
            prop_assert!(record.len() < 2_048);
            prop_assert_eq!(decode(&record), Decoded::Ledger(ledger.clone()));
        }
    }

    #[test]
    fn no_record_and_no_question_panics(mut record in prop::collection::vec(any::<u8>(), 0..300), seed in 0..u64::MAX, now in any::<u64>()) {
        let mut chance = Chance::new(seed);
        if let Some(version) = record.first_mut().filter(|_| seed % 4 > 0) {
            *version = 1;
        }
        let mut now = now;
        for _ in 0..50 {
            let mut ask = ask_of(chance.between(0, 5), 3);
            lie(&mut ask, &mut chance);
            ask.generation = chance.between(0, 3);
            let mut question = Question::new(ask, None);
            match question.on_record(now, Some(&record)) {
                Step::Swap(swap) => record = swap.record,
                Step::Done | Step::Foreign | Step::Busy => {}
            }
            now = now.saturating_add(chance.between(0, 10 * LEDGER_SECOND));
        }
    }
}

#[test]
fn a_record_of_another_version_is_left_alone() {
    let mut question = Question::new(ask_of(1, 1), Some((Ledger::new(), NOW)));
    assert_eq!(question.on_record(NOW, Some(&[2, 3, 4])), Step::Foreign);
    assert_eq!(decode(&[2, 3, 4]), Decoded::Foreign);
    assert_eq!(decode(&[1, 0x80]), Decoded::Broken);
}

#[test]
fn one_process_learns_and_the_others_wait_until_it_is_gone() {
    let mut ledger = Ledger::new();
    assert_eq!(ledger.ask(NOW, &ask_of(1, 1)).role, Role::Learner);
    assert_eq!(ledger.ask(NOW + 1, &ask_of(2, 1)).role, Role::Waits);
    // It renews its role.
    let later = NOW + LEDGER_SECOND;
    assert_eq!(ledger.ask(later, &ask_of(1, 1)).role, Role::Learner);
    assert_eq!(ledger.ask(later + LEDGER_SECOND, &ask_of(2, 1)).role, Role::Waits);
    assert_eq!(ledger.ask(later + 2 * LEDGER_SECOND, &ask_of(2, 1)).role, Role::Learner);
    assert_eq!(ledger.ask(later + 2 * LEDGER_SECOND, &ask_of(1, 1)).role, Role::Waits);
}

#[test]
fn a_process_that_has_much_more_to_send_takes_the_place_of_the_learner() {
    let mut ledger = Ledger::new();
    assert_eq!(ledger.ask(NOW, &ask_of(1, 2)).role, Role::Learner);
    assert_eq!(ledger.ask(NOW + 1, &ask_of(2, 4)).role, Role::Waits);
    assert_eq!(ledger.ask(NOW + 2, &ask_of(3, 8)).role, Role::Learner);
    assert_eq!(ledger.ask(NOW + 3, &ask_of(1, 2)).role, Role::Waits);
}

#[test]
fn a_model_under_which_nothing_is_accepted_is_forgotten() {
    let mut ledger = learned(Learned::Window {
        limit: 1,
        left: 0,
        period: Some(24 * 3_600 * LEDGER_SECOND),
        end: (NOW + 23 * 3_600 * LEDGER_SECOND, NOW + 23 * 3_600 * LEDGER_SECOND),
    });
    let roles: Vec<_> = (1..200)
        .map(|second| ledger.ask(NOW + second * LEDGER_SECOND, &ask_of(2, 1)).role)
        .collect();
    let learner = roles.iter().position(|role| *role == Role::Learner);
    assert!(learner.is_some_and(|at| (118..130).contains(&at)), "{learner:?}");
}

/// A damaged record and a process that tells anything do not stop a fleet: the least share that is accepted all the same.
#[test]
fn a_liar_and_a_damaged_record_do_not_stop_a_fleet() {
    let rule = Rule::Fixed { limit: 50, period: SECOND };
    for headers in [Headers::Epoch, Headers::Bare] {
        let new = Scenario::new(rule, headers, 8);
        let lies = Scenario { lies: true, lasts: 100 * SECOND, ..new.clone() };
        let outcome = run(&lies, 1);
        println!("{headers:?}, a liar: {}", outcome.line(&lies));
        assert!(outcome.share(&lies) > 0.1, "{headers:?}: {}", outcome.line(&lies));
        let mut slow = learned(Learned::Rate { every: 600 * LEDGER_SECOND, burst: 1, left: 0 });
        slow.ask(NOW, &ask_of(3, 1));
        let first_record = Some(encode(&slow));
        let damaged = Scenario { first_record, lasts: 200 * SECOND, learning: 180 * SECOND, ..new };
        let outcome = run(&damaged, 1);
        println!("{headers:?}, a damaged record: {}", outcome.line(&damaged));
        assert!(outcome.share(&damaged) > 0.9, "{headers:?}: {}", outcome.line(&damaged));
    }
}
