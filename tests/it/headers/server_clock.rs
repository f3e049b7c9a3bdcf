//! The server's clock is learned from its dates.

use std::time::{Duration, SystemTime};

use proptest::{collection::vec, prelude::*};
use tokio::time::Instant;
use tower_heed::__internals::ServerClock;

fn at(seconds: f64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)
}

fn width(clock: &ServerClock) -> Duration {
    let (earliest, latest) = clock.when(at(2_000.0)).unwrap();
    latest.saturating_duration_since(earliest)
}

/// What a server whose time is `offset` at the start says after so long.
fn hear(clock: &mut ServerClock, start: Instant, offset: f64, after: f64) {
    let sent = start + Duration::from_secs_f64(after);
    let received = sent + Duration::from_millis(10);
    clock.on_response(sent, received, at((offset + after + 0.005).floor()));
}

#[test]
fn many_responses_narrow_it_to_a_round_trip() {
    let (mut clock, start) = (ServerClock::new(), Instant::now());
    for step in 0..400 {
        hear(&mut clock, start, 1_000.3, f64::from(step) * 0.618_034);
    }
    assert!(width(&clock) <= Duration::from_millis(26), "{:?}", width(&clock));
    let (earliest, latest) = clock.when(at(1_010.0)).unwrap();
    let truth = (start + Duration::from_secs_f64(9.7)).into();
    assert!(earliest <= truth && truth <= latest, "{earliest:?} {truth:?} {latest:?}");
}

#[test]
fn a_clock_that_was_set_is_believed_anew() {
    for offset in [4_600.3, 996.7] {
        let (mut clock, start) = (ServerClock::new(), Instant::now());
        hear(&mut clock, start, 1_000.3, 0.0);
        hear(&mut clock, start, offset, 1.0);
        let (earliest, latest) = clock.when(at(offset + 5.0)).unwrap();
        let truth = (start + Duration::from_secs(5)).into();
        assert!(earliest <= truth && truth <= latest, "{offset}");
    }
}

#[test]
fn the_side_of_a_reset_narrows_it() {
    let (mut clock, start) = (ServerClock::new(), Instant::now());
    clock.on_response(start, start, at(1_000.0));
    clock.not_reached(at(1_001.0), start + Duration::from_millis(600));
    clock.reached(at(1_001.0), start + Duration::from_millis(700));
    assert_eq!(width(&clock), Duration::from_millis(100));
}

#[test]
fn what_is_known_is_slowly_forgotten() {
    let (mut clock, start) = (ServerClock::new(), Instant::now());
    for step in 0..100 {
        hear(&mut clock, start, 1_000.3, f64::from(step) * 0.037);
    }
    let before = width(&clock);
    clock.not_reached(at(9_000.0), start + Duration::from_secs(1_000));
    assert!(width(&clock) > before + Duration::from_millis(100));
}

#[test]
fn absurd_dates_do_no_harm() {
    let (mut clock, start) = (ServerClock::new(), Instant::now());
    assert!(clock.when(at(1.0)).is_none());
    for seconds in [0.0, 253_370_764_800.0, 1.0] {
        clock.on_response(start, start, at(seconds));
        clock.reached(at(253_370_764_800.0), start);
        clock.not_reached(SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40), start);
        assert!(clock.when(at(1.0)).is_some());
    }
}

proptest! {
    /// What is remembered from one call to the next changes no answer: a clock is asked again after each step, and so is one that went
    /// the same way without being asked.
    #[test]
    fn a_moment_that_is_asked_for_again_has_the_same_answer(
        steps in vec((0..4_u8, 0..5_u64, 0..4_u64, 1..3_000_u64), 1..40),
    ) {
        let start = Instant::now();
        let mut clock = ServerClock::new();
        let mut now = start;
        for (kind, second, moment, passed) in steps {
            let sent = now;
            now += Duration::from_millis(passed);
            let moment = at(1_000.0 + 2.0 * moment as f64);
            match kind {
                0 => clock.on_response(sent, now, at(1_000.0 + second as f64)),
                1 => clock.not_reached(moment, sent),
                2 => clock.reached(moment, now),
                _ => {}
            }
            // Moments are as far apart as their dates are, whichever of them was asked for before.
            for seconds in 0..4_u32 {
                let answer = clock.when(at(1_000.0 + 2.0 * f64::from(seconds)));
                let far = clock.when(at(5_000.0));
                let apart = Duration::from_secs(4_000 - 2 * u64::from(seconds));
                prop_assert_eq!(answer.map(|(from, to)| (from.later(apart), to.later(apart))), far);
            }
        }
    }
}
