//! What the layers count. Without the feature `metrics` nothing of it is left.

#[cfg(feature = "metrics")]
pub(crate) use counting::*;
#[cfg(not(feature = "metrics"))]
pub(crate) use silent::*;

#[cfg(feature = "metrics")]
mod counting {
    use std::{sync::Arc, time::Duration};

    use metrics::{
        Counter, Gauge, Key, Label, Level, Metadata, SharedString, counter, with_recorder,
    };

    use crate::{
        metrics::{OTHER, QUEUE_LENGTH, REFUSALS, RETRIES, SENDS, TOKENS_FETCHED, WAIT, describe},
        policy::Endpoint,
    };

    static METADATA: Metadata<'static> = Metadata::new("tower_heed", Level::INFO, None);

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
            self.counter(SENDS).increment(1);
        }

        pub(crate) fn refused(&self) {
            self.counter(REFUSALS).increment(1);
        }

        pub(crate) fn waited(&self, waited: Duration) {
            let key = self.key(WAIT);
            with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(waited);
        }

        pub(crate) fn retried(&self, class: &'static str) {
            counter!(RETRIES, "endpoint" => self.label(), "class" => class).increment(1);
        }

        pub(crate) fn line_up(&self) -> InLine {
            self.gauge(QUEUE_LENGTH).increment(1.0);
            InLine(self.clone())
        }

        fn counter(&self, name: &'static str) -> Counter {
            let key = self.key(name);
            with_recorder(|recorder| recorder.register_counter(&key, &METADATA))
        }

        fn gauge(&self, name: &'static str) -> Gauge {
            let key = self.key(name);
            with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
        }

        /// Without an endpoint it costs no allocation.
        fn key(&self, name: &'static str) -> Key {
            static NO_ENDPOINT: [Label; 1] = [Label::from_static_parts("endpoint", OTHER)];
            match &self.0 {
                Some(_) => Key::from_parts(name, vec![Label::new("endpoint", self.label())]),
                None => Key::from_static_labels(name, &NO_ENDPOINT),
            }
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
            self.0.gauge(QUEUE_LENGTH).decrement(1.0);
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
