//! Tenants as larder treats them: what each may have, and what each did.
//!
//! A tenant that was named once has a number and an account, up to [`MAX_SEEN`] of them; those that
//! come later share the account zero. So what is kept and shown of tenants is bounded, however many
//! there are (G6). A number is for ever, which lets all that belongs to a tenant lie in plain arrays:
//! whoever has a [`Tenant`](crate::key::Tenant) of a larder finds it without a lock.

mod accounts;
mod health;
mod options;

pub(crate) use accounts::{Account, Accounts, MAX_ACCOUNTS};
pub use health::TenantHealth;
pub use options::TenantOptions;
