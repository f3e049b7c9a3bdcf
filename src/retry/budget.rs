//! How many retries all callers together may make.

use std::{fmt, sync::Arc};

use tower::retry::budget::{Budget, TpsBudget};

/// How many retries all callers of a layer together may make after failures of the server or the connection.
///
/// Every call that succeeds pays in, every such retry takes out; when nothing is left, answers are returned as they
/// are, so that retries do not multiply the load on a server that is down. A retry after a refusal whose wait was
/// obeyed takes nothing: the server has said when to come, and holding back then would only lose work.
///
/// Clones share one budget; give the same one to several layers to bound them together.
///
/// # Defaults
///
/// tower's [`TpsBudget::default`]: over ten seconds, ten retries a second and one more for every five calls.
#[derive(Clone)]
pub struct RetryBudget(Option<Arc<dyn Budget + Send + Sync>>);

// === impl RetryBudget ===

impl RetryBudget {
    /// A budget kept by any of tower's, or by one of your own.
    pub fn new(budget: impl Budget + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(budget)))
    }

    /// No bound on the retries of all callers together.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self(None)
    }

    /// A call has succeeded.
    pub(crate) fn pay_in(&self) {
        if let Some(budget) = &self.0 {
            budget.deposit();
        }
    }

    /// Takes out one retry, if there is one.
    pub(crate) fn take_out(&self) -> Taken {
        match &self.0 {
            Some(budget) if !budget.withdraw() => Taken::Nothing,
            _ => Taken::OneRetry,
        }
    }
}

/// What was left in a [`RetryBudget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    OneRetry,
    Nothing,
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
