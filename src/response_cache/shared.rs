use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, StatusCode, request::Parts};

use super::{config::Named, store::Store};
use crate::{
    classify::{Classification, Classifier},
    clock::Clock,
    endpoint::Endpoints,
    extensions::Degraded,
};

/// Says whose a request's response is.
pub(super) type Owner = dyn for<'a> Fn(&'a Parts) -> Option<Cow<'a, [u8]>> + Send + Sync;

/// What a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Rules {
    /// None for all that is not named.
    pub(super) endpoints: Endpoints<Option<Arc<Named>>>,
    pub(super) owner: Option<Arc<Owner>>,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
    pub(super) fetch_timeout: Duration,
    pub(super) store: Arc<Store>,
}

// === impl Rules ===

impl Rules {
    /// What is wrong with this answer, if it is a failure: what a layer inside has said, or else the classifier says. One that was
    /// made in the upstream's place is the failure that it stands for.
    pub(super) fn failure(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Option<Classification> {
        if let Some(found) = extensions.get::<Classification>() {
            return Some(found.clone());
        }
        if let Some(mark) = extensions.get::<Degraded>() {
            return Some(Classification::of_degraded(*mark));
        }
        let now = || self.clock.system_time();
        Classification::of_response_when(&*self.classifier, status, headers, &now)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("endpoints", &self.endpoints)
            .field("clock", &self.clock)
            .field("fetch_timeout", &self.fetch_timeout)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
