//! What the throttle does not reach yet.

/// Rows and figures, as a failing row prints them, and invariants for random servers. The list only ever gets shorter: `table` says
/// which no longer fail.
pub const KNOWN_FAILURES: &[&str] = &[
    "1,500 calls at once, 25/s, 30 s to live: told after 5 s and more",
    "5/s, or locked out for 30 s, 8 workers: ok a second",
    "60/min, responses of 6 s, 1.5/s asked: useful, of the ideal's",
    "closed 30 s by bare 429, 200 ms, 20/s asked: ok from 60 s after on",
    "closed 30 s by bare 429, 200 ms, 20/s asked: successes",
    "headers on half of the responses, 20/s of 10/s: ok a second",
    "one user polls, 5/min and user: ok of other users",
    "sheds 20 % for 5 min, 1/s: successes",
    "random: recovers within 60 s",
    "random: as much as the retry layer",
    "random: an attempt after max_block",
    "random: half of what is not shed",
    "random: polite while closed",
];
