/// A request body that a layer can send more than once.
///
/// Every body that is `Clone` is one (`Full<Bytes>`, `Empty<Bytes>`, `String` ...), and so is [`ReplayBody`](super::ReplayBody),
/// which makes one of any other body. `axum::body::Body` and `hyper::body::Incoming` are not: they can be read once. Put
/// [`ReplayBodyLayer`](super::ReplayBodyLayer) around the layers that send again:
///
/// ```compile_fail,E0277
/// use tower_heed::body::ReplayableBody;
///
/// fn sent_again<B: ReplayableBody>(_: B) {}
///
/// sent_again(axum::body::Body::empty());
/// ```
///
/// ```
/// # use tower_heed::body::ReplayableBody;
/// # fn sent_again<B: ReplayableBody>(_: B) {}
/// use tower_heed::body::ReplayBody;
///
/// sent_again(ReplayBody::new(axum::body::Body::empty(), 1024));
/// ```
///
/// # How a layer uses it
///
/// 1. Before the first send: keep [`try_clone`](Self::try_clone) of the body. `None` means: send it, and return whatever comes.
/// 2. When the answer asks for another send: [`recall`](Self::recall) on the kept body, before the wait. `None` means: too late,
///    return the answer.
/// 3. After the wait, send what `recall` gave. The kept body stays for the next time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can be sent only once, and this sends it again",
    label = "neither `Clone` nor a `ReplayBody`",
    note = "put `tower_heed::body::ReplayBodyLayer` around the layers that send again: they then get a `ReplayBody<{Self}>`",
    note = "or use a body that is `Clone`, such as `http_body_util::Full<Bytes>`"
)]
pub trait ReplayableBody: Sized {
    /// A body that gives the same frames from the first one on, however much of this one was read.
    ///
    /// `None` when that cannot be promised, as [`is_replayable`](Self::is_replayable) tells. `Some` is no promise for ever: a body
    /// that was still being sent may grow over its cap later.
    fn try_clone(&self) -> Option<Self>;

    /// Whether [`try_clone`](Self::try_clone) would give a body at this moment.
    fn is_replayable(&self) -> bool;

    /// Takes the body back for another send: as [`try_clone`](Self::try_clone), and ends the sends that were begun.
    ///
    /// An answer may come before the request was sent to its end, and the connection then goes on sending. A
    /// [`ReplayBody`](super::ReplayBody) stops that, so that nothing can be lost between the decision to send again and the next
    /// send. For a body that is `Clone` this is `try_clone`.
    fn recall(&self) -> Option<Self> {
        self.try_clone()
    }
}

// Without this the compiler asks for `Clone` and keeps the hint above to itself.
#[diagnostic::do_not_recommend]
impl<B: Clone> ReplayableBody for B {
    fn try_clone(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn is_replayable(&self) -> bool {
        true
    }
}
