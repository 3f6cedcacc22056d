//! `#[cached]`: the function behind its cache, and its companions.
//!
//! What is written of `async fn user(id: u64) -> R`, in short:
//!
//! ```text
//! async fn user(id: u64) -> R {
//!     let staged = 'cached: {
//!         let Ok(cache) = … else { break 'cached None };      // no larder: the function runs by itself
//!         let key = &id;
//!         if let Some(hit) = hit(cache, key) { return … }     // nothing more is made for a hit
//!         Some((cache.clone(), key.to_owned()))               // owned, so that the arguments can go
//!     };
//!     Box::pin(async move {
//!         let with = With { … };                              // tags and times of this call
//!         let function = move || user_uncached(id);
//!         match staged {
//!             Some((cache, key)) => load(cache, key, with, function).await,
//!             None => function().await,
//!         }
//!     }).await
//! }
//! ```
//!
//! The function itself moves to `user_uncached`. In the implementation of a trait nothing can be beside it,
//! so it stays within.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Lit, Path, Result};

use crate::batch;
use crate::function::{Argument, Function, mentions};
use crate::key::Key;
use crate::options::{Known, Options, text};
use crate::shape::{Said, Shape};
use crate::uses::names_in;

const KNOWN: Known = Known {
    attribute: "cached",
    values: &[
        "cache",
        "key",
        "larder",
        "tenant",
        "tags",
        "ttl",
        "stale",
        "negative_ttl",
        "soft_timeout",
        "load_timeout",
        "remote_soft_timeout",
        "refresh",
        "options",
        "condition",
        "version",
        "batch",
        "by",
        "crate",
    ],
    switches: &["spawn", "in_impl", "in_trait"],
    lists: &["skip"],
    types: &["returns"],
    calls: false,
};

/// What is about the cache as it is opened.
const OF_THE_CACHE: [&str; 6] = [
    "soft_timeout",
    "load_timeout",
    "remote_soft_timeout",
    "refresh",
    "options",
    "version",
];

/// Where the cache comes from.
pub(crate) enum Source {
    /// It is the function's own.
    Own,
    /// It has this name.
    Named(String),
    /// It is passed.
    Passed(Expr),
}

/// All that is known of a cached function.
pub(crate) struct Cached {
    pub(crate) function: Function,
    pub(crate) options: Options,
    pub(crate) larder: Path,
    pub(crate) shape: Shape,
    pub(crate) key: Key,
    pub(crate) source: Source,
    pub(crate) spawns: bool,
    pub(crate) is_generic: bool,
    /// The type and const parameters that tell its caches apart.
    pub(crate) parameters: Vec<Ident>,
    pub(crate) version: Option<String>,
    /// What is beside this function and beside no other one.
    pub(crate) mark: Ident,
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let text = format!("{attribute}|{item}");
    let function = Function::parse("cached", item)?;
    let options = KNOWN.parse(attribute)?;
    let cached = Cached::of(function, options, &text)?;
    if cached.options.has("batch") {
        return batch::expand(&cached);
    }
    cached.expand()
}

impl Cached {
    fn of(function: Function, options: Options, text_of_all: &str) -> Result<Self> {
        let larder = options.larder()?;
        if matches!(function.item.sig.output, syn::ReturnType::Default) {
            return Err(Error::new(
                function.name().span(),
                "the function returns nothing, so there is nothing to cache",
            ));
        }
        let said = options.ty("returns").map(Said::parse).transpose()?;
        let shape = Shape::of(&function, said, &larder)?;
        let source = match options.value("cache") {
            None => Source::Own,
            Some(value) => match text(value) {
                Some(name) => Source::Named(name.value()),
                None => Source::Passed(value.clone()),
            },
        };
        let is_batch = options.has("batch");
        let key = if is_batch {
            Key::Arguments(Vec::new())
        } else {
            Key::of(&options, &function)?
        };
        let spawns = ["spawn", "refresh", "soft_timeout"]
            .iter()
            .any(|name| options.has(name));
        let version = options.value("version").map(version).transpose()?;
        let mut is_generic = said.is_some();
        if let Key::Arguments(parts) = &key {
            is_generic |= parts.iter().any(|at| {
                let ty = &function.arguments[*at].ty;
                function.parameter_in(ty).is_some() || mentions(quote!(#ty), "impl")
            });
        }
        let mark = mark(&function, text_of_all);
        let mut cached = Self {
            parameters: Vec::new(),
            mark,
            function,
            options,
            larder,
            shape,
            key,
            source,
            spawns,
            is_generic,
            version,
        };
        cached.parameters = cached.parameters_that_count()?;
        cached.check()?;
        Ok(cached)
    }

    /// What can be refused without knowing types.
    fn check(&self) -> Result<()> {
        let Self {
            function, options, ..
        } = self;
        match &self.source {
            Source::Passed(_) => {
                for name in OF_THE_CACHE {
                    options.refuse(
                        name,
                        "belongs to the cache, which is passed: say it where that is opened",
                    )?;
                }
                options.refuse(
                    "larder",
                    "opens a cache, and one is passed as `cache`: drop one of the two",
                )?;
            }
            Source::Named(_) => {
                options.refuse(
                    "version",
                    "is part of the function's own cache; here, put it into the `key`",
                )?;
            }
            Source::Own => {}
        }
        if let Some(span) = options.span("cache")
            && !options.has("key")
            && !options.has("batch")
        {
            return Err(Error::new(
                span,
                "other functions may use this cache too, so say what the `key` is: `key = \"user:{id}\"` or \
                 `key = id`",
            ));
        }
        if function.has_self()
            && !self.needs("self")
            && !options.names("skip").iter().any(|name| name == "self")
        {
            return Err(Error::new(
                function.name().span(),
                "`self` is an argument too: say what of it is part of the `key`, the `tenant`, the `cache` or \
                 the `larder`, or `skip(self)` where all instances give the same answers",
            ));
        }
        if self.spawns {
            let span = ["spawn", "refresh", "soft_timeout"]
                .iter()
                .find_map(|name| options.span(name));
            let span = span.unwrap_or_else(|| function.name().span());
            if !function.is_async() {
                let message = "a load in the background needs an async function";
                return Err(Error::new(span, message));
            }
            if options.has("in_trait") {
                return Err(Error::new(
                    span,
                    "a load in the background cannot borrow the method of a trait: put the attribute on a method \
                     of the type's own, and call that one",
                ));
            }
            if let Some(argument) = function
                .arguments
                .iter()
                .find(|argument| argument.is_mutable())
            {
                let message = "a load in the background cannot borrow what may change";
                return Err(Error::new(argument.ty.span(), message));
            }
        }
        for name in OF_THE_CACHE {
            let used = options.value(name).map(names_in).unwrap_or_default();
            let mut names = function.names().chain(["self".to_owned()]);
            if let Some(name_used) = names.find(|name| used.contains(name)) {
                options.refuse(
                    name,
                    &format!(
                        "is an option of the whole cache, and is asked for once, when that is opened: it cannot \
                         depend on `{name_used}`"
                    ),
                )?;
            }
        }
        if options.has("in_trait") && options.has("in_impl") {
            return options.refuse("in_impl", "is said by `in_trait` already");
        }
        if !options.has("batch") {
            options.refuse("by", "says what the key of a value in a `batch` is")?;
        }
        Ok(())
    }

    /// Whether the call has to do with an argument before the function runs.
    pub(crate) fn needs(&self, name: &str) -> bool {
        self.key.needs(name, &self.function)
            || self
                .of_each_call()
                .any(|value| names_in(value).contains(name))
    }

    /// The expressions that choose a call's place: its tenant, its larder, its cache and its key.
    pub(crate) fn of_each_call(&self) -> impl Iterator<Item = &Expr> {
        let said = ["tenant", "larder", "key"].iter();
        let passed = match &self.source {
            Source::Passed(cache) => Some(cache),
            _ => None,
        };
        said.filter_map(|option| self.options.value(option))
            .chain(passed)
    }

    /// The type and const parameters that are part of the function's own cache, so that what is loaded with
    /// some is never returned with others. One of them is none: it was skipped, or it is the type of an
    /// argument that is, and of nothing else.
    ///
    /// # Errors
    /// A cache that others share has no place for them.
    fn parameters_that_count(&self) -> Result<Vec<Ident>> {
        let Self { function, .. } = self;
        let mentioned = |tokens: TokenStream, name: &Ident| mentions(tokens, &name.to_string());
        let is_needed = |argument: &&Argument| self.needs(&argument.name());
        let is_said = |name: &Ident| {
            let returns = &function.returns;
            let mut values = self.of_each_call();
            mentioned(quote!(#returns), name) || values.any(|value| mentioned(quote!(#value), name))
        };
        let is_skipped = |name: &Ident| {
            let of_needed = |argument: &Argument| {
                let ty = &argument.ty;
                is_needed(&argument) && mentioned(quote!(#ty), name)
            };
            let mut skipped = function.arguments.iter().filter(|it| !is_needed(it));
            self.options.names("skip").contains(name)
                || skipped.any(|argument| argument.is_of(name))
                    && !function.arguments.iter().any(of_needed)
                    && !is_said(name)
        };
        let counting = function.parameters().filter(|name| !is_skipped(name));
        let passed = match &self.source {
            Source::Own => return Ok(counting.cloned().collect()),
            Source::Named(_) => HashSet::new(),
            Source::Passed(cache) => names_in(cache),
        };
        // The types of such a cache are the same for all who use it, so what is in them is told apart.
        let is_in_its_type = |name: &Ident| {
            function.arguments.iter().any(|argument| {
                let ty = &argument.ty;
                argument.is_of(name)
                    || passed.contains(&argument.name()) && mentioned(quote!(#ty), name)
            })
        };
        for name in counting {
            if !is_said(name) && !is_in_its_type(name) {
                return Err(Error::new(
                    name.span(),
                    format!(
                        "other functions may use this cache too, and `{name}` is no part of the key: add \
                         something that tells one `{name}` from another, as in `key = (id, {name}::NAME)`, or \
                         `skip({name})`"
                    ),
                ));
            }
        }
        Ok(Vec::new())
    }

    fn expand(&self) -> Result<TokenStream> {
        let main = self.main()?;
        if self.options.has("in_trait") {
            return Ok(main);
        }
        let (site, mark) = (self.site_item(), self.mark_item());
        let uncached = self.uncached_item();
        let companions = self.companions()?;
        Ok(quote! {
            #main
            #mark
            #site
            #uncached
            #companions
        })
    }

    /// The name of what stands beside the function.
    pub(crate) fn beside(&self, what: &str) -> Ident {
        let name = self.function.name();
        Ident::new(&format!("{}_{what}", name.unraw()), name.span())
    }

    /// The mark as an item, where a function of another place could be meant.
    pub(crate) fn mark_item(&self) -> TokenStream {
        if !self.scope().is_empty() {
            return TokenStream::new();
        }
        let mark = &self.mark;
        let attributes = self.function.shared_attributes();
        quote! {
            #(#attributes)*
            #[doc(hidden)]
            #[inline]
            #[allow(non_snake_case)]
            fn #mark() {}
        }
    }

    /// A statement that does nothing, and that compiles only where the mark is.
    pub(crate) fn at_the_mark(&self) -> Option<TokenStream> {
        let mark = &self.mark;
        self.scope().is_empty().then(|| quote!(#mark();))
    }

    /// `Self::` where it is needed.
    pub(crate) fn scope(&self) -> TokenStream {
        if self.function.has_self() || self.options.has("in_impl") || self.options.has("in_trait") {
            quote!(Self::)
        } else {
            TokenStream::new()
        }
    }

    pub(crate) fn private(&self) -> TokenStream {
        let larder = &self.larder;
        quote!(#larder::__private)
    }

    /// The function's signature under another name, with a name for each argument.
    pub(crate) fn signature(&self, name: &Ident) -> TokenStream {
        let signature = &self.function.item.sig;
        let (asyncness, abi) = (&signature.asyncness, &signature.abi);
        let (generics, output) = (&signature.generics, &signature.output);
        let clause = &signature.generics.where_clause;
        let inputs = self.function.inputs(self.options.has("in_trait"));
        quote!(#asyncness #abi fn #name #generics(#inputs) #output #clause)
    }
}

/// A name that only this function has, by its text, and that says what is to be done where it is not found.
///
/// A macro does not see that a function without `self` stands in an `impl`, and there its name means a
/// function of the module around. Where there is one of the same name, that one's body would run.
fn mark(function: &Function, text: &str) -> Ident {
    // FNV-1a: the same in each build.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let name = function.name();
    let text = format!("{}_in_an_impl_says_in_impl_{hash:016x}", name.unraw());
    Ident::new(&text, name.span())
}

/// `2` or `"2026-11"`.
fn version(value: &Expr) -> Result<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => Ok(number.base10_digits().to_owned()),
            Lit::Str(text) if !text.value().is_empty() => Ok(text.value()),
            other => Err(Error::new(
                other.span(),
                "a version is a whole number or a text",
            )),
        },
        other => Err(Error::new_spanned(
            other,
            "a version is a whole number or a text, written out",
        )),
    }
}
