//! What a refusal says before anything was accepted.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::throttle::limiter::{Answer, Quota, Turn};

const TOLD: Duration = Duration::from_secs(12);
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Sends all that may go at this moment, and has them answered after a round trip.
fn round(quota: &mut Quota, now: Instant, answer: &Answer) -> usize {
    let mut tickets = Vec::new();
    while let Turn::Now(ticket) = quota.next_turn(now) {
        tickets.push(ticket);
    }
    let sent = tickets.len();
    tickets.into_iter().for_each(|ticket| quota.on_answer(ticket, now + ROUND_TRIP, answer));
    sent
}

#[test]
fn the_very_first_refusal_is_a_wait_and_no_limit() {
    for told in [Some(TOLD), None] {
        let (mut quota, mut now) = (Quota::new(), Instant::now());
        let refusal = Answer { refused: true, retry_after: told, ..Answer::default() };
        assert_eq!(round(&mut quota, now, &refusal), 1);
        now += ROUND_TRIP;
        if let Some(told) = told {
            assert!(matches!(quota.next_turn(now), Turn::At(at) if at >= now + told));
        }
        now += TOLD;
        // What was closed is open, and nothing else is known: one, and then more and more.
        let mut sent = Vec::new();
        for _ in 0..6 {
            sent.push(round(&mut quota, now, &Answer::default()));
            now += ROUND_TRIP;
        }
        assert_eq!(sent, [1, 2, 4, 8, 8, 8], "{told:?}");
    }
}
