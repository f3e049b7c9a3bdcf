//! What the layers count. Without the feature `metrics` nothing of it is left.

#[cfg(feature = "metrics")]
pub(crate) use counting::*;
#[cfg(not(feature = "metrics"))]
pub(crate) use silent::*;

#[cfg(feature = "metrics")]
mod counting {
    use std::{sync::Arc, time::Duration};

    use metrics::{SharedString, counter, gauge, histogram};

    use crate::{
        metrics::{OTHER, QUEUE_LENGTH, REFUSALS, RETRIES, SENDS, TOKENS_FETCHED, WAIT, describe},
        policy::Endpoint,
    };

    /// What is counted of the requests to one endpoint.
    #[derive(Clone, Debug)]
    pub(crate) struct Meter(Option<Arc<str>>);

    /// One that waits in line, for as long as this is kept.
    #[derive(Debug)]
    pub(crate) struct InLine(Meter);

    /// A layer is put around a service.
    pub(crate) fn layered() {
        describe();
    }

    pub(crate) fn token_fetched(failure: Option<&'static str>) {
        counter!(TOKENS_FETCHED, "outcome" => failure.unwrap_or("ok")).increment(1);
    }

    // === impl Meter ===

    impl Meter {
        pub(crate) fn of<T>(endpoint: &Endpoint<'_, T>) -> Self {
            Self(endpoint.shared_pattern())
        }

        pub(crate) fn sent(&self) {
            counter!(SENDS, "endpoint" => self.label()).increment(1);
        }

        pub(crate) fn refused(&self) {
            counter!(REFUSALS, "endpoint" => self.label()).increment(1);
        }

        pub(crate) fn waited(&self, waited: Duration) {
            histogram!(WAIT, "endpoint" => self.label()).record(waited);
        }

        pub(crate) fn retried(&self, class: &'static str) {
            counter!(RETRIES, "endpoint" => self.label(), "class" => class).increment(1);
        }

        pub(crate) fn line_up(&self) -> InLine {
            gauge!(QUEUE_LENGTH, "endpoint" => self.label()).increment(1.0);
            InLine(self.clone())
        }

        fn label(&self) -> SharedString {
            match &self.0 {
                Some(endpoint) => SharedString::from_shared(Arc::clone(endpoint)),
                None => SharedString::const_str(OTHER),
            }
        }
    }

    // === impl InLine ===

    impl Drop for InLine {
        fn drop(&mut self) {
            gauge!(QUEUE_LENGTH, "endpoint" => self.0.label()).decrement(1.0);
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod silent {
    use std::time::Duration;

    use crate::policy::Endpoint;

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Meter;

    #[derive(Debug)]
    pub(crate) struct InLine;

    pub(crate) const fn layered() {}

    pub(crate) const fn token_fetched(_failure: Option<&'static str>) {}

    // === impl Meter ===

    impl Meter {
        pub(crate) const fn of<T>(_endpoint: &Endpoint<'_, T>) -> Self {
            Self
        }

        pub(crate) const fn sent(self) {}

        pub(crate) const fn refused(self) {}

        pub(crate) const fn waited(self, _waited: Duration) {}

        pub(crate) const fn retried(self, _class: &'static str) {}

        pub(crate) const fn line_up(self) -> InLine {
            InLine
        }
    }
}
