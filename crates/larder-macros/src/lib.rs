//! The attributes of [larder](https://docs.rs/larder): [`macro@cached`] and [`macro@invalidates`]. Use them
//! from there, as `#[larder::cached]` and `#[larder::invalidates]`: what they write calls that crate.

#![allow(
    clippy::single_match_else,
    reason = "two arms of tokens are read side by side"
)]

mod batch;
mod cached;
mod call;
mod companions;
mod duration;
mod function;
mod invalidates;
mod key;
mod open;
mod options;
mod shape;
mod template;
mod uses;

use proc_macro::TokenStream;

/// Caches what a function returns.
///
/// ```
/// # struct Db;
/// #[larder::cached(ttl = "5m", stale = "1m", tags = ["team:{team}"], skip(db))]
/// async fn user(db: &Db, id: u64, team: u64) -> Option<String> {
///     # let _ = (db, team);
///     Some(format!("user {id}")) // the expensive query
/// }
/// ```
///
/// The page of the guide on macros, `larder::guide::macros`, has a table of all options, and says what
/// stands beside the function: `user_uncached`, `user_invalidate`, `user_refresh`, `user_lookup`, `user_key`
/// and `user_cache`.
#[proc_macro_attribute]
pub fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    match cached::expand(options.into(), item.clone().into()) {
        Ok(tokens) => tokens.into(),
        Err(error) => kept(&error, item),
    }
}

/// Invalidates what a function makes outdated, once it has succeeded: `Ok`, `Some`, or anything where it
/// returns neither.
///
/// ```
/// # struct Db;
/// # #[larder::cached]
/// # async fn user(id: u64) -> u64 { id }
/// #[larder::invalidates(user(id), tags = ["team:{team}"])]
/// async fn rename(db: &Db, id: u64, team: u64, name: &str) -> Result<(), std::io::Error> {
///     # let _ = (db, name);
///     Ok(()) // the write
/// }
/// ```
///
/// The page of the guide on macros, `larder::guide::macros`, has a table of all options.
#[proc_macro_attribute]
pub fn invalidates(options: TokenStream, item: TokenStream) -> TokenStream {
    match invalidates::expand(options.into(), item.clone().into()) {
        Ok(tokens) => tokens.into(),
        Err(error) => kept(&error, item),
    }
}

/// The error, and the function as it was, so that its callers have no errors of their own.
fn kept(error: &syn::Error, item: TokenStream) -> TokenStream {
    let mut tokens = TokenStream::from(error.to_compile_error());
    tokens.extend(item);
    tokens
}
