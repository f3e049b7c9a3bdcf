use proptest::{collection::vec, prelude::*};

use super::{AuthStatus::*, Evidence::*, *};

/// A session that has come to `status`.
fn session(status: AuthStatus) -> Session {
    let mut session = Session::default();
    let evidence = match status {
        Unknown => Nothing,
        Active => Accepted,
        Degraded => Trouble,
        Unauthenticated => SignedOut,
    };
    let _ = session.observe(evidence, Generation(0), true, Instant::now());
    assert_eq!(session.status, status);
    session
}

#[test]
fn the_table_of_the_module_page_holds() {
    let table = [
        // before, accepted, trouble, signed out, nothing
        (Unknown, [Active, Degraded, Unauthenticated, Unknown]),
        (Active, [Active, Degraded, Unauthenticated, Active]),
        (Degraded, [Active, Degraded, Unauthenticated, Degraded]),
        (Unauthenticated, [Active, Unauthenticated, Unauthenticated, Unauthenticated]),
    ];
    for (before, afters) in table {
        for (evidence, after) in [Accepted, Trouble, SignedOut, Nothing].into_iter().zip(afters) {
            let mut session = session(before);
            let step = session.observe(evidence, session.generation, true, Instant::now());
            assert_eq!(session.status, after, "{before} and {evidence:?}");
            assert_eq!(step.change, (before != after).then_some((before, after)));
            assert_eq!(step.starts, before != Unauthenticated && after == Unauthenticated);
        }
    }
}

#[test]
fn a_class_says_what_the_module_page_says() {
    use ErrorClass as Class;
    for (class, cause, says) in [
        (Class::Unauthenticated, None, SignedOut),
        (Class::RateLimited, None, Trouble),
        (Class::Unavailable, None, Trouble),
        (Class::Timeout, None, Trouble),
        (Class::Connect, None, Trouble),
        (Class::Interrupted, None, Trouble),
        (Class::Throttled, None, Trouble),
        (Class::Forbidden, None, Nothing),
        (Class::Rejected, None, Nothing),
        (Class::TokenUnavailable, None, Nothing),
        (Class::TokenUnavailable, Some(Class::RateLimited), Trouble),
        (Class::TokenUnavailable, Some(Class::Timeout), Trouble),
        (Class::TokenUnavailable, Some(Class::Unauthenticated), SignedOut),
        (Class::TokenUnavailable, Some(Class::Rejected), Nothing),
        (Class::TokenUnavailable, Some(Class::TokenUnavailable), Nothing),
    ] {
        assert_eq!(Evidence::of_class(class, cause), says, "{class} because of {cause:?}");
    }
}

#[test]
fn a_change_during_a_run_is_handled_by_the_first_rejection_after_it() {
    let mut session = session(Unauthenticated);
    let _ = session.observe(Accepted, session.generation, true, Instant::now());
    let during = session.generation;
    let step = session.observe(SignedOut, during, true, Instant::now());
    assert_eq!(step, Step { change: Some((Active, Unauthenticated)), ..Step::default() });
    session.run_ended();
    assert!(
        !session.observe(SignedOut, during, true, Instant::now()).starts,
        "sent before the run had ended"
    );
    let soon = Instant::now();
    let refused = session.observe(SignedOut, session.generation, true, soon);
    assert!(!refused.starts && refused.retry_at.is_some_and(|at| at > soon), "so soon");
    let again = session.observe(SignedOut, session.generation, true, soon);
    assert_eq!(again, Step::default(), "one task waits for it");
    assert!(session.observe(SignedOut, session.generation, true, soon + SPACING).starts);
    assert!(
        !session.observe(SignedOut, session.generation, true, Instant::now()).starts,
        "already running"
    );
}

fn evidence() -> impl Strategy<Value = Evidence> {
    prop_oneof![Just(Accepted), Just(Trouble), Just(SignedOut), Just(Nothing)]
}

proptest! {
    /// Responses in any order, to requests sent at any earlier time, with runs that end at any time.
    #[test]
    fn one_run_for_one_sign_out_whatever_the_order_of_responses(
        events in vec((evidence(), 0_u64..8, any::<bool>(), any::<bool>()), 0..200),
    ) {
        let mut session = Session::default();
        let (mut sign_outs, mut starts, mut running) = (0, 0, false);
        for (evidence, age, may_start, ends) in events {
            if ends && running {
                session.run_ended();
                running = false;
            }
            let before = session.snapshot();
            prop_assert_eq!(Snapshot::unpack(before.pack()), before);
            let sent = Generation(before.generation.0.saturating_sub(age));
            let step = session.observe(evidence, sent, may_start, Instant::now());
            if before.is_settled(evidence, may_start) {
                prop_assert_eq!(step, Step::default());
                prop_assert_eq!(session.snapshot(), before);
            }
            sign_outs += usize::from(matches!(step.change, Some((_, Unauthenticated))));
            starts += usize::from(step.starts);
            prop_assert!(starts <= sign_outs, "{} runs for {} sign-outs", starts, sign_outs);
            prop_assert!(!(step.starts && running), "two runs at a time");
            prop_assert!(evidence == SignedOut || session.status != Unauthenticated
                || before.status == Unauthenticated, "signed out by {:?}", evidence);
            running |= step.starts;
        }
    }
}

#[test]
fn rule_39_runs_are_half_a_minute_apart_and_twice_as_long_while_they_are_in_vain() {
    let (mut session, start) = (Session::default(), Instant::now());
    let mut started = Vec::new();
    for secs in 0..3600 {
        let now = start + Duration::from_secs(secs);
        let evidence = if secs % 2 == 0 { SignedOut } else { Accepted };
        if session.observe(evidence, session.generation, true, now).starts {
            started.push(secs);
            session.run_ended();
        }
    }
    assert_eq!(started, [0, 30, 90, 210, 450, 930, 1830, 2730]);
    // A run that helped for long is not in vain.
    let mut spacing = Spacing::default();
    for minutes in [0, 2, 4] {
        assert_eq!(spacing.try_take(start + Duration::from_secs(60 * minutes)), Ok(()));
        assert_eq!(spacing.wait, SPACING);
    }
}
