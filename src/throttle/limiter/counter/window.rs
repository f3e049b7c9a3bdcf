//! At most a limit in any span of a length that must be learned.

use std::time::Duration;

use crate::moment::Moment;

use super::{
    super::{
        MARGIN, Verdict, View, ago, later,
        ledger::{Entry, Ledger},
        period::Period,
    },
    Sample, Scouts,
};

/// The number of times that the quota must come back as predicted before it is used without a probe.
const PROOF: u32 = 2;

/// The most setbacks that are counted.
const MAX_SETBACKS: u32 = 6;

/// A moment that came too early was rounded down by at most this.
const ROUNDED: Duration = Duration::from_secs(1);

/// A window whose end the server names badly or not at all: each accepted request comes back a period after it was counted.
///
/// That is how a sliding window works. A window that begins with the first request, or at any moment, keeps to it too: at most the
/// limit in *any* span of the period means at most the limit in that one.
///
/// The ledger of accepted requests is reconciled with what each response says is left: if the server counts fewer, the oldest have
/// come back, which bounds the period; if it counts more, other processes send too.
#[derive(Debug)]
pub(super) struct Window {
    entries: Ledger,
    period: Period,
    /// The latest moment at which everything is back, by the server.
    stated: Option<Moment>,
    proven: u32,
    /// A probe is in flight because the oldest should be back.
    probing: bool,
    /// Units left to other processes, which take them between our responses.
    headroom: u64,
    /// Unpredicted rate-limited responses: each doubles the proof that is required.
    setbacks: u32,
    setback: Option<Moment>,
    eased: Option<Moment>,
    /// Whether the server rounds its reset down.
    early: bool,
    /// The latest moment before the last return: two of them are at least a period apart.
    before_return: Option<Moment>,
    /// The latest moment at which nothing had come back.
    nothing_yet: Option<Moment>,
}

// === impl Window ===

impl Window {
    pub(super) fn new(entries: Ledger) -> Self {
        Self {
            entries,
            period: Period::default(),
            stated: None,
            proven: 0,
            probing: false,
            headroom: 0,
            setbacks: 0,
            setback: None,
            eased: None,
            early: false,
            before_return: None,
            nothing_yet: None,
        }
    }

    pub(super) fn check(&mut self, view: &View<'_>, limit: u64, scouts: &Scouts) -> Verdict {
        let counted = self.entries.count();
        let usable = limit.saturating_sub(self.headroom).max(1);
        let left = usable.saturating_sub(counted).saturating_sub(self.in_flight(view));
        let back = self.back(view);
        if left > 0 {
            let Some(back) = back else { return Verdict::Go };
            let from = self
                .entries
                .oldest()
                .map_or(view.now, |entry| later(entry.latest, self.period.longer_than()));
            if self.is_proven() {
                return Verdict::Go;
            }
            return scouts.check(view, left, usable, (from.min(back), back));
        }
        let back = back.unwrap_or(view.now);
        if view.now < back {
            return Verdict::At(back);
        }
        if self.is_proven() {
            if self.release(view) {
                return self.check(view, usable, scouts);
            }
            return view.probe();
        }
        self.probing = true;
        view.probe()
    }

    /// The most requests that can be sent before a moment: the limit in any period, which is longer than the time that passed
    /// without a return.
    pub(super) fn max_permits_before(
        &self,
        moment: Moment,
        view: &View<'_>,
        limit: u64,
    ) -> Option<u64> {
        let length = self.period.longer_than();
        if !self.is_proven() || length.is_zero() {
            return None;
        }
        let span = moment.saturating_duration_since(view.now).as_nanos();
        let periods = u64::try_from(span / length.as_nanos()).ok()?.saturating_add(1);
        Some(limit.saturating_mul(periods))
    }

    pub(super) fn left(&self, view: &View<'_>, limit: u64) -> (u64, Moment) {
        let left = limit.saturating_sub(self.entries.count()).saturating_sub(self.in_flight(view));
        (left, self.back(view).unwrap_or(view.now))
    }

    pub(super) fn length(&self) -> Option<Duration> {
        self.period.length()
    }

    fn is_proven(&self) -> bool {
        self.proven >= PROOF << self.setbacks
    }

    /// Whether the period is known to within a twentieth.
    fn is_exact(&self) -> bool {
        match (self.period.width(), self.period.length()) {
            (Some(width), Some(length)) => width <= length / 20,
            _ => false,
        }
    }

    /// Leaves a unit less to other processes after a period in which there were none.
    fn ease(&mut self, sample: &Sample) {
        let Some(length) = self.period.length() else { return };
        let last = self.eased.or(self.setback);
        if last.is_some_and(|last| later(last, length) <= sample.received) {
            self.headroom = self.headroom.saturating_sub(1);
            self.setbacks = self.setbacks.saturating_sub(1);
            self.eased = Some(sample.received);
        }
    }

    /// Requests sent before the last rate-limited response came tell nothing new.
    fn set_back(&mut self, sample: &Sample) {
        if self.setback.is_none_or(|setback| setback <= sample.sent) {
            self.setbacks = (self.setbacks + 1).min(MAX_SETBACKS);
            self.setback = Some(sample.received);
        }
        self.proven = 0;
    }

    /// How many requests may be counted and not be back.
    fn in_flight(&self, view: &View<'_>) -> u64 {
        match self.period.length().filter(|_| self.is_proven()) {
            Some(length) => view.in_flight.counted_since(ago(view.now, length)),
            None => view.in_flight.unsettled(),
        }
    }

    /// When the oldest should be back.
    fn back(&self, view: &View<'_>) -> Option<Moment> {
        let oldest = self.entries.oldest()?;
        let own =
            self.period.length().map(|length| later(oldest.latest, length.saturating_add(MARGIN)));
        let back = match (own, self.stated) {
            (Some(own), Some(stated)) if !self.early => own.min(later(stated, MARGIN)),
            (Some(own), _) => own,
            (None, Some(stated)) if self.early => later(stated, ROUNDED),
            (None, stated) => later(stated?, MARGIN),
        };
        Some(view.cap(back, oldest.latest))
    }

    /// Drops entries that must be back. Returns whether there were any.
    fn release(&mut self, view: &View<'_>) -> bool {
        let before = self.entries.count();
        let length = self.period.length().map(|length| length.saturating_add(MARGIN));
        let is_back = |entry: &Entry| length.is_none_or(|it| later(entry.latest, it) <= view.now);
        while self.entries.oldest().as_ref().is_some_and(is_back) {
            self.entries.remove_oldest();
        }
        self.entries.count() < before
    }

    pub(super) fn read(&mut self, sample: &Sample, resets: Option<Moment>) {
        if !sample.rate_limited {
            self.entries.add(sample.sent, sample.counted_by, 1);
        }
        self.reconcile(sample, resets);
    }

    /// Reconciles the ledger, which has this response's request, with what the response says.
    pub(super) fn reconcile(&mut self, sample: &Sample, resets: Option<Moment>) {
        if sample.rate_limited {
            self.set_back(sample);
        }
        let counted = sample.limit.saturating_sub(sample.left);
        // Requests whose response had come when this one was sent were counted before it.
        let before = self.entries.before(sample.sent);
        let surely = before.saturating_add(u64::from(!sample.rate_limited));
        if let Some(oldest) = self.entries.oldest() {
            if surely > counted {
                self.on_return(oldest, sample);
            } else if surely == counted && before > 0 {
                self.on_no_return(oldest, sample);
            }
        }
        self.probing = false;
        // Until something comes back, each response names the same moment and rounds it up anew: the earliest holds.
        let is_repeated = sample.rounds_anew && surely <= counted && !self.early;
        let known = self.stated.filter(|_| is_repeated);
        self.stated = resets.map(|resets| known.map_or(resets, |known| known.min(resets)));
        self.entries.remove(surely.saturating_sub(counted));
        self.add_others(sample, counted);
    }

    /// The oldest has come back.
    fn on_return(&mut self, oldest: Entry, sample: &Sample) {
        // A window that does not begin with a request may end any time after one. Only from one return to the next it is whole.
        if let Some(begin) = self.before_return {
            let begin = begin.min(oldest.earliest);
            self.period.back(sample.counted_by.saturating_duration_since(begin));
        }
        self.before_return = self.nothing_yet.or(Some(oldest.earliest));
        if self.is_exact() {
            self.proven += 1;
        }
    }

    /// The oldest has not come back yet.
    fn on_no_return(&mut self, oldest: Entry, sample: &Sample) {
        self.period.not_yet(sample.sent.saturating_duration_since(oldest.latest));
        self.nothing_yet = Some(sample.sent);
        self.ease(sample);
        if self.probing || sample.rate_limited {
            self.early |= self.stated.is_some_and(|stated| sample.sent > stated);
            self.proven = 0;
        }
    }

    /// Adds requests that the server counts and this process did not send.
    fn add_others(&mut self, sample: &Sample, counted: u64) {
        let perhaps = self.entries.count().saturating_add(sample.in_flight);
        let others = counted.saturating_sub(perhaps);
        if others > 0 && sample.rate_limited && self.is_exact() {
            self.headroom = (self.headroom + 1).min(sample.limit / 4);
            self.eased = Some(sample.received);
        }
        self.entries.add(sample.sent, sample.counted_by, others);
    }
}
