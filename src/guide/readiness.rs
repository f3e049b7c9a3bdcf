//! What tower's readiness contract asks, what each layer makes of it, and how it is broken.
//!
//! [`Service`](tower_service::Service) has two methods. `poll_ready` asks an instance whether it can take a request, and may reserve
//! something for it: a permit, a place in a buffer, a connection. `call` uses that up. So
//!
//! 1. `call` goes to **the instance** whose `poll_ready` said that it is ready. A clone of it is not ready.
//! 2. Each readiness is good for **one** call. Who sends again asks again.
//! 3. An error of `poll_ready` is **final**: the service is to be thrown away. What passes (a limit, a token that cannot be had) is
//!    an error of the call.
//! 4. What was reserved is held until the call, or until the instance is dropped. So who waits for something else meanwhile
//!    holds up others.
//!
//! # What each layer does
//!
//! All pass the inner service's `Pending` and its errors on, hold nothing of their own in readiness, and use the readied
//! instance where nothing has to be waited for.
//!
//! | layer | what has to wait | how it is sent then |
//! |---|---|---|
//! | [`DetachLayer`](crate::DetachLayer) | a detached request, in its queue | by a clone that a worker makes ready when its turn has come |
//! | [`FallbackLayer`](crate::FallbackLayer) | nothing | |
//! | [`TimeoutLayer`](crate::TimeoutLayer) | nothing; the time in `poll_ready` is not counted | |
//! | `ResponseCacheLayer` | who shares a flight | lets the readied instance go; by a clone, made ready, if it has to send after all |
//! | [`RetryOnRateLimit`](crate::RetryOnRateLimit) | a retry | by a clone, made ready after the wait |
//! | [`ThrottleLayer`](crate::ThrottleLayer) | who has no turn yet | lets the readied instance go; by a clone, made ready when the turn has come |
//! | [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) | nothing | |
//! | [`TokenCacheLayer`](crate::TokenCacheLayer) | who has no token yet, and the replay of a 401 | lets the readied instance go; by a clone, made ready when the token is there |
//! | [`SendSpanLayer`](crate::SendSpanLayer) | nothing | |
//!
//! None waits in `poll_ready` for a turn or a token, as a rate limit for all requests alike could: for which key or endpoint a
//! request is, is known only from the request. The price is that they are always ready for one more, so **memory is bounded by
//! those who call**. Where that is the network, put tower's `ConcurrencyLimit` or `LoadShed` around the stack; the number of
//! those who wait is in the [metrics](crate::guide::failure_modes#what-to-alert-on).
//!
//! # How it is broken
//!
//! | mistake | what happens | instead |
//! |---|---|---|
//! | `self.inner.clone().call(request)` | `ConcurrencyLimit` and `Buffer` panic, or the permit that was taken is never used | `let clone = self.inner.clone(); let mut ready = std::mem::replace(&mut self.inner, clone);` and call `ready` |
//! | `self.inner.call(request)` a second time, for a retry | the same, at the second send only | a clone and `.ready().await` for each further send |
//! | one service in a `Mutex`, locked from `poll_ready` to the answer | one call at a time | a clone for each call; all of this crate's services are cheap to clone |
//! | an error from `poll_ready` because of a 429 | a `Buffer` outside is dead for good | an error of the call |
//! | `ready()` early and `call` much later | a permit is held by who does not use it | [`oneshot`](tower::ServiceExt::oneshot), or `ready` right before `call` |
//! | readiness that was `Pending` and no waker kept | the caller sleeps for ever | hand `cx` on to the inner service |
//!
//! `service_fn` and most HTTP clients are always ready, so tests around those notice nothing of the first two.
//! `ReadyProbeLayer` and `ScriptedService` of the feature `test-util` panic there: see [`testing`](super::testing).
