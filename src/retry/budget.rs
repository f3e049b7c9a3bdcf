//! How many retries all callers together may make.

use std::{fmt, sync::Arc};

use tower::retry::budget::{Budget, TpsBudget};

/// How many retries all callers of a layer together may make after failures of the server or the connection.
///
/// Each success deposits, and each such retry withdraws. With an empty budget failures are returned as they are, so that retries do
/// not multiply the load on a server that is down. The retry of a rate-limited request is free: it waits as long as the server asks.
///
/// Clones share one budget. Give the same one to several layers to bound them together.
///
/// # Defaults
///
/// tower's [`TpsBudget::default`]: over ten seconds, ten retries a second and one more for every five successes.
#[derive(Clone)]
pub struct RetryBudget(Option<Arc<dyn Budget + Send + Sync>>);

// === impl RetryBudget ===

impl RetryBudget {
    /// A budget of tower's, or one of your own.
    pub fn new(budget: impl Budget + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(budget)))
    }

    /// No bound on the retries of all callers together.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self(None)
    }

    pub(super) fn deposit(&self) {
        if let Some(budget) = &self.0 {
            budget.deposit();
        }
    }

    /// Takes one retry, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        self.0.as_ref().is_none_or(|budget| budget.withdraw())
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(TpsBudget::default())
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "RetryBudget(bounded)"
        } else {
            "RetryBudget(unlimited)"
        })
    }
}
