/// Accessors of a service's field `inner: S`.
macro_rules! inner_accessors {
    () => {
        /// A reference to the inner service.
        #[must_use]
        pub const fn get_ref(&self) -> &S {
            &self.inner
        }

        /// A mutable reference to the inner service.
        #[must_use]
        pub const fn get_mut(&mut self) -> &mut S {
            &mut self.inner
        }

        /// The inner service.
        #[must_use]
        pub fn into_inner(self) -> S {
            self.inner
        }
    };
}
