//! What a call keeps beside the send that is under way.

use std::sync::Arc;

use http::{Request, header::AUTHORIZATION};
use tower_service::Service;

use super::{
    cache::Cache,
    cached::Cached,
    config::Replay,
    wait::{self, Acquire, Patience, Renew},
};
use crate::{
    body::{ReplayableBody, with_body},
    extensions::{Attempt, Deadline, NoRetry},
};

/// A request that has yet to be sent, and the service to send it with, which is not ready.
pub(super) struct Passage<S, B> {
    pub(super) service: S,
    cache: Cache,
    request: Request<B>,
    deadline: Option<Deadline>,
    patience: Patience,
    /// The request was sent before, with a token that was rejected: it is not sent a third time.
    last: bool,
}

/// What is kept while a request is on its way, for the case that its token is rejected.
pub(super) struct Watch<S, B> {
    cache: Cache,
    generation: u64,
    deadline: Option<Deadline>,
    then: Then<S, B>,
}

/// What is done once another token is there.
pub(super) enum Then<S, B> {
    /// It is sent again. Boxed, because all who hold the future of a call would have to move the copy about.
    Send(Box<Passage<S, B>>),
    /// The answer is marked, so that a layer outside sends again. With what is left of the patience of a call that has waited.
    Mark(Option<Box<Patience>>),
    /// Nothing, so it is not waited for: the next request has use of it.
    Nothing,
}

// === impl Passage ===

impl<S, B> Passage<S, B> {
    pub(super) fn new(
        cache: Cache,
        service: S,
        request: Request<B>,
        deadline: Option<Deadline>,
    ) -> Box<Self> {
        let patience = Patience::new(cache.settings());
        Box::new(Self { service, cache, request, deadline, patience, last: false })
    }

    /// Waits for the token to send it with.
    pub(super) fn acquire(&mut self) -> Acquire {
        let give_up = self.patience.begin(self.cache.settings(), self.deadline);
        wait::acquire(self.cache.clone(), give_up)
    }

    /// The token is there that was waited for.
    pub(super) fn acquired(mut self: Box<Self>) -> Box<Self> {
        self.patience.end(self.cache.settings());
        self
    }

    /// The token to send it with now that the service is ready: `token`, which was waited for, or a newer one.
    ///
    /// None if it has ended because the service was not ready at once. A token that came at its end is used all the same:
    /// the next one would come no better.
    pub(super) fn newest(&self, token: &Arc<Cached>, stalled: bool) -> Option<Arc<Cached>> {
        let newest = self.cache.usable();
        if stalled { newest } else { newest.or_else(|| Some(Arc::clone(token))) }
    }
}

impl<S, B> Passage<S, B>
where
    S: Service<Request<B>> + Clone,
    B: ReplayableBody,
{
    /// Puts an instance that is not ready in the place of the one that is, so that nothing is held while a token is waited
    /// for.
    pub(super) fn let_go(&mut self) {
        self.service = self.service.clone();
    }

    /// Sends it with `token`. The service is ready.
    pub(super) fn send(mut self, token: &Cached) -> (S::Future, Option<Watch<S, B>>) {
        let watch = if self.last {
            mark_as_resend(&mut self.request);
            None
        } else {
            let new = Watch::new(&self.cache, token, self.deadline, &self.service, &self.request);
            new.map(|watch| watch.with_patience(self.patience))
        };
        self.request.headers_mut().insert(AUTHORIZATION, token.header().clone());
        (self.service.call(self.request), watch)
    }
}

// === impl Watch ===

impl<S: Clone, B: ReplayableBody> Watch<S, B> {
    /// What to keep of `request`, which carries no token yet; nothing if no other token can be had.
    #[inline]
    pub(super) fn new(
        cache: &Cache,
        token: &Cached,
        deadline: Option<Deadline>,
        service: &S,
        request: &Request<B>,
    ) -> Option<Self> {
        let generation = token.replaceable()?;
        let once = request.extensions().get::<NoRetry>().is_some();
        let then = match cache.settings().replay {
            _ if once || !request.body().is_replayable() => Then::Nothing,
            Replay::Outside => Then::Mark(None),
            Replay::Here => match request.body().try_clone() {
                Some(body) => {
                    let copy = with_body(request, body);
                    let service = service.clone();
                    let mut again = Passage::new(cache.clone(), service, copy, deadline);
                    again.last = true;
                    Then::Send(again)
                }
                None => Then::Nothing,
            },
        };
        Some(Self { cache: cache.clone(), generation, deadline, then })
    }
}

impl<S, B> Watch<S, B> {
    /// The same for a call that has waited for a token before it was sent.
    fn with_patience(mut self, patience: Patience) -> Self {
        match &mut self.then {
            Then::Send(again) => again.patience = patience,
            Then::Mark(left) => *left = Some(Box::new(patience)),
            Then::Nothing => {}
        }
        self
    }
}

impl<S, B: ReplayableBody> Watch<S, B> {
    /// The token was rejected: waits for the next one, if there is a use for it here.
    pub(super) fn rejected(self) -> Option<(Renew, Then<S, B>)> {
        let Some(mut then) = self.then.recall() else {
            drop(self.cache.reject(self.generation));
            return None;
        };
        let settings = self.cache.settings();
        let give_up = match &mut then {
            Then::Send(passage) => passage.patience.begin(settings, self.deadline),
            Then::Mark(Some(patience)) => patience.begin(settings, self.deadline),
            Then::Mark(None) | Then::Nothing => {
                Patience::new(settings).begin(settings, self.deadline)
            }
        };
        Some((wait::renew(self.cache, self.generation, give_up), then))
    }
}

// === impl Then ===

impl<S, B: ReplayableBody> Then<S, B> {
    /// Takes the body back from the send that was rejected. None if nothing is left to do with another token.
    fn recall(self) -> Option<Self> {
        match self {
            Self::Send(mut passage) => {
                *passage.request.body_mut() = passage.request.body().recall()?;
                Some(Self::Send(passage))
            }
            Self::Mark(left) => Some(Self::Mark(left)),
            Self::Nothing => None,
        }
    }
}

/// Tells the layers inside that it was sent before, once more than it says itself.
fn mark_as_resend<B>(request: &mut Request<B>) {
    let extensions = request.extensions_mut();
    let sends = extensions.get().copied().map_or(0, Attempt::retries);
    extensions.insert(Attempt::new(sends.saturating_add(1)));
}
