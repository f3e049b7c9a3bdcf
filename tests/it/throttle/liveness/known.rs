//! What the throttle does not reach yet.

/// Rows and figures, as a failing row prints them, and invariants for random servers. The list only ever gets shorter: `table` says
/// which no longer fail.
pub const KNOWN_FAILURES: &[&str] = &[
    "1,500 calls at once, 25/s, 30 s to live: told after 5 s and more",
    "10/s bare, 1 s, 20/s asked, deadline 10 s: useful, of the ideal's",
    "10/s, 10 s, 30/s asked, deadline 30 s: useful, of the ideal's",
    "10/s, 5 s, 20/s asked, deadline 30 s: useful, of the ideal's",
    "10/s, responses of 5 s, 8/s asked: useful, of the ideal's",
    "5/s, or locked out for 30 s, 8 workers: ok a second",
    "60/min, responses of 6 s, 1.5/s asked: useful, of the ideal's",
    "a wrong password: 403, remaining 0: ok of other users",
    "closed 30 s by bare 429, 200 ms, 20/s asked: ok from 60 s after on",
    "closed 30 s by bare 429, 200 ms, 20/s asked: successes",
    "headers on half of the responses, 20/s of 10/s: ok a second",
    "one busy channel of 21: ok elsewhere",
    "one busy channel of 21: p50 elsewhere, s",
    "one pod may not be evicted: ok of other pods",
    "one user polls, 5/min and user: ok of other users",
    "sheds 20 % for 5 min, 1/s: successes",
    "random: recovers within 60 s",
    "random: as much as the retry layer",
    "random: an attempt after max_block",
    "random: half of what is not shed",
    "random: polite while closed",
];
