use std::{fmt, sync::Arc};

use http::Request;

use super::{Config, handler::Handler, tracker::Tracker};
use crate::{clock::Clock, endpoint::Endpoints, error::InvalidConfig};

/// What the services of a layer share, behind one `Arc`: a call keeps it, and the place of its endpoint, until the answer.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) base: Config,
    places: Endpoints<Option<usize>>,
    named: Vec<(Arc<str>, Config)>,
    pub(super) clock: Clock,
    pub(super) session: Arc<Tracker>,
    pub(super) handler: Option<Handler>,
}

/// Which of the configurations a request gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(Option<usize>);

// === impl Shared ===

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            base: Config::default(),
            places: Endpoints::new(None),
            named: Vec::new(),
            clock: Clock::default(),
            session: Arc::new(Tracker::new()),
            handler: None,
        }
    }

    pub(super) fn insert(&mut self, pattern: &str, config: Config) -> Result<(), InvalidConfig> {
        self.places.insert(pattern.parse()?, Some(self.named.len()));
        self.named.push((pattern.into(), config));
        Ok(())
    }

    pub(super) fn place<B>(&self, request: &Request<B>) -> Place {
        Place(*self.places.of(request).config())
    }

    /// The configuration at this place, and the pattern of its endpoint; none for the base.
    pub(super) fn at(&self, place: Place) -> (&Config, Option<&str>) {
        match place.0.and_then(|index| self.named.get(index)) {
            Some((pattern, config)) => (config, Some(pattern)),
            None => (&self.base, None),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("base", &self.base)
            .field("endpoints", &self.named)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
