//! The structured fields `RateLimit` and `RateLimit-Policy` of the IETF draft: a dictionary in its older form, a list in its newer one.

use std::{borrow::Cow, mem};

use http::HeaderMap;

use super::{
    clock::span,
    dialect::{Attribute, Dialect},
    fields::{self, Malformed, Member},
    text::trim,
    window::{Limit, Reset, Spelling, Window},
};
use crate::headers::number::{Number, SECOND};

/// The windows of both fields.
pub(super) struct Structured {
    items: Vec<Counter>,
    policies: Vec<Counter>,
}

/// A window in the draft's terms.
#[derive(Default)]
pub(super) struct Counter {
    name: Option<Box<str>>,
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<u64>,
}

// === impl Structured ===

impl Structured {
    /// Reads both fields, each with all its lines as one value.
    ///
    /// A malformed field MUST be ignored ([RFC 9651 section 4.2]); the other one still counts.
    ///
    /// [RFC 9651 section 4.2]: https://www.rfc-editor.org/rfc/rfc9651#section-4.2
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let limits = lines(headers, "ratelimit");
        let mut items = match dictionary(&limits) {
            Some(Ok(counter)) => return Self { items: vec![counter], policies: Vec::new() },
            Some(Err(Malformed)) => Vec::new(),
            None => items(&limits),
        };
        let mut policies = policies(&lines(headers, "ratelimit-policy"));
        for item in &mut items {
            let policy = policies.iter().find(|policy| policy.name == item.name);
            item.limit = policy.and_then(|policy| policy.limit);
        }
        policies.retain(|policy| items.iter().all(|item| item.name != policy.name));
        Self { items, policies }
    }

    /// The windows of `RateLimit`. Later calls return none.
    pub(super) fn take_items(&mut self) -> Vec<Counter> {
        mem::take(&mut self.items)
    }

    /// The windows of policies without an item. Later calls return none.
    pub(super) fn take_policies(&mut self) -> Vec<Counter> {
        mem::take(&mut self.policies)
    }
}

// === impl Counter ===

impl Counter {
    pub(super) fn window(self, dialect: &'static Dialect) -> Window {
        let mut window = Window::new(dialect, self.name);
        if let Some(limit) = self.limit {
            window.add_limit(Limit::units(limit));
        }
        if let Some(remaining) = self.remaining {
            window.add_remaining(Number::from(remaining));
        }
        if let Some(seconds) = self.reset {
            window.add_reset(Reset {
                attribute: Attribute::ResetAfter,
                wait: span(Number::from(seconds), SECOND),
                spelling: Spelling::Bare,
                is_moment: false,
            });
        }
        window
    }
}

/// The lines of a field, joined as [RFC 9651 section 4.2](https://www.rfc-editor.org/rfc/rfc9651#section-4.2) says.
fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Cow<'a, [u8]> {
    let mut lines = headers.get_all(name).iter().map(|value| trim(value.as_bytes()));
    let first = lines.next().unwrap_or_default();
    lines.fold(Cow::Borrowed(first), |mut joined, line| {
        joined.to_mut().extend_from_slice(b", ");
        joined.to_mut().extend_from_slice(line);
        joined
    })
}

/// Draft 08 on: `"default";r=50;t=30`.
fn items(field: &[u8]) -> Vec<Counter> {
    let members = fields::list(field, ["r", "t"]);
    if members.iter().any(|member| member.name.is_none()) {
        return Vec::new();
    }
    let counter = |Member { name, values: [remaining, reset] }| Counter {
        name,
        remaining,
        reset,
        limit: None,
    };
    members.into_iter().map(counter).collect()
}

/// Draft 08 on: `"default";q=100;w=60`. Policies without a name (`100;w=60`) are older and skipped.
fn policies(field: &[u8]) -> Vec<Counter> {
    let members = fields::list(field, ["q"]);
    let counter = |Member { name, values: [limit] }| Counter { name, limit, ..Counter::default() };
    members.into_iter().filter(|member| member.name.is_some()).map(counter).collect()
}

/// Draft 07: `limit=100, remaining=50, reset=5`. `None` if the field is not such a dictionary.
fn dictionary(field: &[u8]) -> Option<Result<Counter, Malformed>> {
    let values = fields::dictionary(field, ["limit", "remaining", "reset"])?;
    Some(values.map(|[limit, remaining, reset]| Counter { name: None, limit, remaining, reset }))
}
