//! Background work that was not taken on.

use std::{error::Error, fmt, sync::Arc};

/// The error of a request that was to be sent in the background and was not taken on: nothing was sent, and nothing will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotQueued {
    endpoint: Arc<str>,
    obstacle: Obstacle,
}

/// Why a request was not taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Obstacle {
    /// As many requests as the queue may hold wait in it, and all that may be under way are.
    Full {
        /// How many may wait.
        max_queued: usize,
    },
    /// The queue was shut down.
    ShutDown,
    /// The call was made outside of a tokio runtime, so there is nothing that could send in the background.
    NoRuntime,
}

// === impl NotQueued ===

impl NotQueued {
    pub(crate) const fn new(endpoint: Arc<str>, obstacle: Obstacle) -> Self {
        Self { endpoint, obstacle }
    }

    /// The pattern of the endpoint that the request was for.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Why it was not taken on.
    #[must_use]
    pub const fn obstacle(&self) -> Obstacle {
        self.obstacle
    }
}

impl fmt::Display for NotQueued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` not sent: ", self.endpoint)?;
        match self.obstacle {
            Obstacle::Full { max_queued } => {
                write!(f, "the background queue is full, {max_queued} wait in it")
            }
            Obstacle::ShutDown => f.write_str("the background queue was shut down"),
            Obstacle::NoRuntime => f.write_str("there is no tokio runtime to send it in"),
        }
    }
}

impl Error for NotQueued {}
