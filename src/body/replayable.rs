use http::Extensions;
use http_body::Body;

/// A request body that can be sent more than once.
///
/// A body that is `Clone` and knows its exact length is replayable (`Full<Bytes>`, `Empty<Bytes>`, `String` ...), and so is a
/// [`ReplayBody`](super::ReplayBody), which wraps any other body. A `Clone` body of unknown length is sent once: clones of a
/// `StreamBody` over a channel, for example, take each other's data. Wrap it too. `axum::body::Body` and `hyper::body::Incoming` are not: they can be
/// read once. Put [`ReplayBodyLayer`](super::ReplayBodyLayer) around the layers that retry:
///
/// ```compile_fail,E0277
/// use tower_heed::body::ReplayableBody;
///
/// fn send_twice<B: ReplayableBody>(_: B) {}
///
/// send_twice(axum::body::Body::empty());
/// ```
///
/// ```
/// # use tower_heed::body::ReplayableBody;
/// # fn send_twice<B: ReplayableBody>(_: B) {}
/// use tower_heed::body::ReplayBody;
///
/// send_twice(ReplayBody::new(axum::body::Body::empty(), 1024));
/// ```
///
/// # How a layer uses it
///
/// 1. Before the first attempt, keep [`try_clone`](Self::try_clone) of the body. With `None`, send the body and return the response.
/// 2. If the response asks for a retry, [`rewind`](Self::rewind) the kept body before the wait. With `None`, return the response.
/// 3. After the wait, send the result of `rewind`. Keep the kept body for the next attempt.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can be sent only once, and this sends it again",
    label = "neither `Clone` nor a `ReplayBody`",
    note = "put `tower_heed::body::ReplayBodyLayer` around the layers that retry: they and the client inside then get a `ReplayBody<{Self}>`",
    note = "or use a body that is `Clone`, such as `http_body_util::Full<Bytes>`"
)]
pub trait ReplayableBody: Sized {
    /// A body with the same frames from the first one on, however much of this one was read.
    ///
    /// `None` if the body is not [replayable](Self::is_replayable). A clone can fail later: a body that is still being sent may grow
    /// beyond its cap.
    fn try_clone(&self) -> Option<Self>;

    /// Whether [`try_clone`](Self::try_clone) would return a body now.
    fn is_replayable(&self) -> bool;

    /// Clones the body for another attempt, and ends earlier attempts.
    ///
    /// A response may arrive before its request is fully sent, and the connection then goes on sending. A
    /// [`ReplayBody`](super::ReplayBody) stops that, so that the recorded data is complete for the next attempt. For a body that is
    /// `Clone` this is `try_clone`.
    fn rewind(&self) -> Option<Self> {
        self.try_clone()
    }

    /// Puts into the extensions of its request what the layers inside should know of the body.
    #[doc(hidden)]
    fn mark(&self, _: &mut Extensions) {}

    /// The exact length, if it must be the same for the next attempt.
    #[doc(hidden)]
    fn exact_len(&self) -> Option<u64> {
        None
    }
}

// Without this the compiler asks for `Clone` and hides the message above.
#[diagnostic::do_not_recommend]
impl<B: Clone + Body> ReplayableBody for B {
    fn try_clone(&self) -> Option<Self> {
        let len = self.exact_len()?;
        let clone = self.clone();
        (clone.exact_len() == Some(len)).then_some(clone)
    }

    fn is_replayable(&self) -> bool {
        self.exact_len().is_some()
    }

    fn exact_len(&self) -> Option<u64> {
        self.size_hint().exact()
    }
}
