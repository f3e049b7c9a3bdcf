//! What a process asks, and what it is granted.

/// Nanoseconds: of the store's clock where they are a moment.
pub type Nanos = u64;

/// A second.
pub const SECOND: Nanos = 1_000_000_000;

/// A question of one process, about once a second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// Who asks: a number drawn when the process began.
    pub asker: u64,
    /// The generation and the round of its last grant.
    pub generation: u64,
    /// See above.
    pub round: u64,
    /// How many permits it needs for a round, less those at hand.
    pub want: u32,
    /// Responses since the last question.
    pub accepted: u32,
    /// Rejections since the last question.
    pub rejected: u32,
    /// The newest counter that responses have shown since then.
    pub seen: Option<Seen>,
    /// Permits that it will not use, by their lot's window.
    pub back: Vec<(u64, u32)>,
    /// What the learner has learned.
    pub learned: Option<Learned>,
}

/// A counter in the responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The server's limit.
    pub limit: u32,
    /// The least that was left.
    pub left: u32,
    /// The earliest and the latest end of the window.
    pub end: Option<(Nanos, Nanos)>,
}

/// What one process has learned with a quota of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Learned {
    /// There seems to be no limit.
    Open,
    /// A window that ends for all at once.
    Window {
        /// The server's limit.
        limit: u32,
        /// What is left of this window.
        left: u32,
        /// From one end to the next, if it is known.
        period: Option<Nanos>,
        /// The earliest and the latest end of this window.
        end: (Nanos, Nanos),
    },
    /// An even rate.
    Rate {
        /// The time of one permit.
        every: Nanos,
        /// How many can be saved up: one if none.
        burst: u32,
        /// What is left now.
        left: u32,
    },
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The time of the store.
    pub now: Nanos,
    /// The model's generation, and the round.
    pub generation: u64,
    /// See above.
    pub round: u64,
    /// What the asker does until the next question.
    pub role: Role,
    /// Permits, the next ones first.
    pub lots: Vec<Lot>,
    /// Whether somebody got less than it wants: permits that are not needed go back.
    pub is_short: bool,
    /// The shortest and the longest time until the next question.
    pub again: (Nanos, Nanos),
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It sends by its own quota, and tells what it finds. The others wait.
    Learner,
    /// It waits for the learner.
    Waits,
    /// There is no limit: it sends by its own quota.
    Free,
    /// It sends by permits.
    Shares,
}

/// Permits of one window, or in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The number of the window; zero for those in a row.
    pub window: u64,
    /// How many.
    pub count: u32,
    /// The first is good from this moment on.
    pub from: Nanos,
    /// No request is counted at the server after this moment.
    pub until: Nanos,
    /// The time from one to the next.
    pub every: Nanos,
}
