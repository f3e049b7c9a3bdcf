//! One call at the quota of its key, from its arrival to its answer.

use std::{mem, sync::Arc, task::Waker, time::Duration};

use http::Request;
use tokio::time::Instant;

use super::{
    Config,
    effects::After,
    events,
    key::{Address, Key, Part},
    keys::Table,
    layer::Rules,
    outcome::End,
    queue::{Called, Seat},
    routes::Route,
};
use crate::{
    endpoint::Endpoint,
    extensions::{Priority, ambient},
    headers::Bucket,
    metrics::Meter,
    throttle::limiter::{Answer, Ticket},
};

/// One call at the quota of its key. Dropping it gives back what it has, and wakes those who can use it.
#[derive(Debug)]
pub(super) struct Visit {
    rules: Arc<Rules>,
    place: usize,
    /// The quota of its address, if its own is one of that one's buckets; else the same.
    home: usize,
    /// Where the server names buckets, or may do so.
    route: Option<Box<Route>>,
    stage: Stage,
    meter: Meter,
}

#[derive(Debug)]
enum Stage {
    /// It has neither a turn nor a place in the line.
    Arrived,
    /// It waits for its turn.
    Waiting(Seat),
    /// It has its turn, and nothing was sent.
    Called(Ticket),
    /// The request is on its way.
    Out(Ticket),
    /// The answer was counted.
    Over,
}

/// What became of the wait for a turn.
#[derive(Debug)]
pub(super) enum Asked {
    /// The turn has come.
    Turn,
    /// It comes too late: at this moment, if that is known.
    TooLate(Option<Instant>),
    /// It is to be asked again when it is woken, and at this moment if one is named.
    Wait(Option<Instant>),
}

// === impl Visit ===

impl Visit {
    /// A call comes to the quota of its origin; none if there is no room for the key.
    #[inline(always)]
    pub(super) fn begin<B>(
        rules: &Arc<Rules>,
        endpoint: &Endpoint<'_, Config>,
        request: &Request<B>,
    ) -> Option<Self> {
        let part = Part::of(endpoint);
        let address = Address::of_origin(request.uri(), request.headers(), part);
        let route = || Route::new(request.method(), endpoint.pattern(), request.uri().path());
        Self::enter(rules, &address, route, Meter::of(endpoint))
    }

    /// A call comes to the quota that `key` names, else to that of its origin.
    pub(super) fn begin_at<B>(
        key: &Key,
        rules: &Arc<Rules>,
        endpoint: &Endpoint<'_, Config>,
        request: Request<B>,
    ) -> (Request<B>, Option<Self>) {
        let part = Part::of(endpoint);
        let (head, body) = request.into_parts();
        let address = match key(&head) {
            Some(owner) => Address::of_owner(owner, part),
            None => Address::of_origin(&head.uri, &head.headers, part),
        };
        let route = || Route::new(&head.method, endpoint.pattern(), head.uri.path());
        let visit = Self::enter(rules, &address, route, Meter::of(endpoint));
        drop(address);
        (Request::from_parts(head, body), visit)
    }

    fn enter(
        rules: &Arc<Rules>,
        address: &Address<'_>,
        route: impl FnOnce() -> Route,
        meter: Meter,
    ) -> Option<Self> {
        let now = ambient::call_began().unwrap_or_else(|| rules.clock.now());
        let mut after = After::default();
        let mut table = rules.keys.lock();
        let entered = table.enter(address, rules, &mut after).map(|home| {
            let is_told_apart = table.slot(home).is_some_and(|slot| slot.tells_routes_apart());
            let route = is_told_apart.then(|| Box::new(route()));
            let bucket =
                route.as_ref().and_then(|route| table.enter_bucket(home, route, rules, &mut after));
            let place = bucket.unwrap_or(home);
            let ticket = table.slot(place).and_then(|slot| slot.arrive(now));
            (home, place, route, ticket.map_or(Stage::Arrived, Stage::Called))
        });
        drop(table);
        let visit = entered.map(|(home, place, route, stage)| Self {
            rules: Arc::clone(rules),
            place,
            home,
            route,
            stage,
            meter,
        });
        // Code of others, which may panic: what was entered is left all the same.
        after.run();
        visit
    }

    pub(super) const fn has_turn(&self) -> bool {
        matches!(self.stage, Stage::Called(_))
    }

    /// It has to wait, and the bucket of its route may be named until its turn comes.
    pub(super) fn wait_on(&mut self, route: impl FnOnce() -> Route) {
        self.route.get_or_insert_with(|| Box::new(route()));
    }

    pub(super) const fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(super) fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The name of the key.
    pub(super) fn key(&self) -> Arc<str> {
        let mut table = self.rules.keys.lock();
        table.slot(self.place).map_or_else(|| "".into(), |slot| Arc::clone(slot.name.shown()))
    }

    /// How long an answer takes.
    pub(super) fn round_trip(&self) -> Duration {
        let mut table = self.rules.keys.lock();
        let known = table.slot(self.place).and_then(|slot| slot.quota.round_trip());
        known.unwrap_or_default()
    }

    /// Asks for the turn, in line with the others.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        priority: Priority,
        end: Option<Instant>,
        waker: &Waker,
    ) -> Asked {
        let mut after = After::default();
        let mut table = self.rules.keys.lock();
        if let (Some(route), true) = (&self.route, self.place == self.home) {
            // Since it came, an answer may have named its bucket. It goes there, to the end of the line.
            if let Some(place) = table.enter_bucket(self.home, route, &self.rules, &mut after) {
                if let (Some(slot), Stage::Waiting(seat)) = (table.slot(self.home), &self.stage) {
                    slot.leave(*seat, now, &mut after);
                    self.stage = Stage::Arrived;
                }
                self.place = place;
            }
        }
        let Some(slot) = table.slot(self.place) else { return Asked::Turn };
        let seat = match self.stage {
            Stage::Arrived => slot.join(now, priority, end, waker, &mut after),
            Stage::Waiting(seat) => seat,
            Stage::Called(_) | Stage::Out(_) | Stage::Over => return Asked::Turn,
        };
        self.stage = Stage::Waiting(seat);
        let asked = match slot.ask(seat, now, &mut after) {
            Some(Called::Turn(ticket)) => {
                self.stage = Stage::Called(ticket);
                Asked::Turn
            }
            Some(Called::TooLate(next)) => {
                self.stage = Stage::Arrived;
                Asked::TooLate(next)
            }
            None => {
                after.drop(slot.line.replace_waker(seat, waker));
                Asked::Wait(slot.line.watch_of(seat))
            }
        };
        drop(table);
        after.run();
        asked
    }

    /// The request is sent.
    pub(super) fn send(&mut self) {
        self.meter.sent();
        self.stage = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Called(ticket) => Stage::Out(ticket),
            stage => stage,
        };
    }

    /// How the send ended. Nothing is left to be done when it is dropped.
    pub(super) fn end(&mut self, end: &End<'_>) {
        if matches!(end, End::Answer(answer, _) if answer.refused) {
            self.meter.refused();
        }
        self.leave(end);
    }

    fn leave(&mut self, end: &End<'_>) {
        let stage = mem::replace(&mut self.stage, Stage::Over);
        if let Stage::Over = stage {
            return;
        }
        let now = self.rules.clock.now();
        // Asked here, because a subscriber is code of others.
        let teaches =
            matches!(end, End::Answer(answer, _) if answer.refused || answer.readings[0].is_some());
        let is_told = teaches && events::learning_is_logged();
        let mut after = After::default();
        let mut table = self.rules.keys.lock();
        let counted = match (&stage, end) {
            (Stage::Out(ticket), End::Answer(answer, bucket)) => {
                let sent = ticket.sent();
                let counted = self.counted(&mut table, now, answer, *bucket, &mut after);
                let elsewhere = counted.filter(|counted| *counted != self.place);
                if let Some(slot) = elsewhere.and_then(|place| table.slot(place)) {
                    slot.counted(sent, now, answer, is_told, &mut after);
                }
                elsewhere
            }
            _ => None,
        };
        if let Some(slot) = table.slot(self.place) {
            match (stage, end) {
                (Stage::Out(ticket), End::Answer(answer, _)) if counted.is_some() => {
                    slot.answered_elsewhere(ticket, now, answer, &mut after);
                }
                (Stage::Out(ticket), End::Answer(answer, bucket)) => {
                    slot.heard_of_no_bucket |= bucket.is_none();
                    slot.answered(ticket, now, answer, is_told, &mut after);
                }
                (Stage::Out(ticket), End::Silent) => {
                    slot.heard_of_no_bucket = true;
                    slot.answered(ticket, now, &Answer::SILENT, false, &mut after);
                }
                (Stage::Out(ticket), End::Unsent) => slot.unsent(ticket, now, &mut after),
                (Stage::Out(ticket), End::Lost) => slot.lost(ticket, now, &mut after),
                (Stage::Called(ticket), _) => slot.pass_on(ticket, now, &mut after),
                (Stage::Waiting(seat), _) => slot.leave(seat, now, &mut after),
                (Stage::Arrived | Stage::Over, _) => {}
            }
        }
        table.leave(self.place);
        if self.home != self.place {
            table.leave(self.home);
        }
        drop(table);
        after.run();
    }

    /// Where the answer says that its request was counted. What it says of all buckets is told to all of them.
    fn counted(
        &self,
        table: &mut Table,
        now: Instant,
        answer: &Answer,
        bucket: Option<Bucket<'_>>,
        after: &mut After,
    ) -> Option<usize> {
        let wait = answer.retry_after.filter(|_| answer.refused);
        match (bucket, wait) {
            (Some(Bucket::Named(name)), _) => {
                let route = self.route.as_deref();
                table.name_bucket(self.home, self.place, route, name, &self.rules, after)
            }
            // Whatever refused it knows of no bucket.
            (Some(Bucket::Global), Some(wait)) | (None, Some(wait)) => {
                table.hold_all(self.home, wait, now, after);
                Some(self.home)
            }
            _ => None,
        }
    }
}

impl Drop for Visit {
    #[inline]
    fn drop(&mut self) {
        // Most often its answer has come.
        if !matches!(self.stage, Stage::Over) {
            self.leave(&End::Lost);
        }
    }
}
