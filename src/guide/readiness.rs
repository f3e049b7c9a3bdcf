//! What tower's readiness contract demands, how each layer meets it, and how it is broken.
//!
//! [`Service`](tower_service::Service) has two methods. `poll_ready` asks an instance whether it can take a request, and may reserve
//! something for it: a permit, a slot in a buffer, a connection. `call` uses the reservation. Therefore:
//!
//! 1. `call` goes to **the instance** whose `poll_ready` returned `Ready`. A clone of it is not ready.
//! 2. One readiness is good for **one** call. To send again, ask again.
//! 3. An error of `poll_ready` is **final**: the service must be discarded. A passing condition (a rate limit, a missing token) is
//!    an error of the call.
//! 4. A reservation is held until the call, or until the instance is dropped. Waiting for something else in between keeps it from
//!    others.
//!
//! # What each layer does
//!
//! All layers return the inner service's `Pending` and errors (`TimeoutLayer` the former within its limit), reserve nothing themselves, and call the ready instance
//! if the request can be sent at once.
//!
//! | layer | what may wait | how it is sent then |
//! |---|---|---|
//! | [`DetachLayer`](crate::DetachLayer) | a detached request, in its queue | by a clone that a worker makes ready |
//! | [`CircuitBreakerLayer`](crate::CircuitBreakerLayer) | nothing: a rejected call drops the ready instance | |
//! | [`FallbackLayer`](crate::FallbackLayer) | nothing | |
//! | [`TimeoutLayer`](crate::TimeoutLayer) | nothing; time in `poll_ready` counts, and after the limit the call fails | |
//! | `ResponseCacheLayer` | a request that shares a fetch | releases the ready instance; if it must be sent after all, by a clone made ready then |
//! | [`RetryOnRateLimit`](crate::RetryOnRateLimit) | a retry | by a clone made ready after the wait |
//! | [`ThrottleLayer`](crate::ThrottleLayer) | a request without a permit | releases the ready instance; sent by a clone made ready with the permit |
//! | [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) | nothing | |
//! | [`TokenCacheLayer`](crate::TokenCacheLayer) | a request without a token, and the replay after a 401 | releases the ready instance; sent by a clone made ready with the token |
//! | [`AttemptSpanLayer`](crate::AttemptSpanLayer) | nothing | |
//! | [`ClassifyBodyLayer`](crate::classify::ClassifyBodyLayer) | nothing; the response, until the beginning of its body was read | |
//!
//! A clone that is made ready after a wait has until the deadline, and `max_wait` in the throttle or 90 seconds elsewhere. Then the
//! call fails, and what it held is released.
//!
//! No layer waits in `poll_ready` for a permit or a token: which key or endpoint a request belongs to is only known from the
//! request. The throttle's queue therefore has **no bound of its own**: memory grows with the number of concurrent calls. Where the
//! callers are the network, put tower's `ConcurrencyLimit` or `LoadShed` around the stack; the number of queued requests is in the
//! [metrics](crate::guide::events#metrics).
//!
//! # How it is broken
//!
//! | mistake | what happens | instead |
//! |---|---|---|
//! | `self.inner.clone().call(request)` | `ConcurrencyLimit` and `Buffer` panic, or the permit taken is never used | `let clone = self.inner.clone(); let mut ready = std::mem::replace(&mut self.inner, clone);` and call `ready` |
//! | `self.inner.call(request)` a second time, for a retry | the same, at the second attempt only | a clone and `.ready().await` for each further attempt |
//! | one service in a `Mutex`, locked from `poll_ready` to the response | one call at a time | a clone for each call; all services of this crate are cheap to clone |
//! | an error from `poll_ready` because of a 429 | a `Buffer` outside fails for ever | an error of the call |
//! | `ready()` early and `call` much later | an unused permit is held | [`oneshot`](tower::ServiceExt::oneshot), or `ready` right before `call` |
//! | `Pending` returned and no waker kept | the caller sleeps for ever | pass `cx` on to the inner service |
//!
//! `service_fn` and most HTTP clients are always ready, so tests with them do not notice the first two mistakes.
//! The `ScriptedService` of the feature `test-util` panics there: see [`testing`](super::testing).
