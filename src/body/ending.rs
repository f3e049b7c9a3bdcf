/// How the reading of a body stopped.
///
/// Answer of [`drain`](super::drain) and part of the answer of [`collect_bounded`](super::collect_bounded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending<E> {
    /// The body was read to its end, so its connection can be used again.
    Complete,
    /// The body is longer than what was asked for; the rest was not read.
    Cut,
    /// The body broke with this error.
    Failed(E),
}
