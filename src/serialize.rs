//! Snapshots and kinds as `serde` writes them, for a status page: flat, spans in seconds, kinds in snake case.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    circuit_breaker::{CircuitSnapshot, CircuitState},
    classify::{AuthStatus, ErrorClass},
    detach::DetachReport,
    extensions::Priority,
    throttle::ThrottleSnapshot,
    token_cache::{TokenSnapshot, TokenState},
};

macro_rules! by_name {
    ($($kind:ty),* $(,)?) => {
        $(
            /// As its `as_str`.
            #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
            impl Serialize for $kind {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.as_str())
                }
            }
        )*
    };
}

macro_rules! by_fields {
    ($($snapshot:ident { $($field:literal: $value:expr,)* })*) => {
        $(
            /// A map of its accessors' names. Spans are in seconds.
            #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
            impl Serialize for $snapshot {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    let mut fields =
                        serializer.serialize_struct(stringify!($snapshot), [$($field),*].len())?;
                    $(
                        let value: fn(&Self) -> _ = $value;
                        fields.serialize_field($field, &value(self))?;
                    )*
                    fields.end()
                }
            }
        )*
    };
}

by_name![AuthStatus, CircuitState, ErrorClass, TokenState];

by_fields! {
    CircuitSnapshot {
        "key": |snapshot| snapshot.key().to_owned(),
        "state": CircuitSnapshot::state,
        "failures": CircuitSnapshot::failures,
        "class": CircuitSnapshot::class,
        "retry_after": |snapshot| snapshot.retry_after().as_secs_f64(),
    }
    ThrottleSnapshot {
        "key": |snapshot| snapshot.key().to_owned(),
        "kind": ThrottleSnapshot::kind,
        "limit": ThrottleSnapshot::limit,
        "remaining": ThrottleSnapshot::remaining,
        "reset": |snapshot| seconds(snapshot.reset()),
        "rate": ThrottleSnapshot::rate,
        "queued": ThrottleSnapshot::queued,
        "oldest_wait": |snapshot| seconds(oldest_wait(snapshot)),
        "blocked": |snapshot| seconds(snapshot.blocked()),
        "in_flight": ThrottleSnapshot::in_flight,
    }
    TokenSnapshot {
        "audience": |snapshot| snapshot.key().audience().map(ToOwned::to_owned),
        "organization": |snapshot| snapshot.key().organization().map(ToOwned::to_owned),
        "state": TokenSnapshot::state,
        "expires_in": |snapshot| seconds(snapshot.expires_in()),
        "obtained": TokenSnapshot::obtained,
        "is_shared": TokenSnapshot::is_shared,
        "is_fetching": TokenSnapshot::is_fetching,
        "cooldown": |snapshot| seconds(snapshot.cooldown().and_then(|error| error.retry_after())),
        "failure": |snapshot| snapshot.cooldown().map(|error| error.kind().as_str()),
    }
    DetachReport {
        "succeeded": DetachReport::succeeded,
        "failed": DetachReport::failed,
        "dropped": DetachReport::dropped,
    }
}

#[cfg(feature = "response-cache")]
use crate::response_cache::ResponseCacheSnapshot;

#[cfg(feature = "response-cache")]
by_fields! {
    ResponseCacheSnapshot {
        "entries": ResponseCacheSnapshot::entries,
        "bytes": ResponseCacheSnapshot::bytes,
        "hits": ResponseCacheSnapshot::hits,
        "misses": ResponseCacheSnapshot::misses,
        "shared": ResponseCacheSnapshot::shared,
        "stale": ResponseCacheSnapshot::stale,
    }
}

fn seconds(span: Option<Duration>) -> Option<f64> {
    span.map(|span| span.as_secs_f64())
}

/// The longest time that a request of any priority has been queued.
fn oldest_wait(snapshot: &ThrottleSnapshot) -> Option<Duration> {
    let priorities = [Priority::High, Priority::Normal, Priority::Low];
    priorities.into_iter().filter_map(|priority| snapshot.queued_of(priority).1).max()
}
