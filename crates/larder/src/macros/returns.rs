//! What a function returns, by its type.
//!
//! An alias may hide a `Result`, so its name does not say whether there is one. [`Probe`] finds out when
//! the program is compiled: an associated constant of `Probe<Result<T, E>>` goes before the one that the
//! trait [`IsPlain`] gives to every `Probe<T>`. The constant chooses the implementation of [`Returned`],
//! so both the decision and the types that follow from it can be named in signatures.
//!
//! A constant in that place may not depend on generic parameters. So where the return type does, the
//! attribute has to say its shape, and without that it does not compile: nothing is guessed, and no error
//! is taken for a value.

use std::convert::Infallible;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::load::LoadError;

/// Not a `Result`.
pub const PLAIN: u8 = 0;
/// A `Result`.
pub const RESULT: u8 = 1;

/// Neither an `Arc` nor an `Option`.
pub const VALUE: u8 = 0;
/// An `Arc`: what a hit returns without a clone of the value.
pub const ARC: u8 = 1;
/// An `Option`.
pub const OPTION: u8 = 2;

/// Of a shared error each caller gets a clone.
pub const CLONED: u8 = 0;
/// Of a shared error each caller gets what it makes of a `LoadError::Loader`.
pub const WRAPPED: u8 = 1;

/// Asks what a type is.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

/// The answer for all that is no `Result`.
pub trait IsPlain {
    /// [`PLAIN`], unless the type itself says otherwise.
    const OUTER: u8 = PLAIN;
}

impl<T: ?Sized> IsPlain for Probe<T> {}

impl<T, E> Probe<Result<T, E>> {
    /// [`RESULT`]
    pub const OUTER: u8 = RESULT;
}

/// The answer for all that is neither an `Arc` nor an `Option`.
pub trait IsValue {
    /// [`VALUE`], unless the type itself says otherwise.
    const INNER: u8 = VALUE;
}

impl<T: ?Sized> IsValue for Probe<T> {}

impl<V> Probe<Arc<V>> {
    /// [`ARC`]
    pub const INNER: u8 = ARC;
}

impl<V> Probe<Option<V>> {
    /// [`OPTION`]
    pub const INNER: u8 = OPTION;
}

/// The answer for all that has no `Result` in it.
pub trait IsSettled {
    /// Not so, unless the type itself says otherwise.
    const NESTED: bool = false;
}

impl<T: ?Sized> IsSettled for Probe<T> {}

impl<T, E> Probe<Result<T, E>> {
    /// It is one.
    pub const NESTED: bool = true;
}

impl<T, E> Probe<Arc<Result<T, E>>> {
    /// There is one in it.
    pub const NESTED: bool = true;
}

impl<T, E> Probe<Option<Result<T, E>>> {
    /// There is one in it.
    pub const NESTED: bool = true;
}

impl<T, E> Probe<Arc<Option<Result<T, E>>>> {
    /// There is one in it.
    pub const NESTED: bool = true;
}

/// What is asked of what is cached: that none of it is an error.
#[diagnostic::on_unimplemented(
    message = "a `Result` within what is cached would be cached with its error",
    label = "this value may hold an error",
    note = "put the `Result` outside, whose errors are never cached: `Result<Option<T>, E>`, which `transpose` makes"
)]
pub trait HoldsNoError<const NESTED: bool> {
    /// Nothing: that it compiles is the answer.
    fn check() {}
}

impl<T: ?Sized> HoldsNoError<false> for T {}

/// The answer for all that is not `Clone`.
pub trait IsNotClone {
    /// [`WRAPPED`], unless the type is `Clone`.
    const SHARING: u8 = WRAPPED;
}

impl<T: ?Sized> IsNotClone for Probe<T> {}

impl<T: Clone> Probe<T> {
    /// [`CLONED`]
    pub const SHARING: u8 = CLONED;
}

/// What a cached function returns.
///
/// What is asked of the error is asked by [`Settles`] and not here. A bound of `'static` on the way to an
/// associated type would keep futures from being `Send` where the error is a `Box<dyn Error + Send + Sync>`:
/// within a future the compiler does not know that box's lifetime.
pub trait Returned<const OUTER: u8>: Sized {
    /// What there is to cache.
    type Ok;
    /// What is never cached.
    type Error;

    /// Takes it apart.
    ///
    /// # Errors
    /// The function's own error.
    fn split(self) -> Result<Self::Ok, Self::Error>;

    /// Puts it together.
    fn ok(value: Self::Ok) -> Self;
}

impl<T> Returned<PLAIN> for T {
    type Ok = T;
    type Error = Infallible;

    fn split(self) -> Result<T, Infallible> {
        Ok(self)
    }

    fn ok(value: T) -> Self {
        value
    }
}

impl<T, E> Returned<RESULT> for Result<T, E> {
    type Ok = T;
    type Error = E;

    fn split(self) -> Self {
        self
    }

    fn ok(value: T) -> Self {
        Ok(value)
    }
}

/// What a cached function's success is in the cache.
pub trait Held<const INNER: u8>: Sized {
    /// What the cache holds.
    type Value;

    /// As the cache takes it.
    fn into_shared(self) -> Arc<Self::Value>;

    /// As the function returns it.
    fn of(value: Arc<Self::Value>) -> Self;

    /// Whether it is the answer that there is nothing.
    fn is_absent(_value: &Self::Value) -> bool {
        false
    }
}

impl<V: Clone> Held<VALUE> for V {
    type Value = V;

    fn into_shared(self) -> Arc<V> {
        Arc::new(self)
    }

    fn of(value: Arc<V>) -> Self {
        Arc::unwrap_or_clone(value)
    }
}

impl<V> Held<ARC> for Arc<V> {
    type Value = V;

    fn into_shared(self) -> Self {
        self
    }

    fn of(value: Self) -> Self {
        value
    }
}

impl<V: Clone> Held<OPTION> for Option<V> {
    type Value = Self;

    fn into_shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    fn of(value: Arc<Self>) -> Self {
        Arc::unwrap_or_clone(value)
    }

    fn is_absent(value: &Self) -> bool {
        value.is_none()
    }
}

/// What a cache holds of a function that returns `R`.
pub type ValueOf<R, const OUTER: u8, const INNER: u8> =
    <<R as Returned<OUTER>>::Ok as Held<INNER>>::Value;

/// What is asked of functions with a `negative_ttl`.
#[diagnostic::on_unimplemented(
    message = "`negative_ttl` is for functions that return an `Option`",
    label = "this is never `None`"
)]
pub trait Optional {
    /// Nothing: that it compiles is the answer.
    fn check() {}
}

impl<T> Optional for Option<T> {}

/// How a function answers where its load failed.
pub trait Settles<const OUTER: u8, const SHARING: u8>: Returned<OUTER> {
    /// The failure as the function's own error; `None` where it has no error, so that it has to run.
    fn failed(error: LoadError<Self::Error>) -> Option<Self>;
}

impl<T, const SHARING: u8> Settles<PLAIN, SHARING> for T {
    fn failed(_: LoadError<Infallible>) -> Option<Self> {
        None
    }
}

impl<T, E, const SHARING: u8> Settles<RESULT, SHARING> for Result<T, E>
where
    E: TakesFailure<SHARING> + Display + Send + Sync + 'static,
{
    fn failed(error: LoadError<E>) -> Option<Self> {
        Some(Err(E::of_failure(error)))
    }
}

/// How a function's error type takes in that its load failed.
///
/// One that is `Clone` comes back to all who waited as it is; one that is not, as `LoadError::Loader`. A
/// timeout, a panic and all else that is no error of the function goes through `From` in both cases.
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` of a cached function does not take in a failed load",
    label = "`From<larder::LoadError<{Self}>>` is not implemented for `{Self}`",
    note = "a load that is shared can time out, panic or be refused: the function has to say that with its error",
    note = "with thiserror it is a variant: `#[error(transparent)] Load(#[from] larder::LoadError<{Self}>)`"
)]
pub trait TakesFailure<const SHARING: u8>: Sized {
    /// The failure as an error of the function.
    fn of_failure(error: LoadError<Self>) -> Self;
}

impl<E: Clone + From<LoadError<E>>> TakesFailure<CLONED> for E {
    fn of_failure(error: LoadError<E>) -> Self {
        match error.into_loader() {
            Ok(own) => Arc::unwrap_or_clone(own),
            Err(other) => other.into(),
        }
    }
}

impl<E: From<LoadError<E>>> TakesFailure<WRAPPED> for E {
    fn of_failure(error: LoadError<E>) -> Self {
        error.into()
    }
}

/// What is asked of functions whose load runs in a task of its own.
#[diagnostic::on_unimplemented(
    message = "a function whose load runs in the background must return a `Result`",
    label = "this cannot say that the load took too long",
    note = "`spawn`, `refresh` and `soft_timeout` let the load run in a task of its own"
)]
pub trait InBackground {
    /// Nothing: that it compiles is the answer.
    fn check() {}
}

impl<T, E> InBackground for Result<T, E> {}

/// Whether a function has done what it is for. `SHAPE` is that of all of its type.
pub trait Succeeds<const OUTER: u8, const INNER: u8> {
    /// Whether it succeeded.
    fn succeeded(&self) -> bool;
}

impl<T> Succeeds<PLAIN, VALUE> for T {
    fn succeeded(&self) -> bool {
        true
    }
}

impl<T> Succeeds<PLAIN, ARC> for T {
    fn succeeded(&self) -> bool {
        true
    }
}

impl<T> Succeeds<PLAIN, OPTION> for Option<T> {
    fn succeeded(&self) -> bool {
        self.is_some()
    }
}

impl<T, E> Succeeds<RESULT, VALUE> for Result<T, E> {
    fn succeeded(&self) -> bool {
        self.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Hidden<T> = Result<T, std::io::Error>;
    type Perhaps = Option<u8>;

    #[test]
    fn aliases_are_seen_through() {
        assert_eq!(Probe::<Hidden<u8>>::OUTER, RESULT);
        assert_eq!(Probe::<Perhaps>::OUTER, PLAIN);
        assert_eq!(Probe::<Perhaps>::INNER, OPTION);
        assert_eq!(Probe::<Arc<Perhaps>>::INNER, ARC);
        assert_eq!(Probe::<u8>::INNER, VALUE);
        let nested = [
            Probe::<Arc<Perhaps>>::NESTED,
            Probe::<Option<Hidden<u8>>>::NESTED,
        ];
        assert_eq!(nested, [false, true]);
        assert_eq!(Probe::<String>::SHARING, CLONED);
        assert_eq!(Probe::<std::io::Error>::SHARING, WRAPPED);
    }

    #[test]
    fn a_projection_is_seen_through_as_well() {
        type Ok = <Hidden<Arc<u8>> as Returned<{ Probe::<Hidden<Arc<u8>>>::OUTER }>>::Ok;
        assert_eq!(Probe::<Ok>::INNER, ARC);
    }

    #[test]
    fn success_is_ok_or_some_or_plain() {
        assert!(!<Hidden<()> as Succeeds<RESULT, VALUE>>::succeeded(&Err(
            std::io::Error::other("no")
        )));
        assert!(!<Perhaps as Succeeds<PLAIN, OPTION>>::succeeded(&None));
        assert!(<u8 as Succeeds<PLAIN, VALUE>>::succeeded(&0));
    }
}
