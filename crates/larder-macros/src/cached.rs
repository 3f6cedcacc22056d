//! `#[cached]`: the function behind its cache, and its companions.
//!
//! What is written of `async fn user(id: u64) -> R`, in short:
//!
//! ```ignore
//! async fn user(id: u64) -> R {
//!     let staged = 'cached: {
//!         let Ok(cache) = … else { break 'cached None };       // no larder: the function runs by itself
//!         let key = &id;
//!         if let Some(hit) = hit(cache, key) { return … }      // nothing more is made for a hit
//!         Some((cache.clone(), key.to_owned(), With { … }))    // owned, so the arguments can go
//!     };
//!     let function = move || user_uncached(id);
//!     match staged {
//!         Some((cache, key, with)) => Box::pin(load(cache, key, with, function)).await,
//!         None => Box::pin(function()).await,
//!     }
//! }
//! ```
//!
//! The function itself moves to `user_uncached`. In the implementation of a trait nothing can be beside it,
//! so it stays within.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Lit, Path, Result};

use crate::batch;
use crate::function::{Argument, Function, mentions};
use crate::key::Key;
use crate::options::{Known, Options, Time, string, strings, text};
use crate::shape::{Said, Shape};

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
const OF_THE_CACHE: [&str; 6] =
    ["soft_timeout", "load_timeout", "remote_soft_timeout", "refresh", "options", "version"];

/// Where the cache comes from.
enum Source {
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
    key: Key,
    source: Source,
    spawns: bool,
    is_generic: bool,
    version: Option<String>,
}

/// The part of a call that is done before its function runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A hit is returned.
    Hit,
    /// It is loaded in any case.
    Refresh,
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function = Function::parse("cached", item)?;
    let options = KNOWN.parse(attribute)?;
    let cached = Cached::of(function, options)?;
    if cached.options.has("batch") {
        return batch::expand(&cached);
    }
    cached.expand()
}

impl Cached {
    fn of(function: Function, options: Options) -> Result<Self> {
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
        let key = if is_batch { Key::Arguments(Vec::new()) } else { Key::of(&options, &function)? };
        let spawns = ["spawn", "refresh", "soft_timeout"].iter().any(|name| options.has(name));
        let version = options.value("version").map(version).transpose()?;
        let mut is_generic = said.is_some();
        if let Key::Arguments(parts) = &key {
            is_generic |= parts.iter().any(|at| {
                let ty = &function.arguments[*at].ty;
                function.parameter_in(ty).is_some() || mentions(quote!(#ty), "impl")
            });
        }
        let cached = Self {
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
        cached.check()?;
        Ok(cached)
    }

    /// What can be refused without knowing types.
    fn check(&self) -> Result<()> {
        let Self { function, options, .. } = self;
        match &self.source {
            Source::Passed(_) => {
                for name in OF_THE_CACHE {
                    options.refuse(name, "belongs to the cache, which is passed: say it where that is opened")?;
                }
                options.refuse("larder", "opens a cache, and one is passed as `cache`: drop one of the two")?;
            }
            Source::Named(_) => {
                options.refuse("version", "is part of the function's own cache; here, put it into the `key`")?;
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
        if function.has_self() && !self.needs("self") && !options.names("skip").iter().any(|name| name == "self") {
            return Err(Error::new(
                function.name().span(),
                "`self` is an argument too: say what of it is part of the `key`, the `tenant`, the `cache` or \
                 the `larder`, or `skip(self)` where all instances give the same answers",
            ));
        }
        if self.spawns {
            let span = ["spawn", "refresh", "soft_timeout"].iter().find_map(|name| options.span(name));
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
            if let Some(argument) = function.arguments.iter().find(|argument| argument.is_mutable()) {
                let message = "a load in the background cannot borrow what may change";
                return Err(Error::new(argument.ty.span(), message));
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
    fn needs(&self, name: &str) -> bool {
        let within = |option: &str| {
            self.options.value(option).is_some_and(|value| mentions(quote!(#value), name))
        };
        self.key.needs(name, &self.function)
            || ["tenant", "larder", "key"].iter().any(|option| within(option))
            || matches!(&self.source, Source::Passed(expr) if mentions(quote!(#expr), name))
    }

    fn expand(&self) -> Result<TokenStream> {
        let main = self.main()?;
        if self.options.has("in_trait") {
            return Ok(main);
        }
        let site = self.site_item();
        let uncached = self.uncached_item();
        let companions = self.companions()?;
        Ok(quote! {
            #main
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

    /// `Self::` where it is needed.
    pub(crate) fn scope(&self) -> TokenStream {
        if self.function.has_self() || self.options.has("in_impl") || self.options.has("in_trait") {
            quote!(Self::)
        } else {
            TokenStream::new()
        }
    }

    fn site_name(&self) -> Ident {
        format_ident!("__larder_{}", self.function.name().unraw())
    }

    /// Where the function stands, as an expression.
    fn site(&self) -> TokenStream {
        if self.options.has("in_trait") {
            self.site_body()
        } else {
            let (scope, name) = (self.scope(), self.site_name());
            quote!(#scope #name())
        }
    }

    fn site_body(&self) -> TokenStream {
        let private = self.private();
        let optional = |text: Option<String>| match text {
            Some(text) => quote!(::core::option::Option::Some(#text)),
            None => quote!(::core::option::Option::None),
        };
        let function = self.function.name().unraw().to_string();
        let arguments = optional(self.key.names(&self.function).filter(|names| !names.is_empty()));
        let version = optional(self.version.clone());
        let name = optional(match &self.source {
            Source::Named(name) => Some(name.clone()),
            _ => None,
        });
        let of = if self.scope().is_empty() { quote!(()) } else { quote!(Self) };
        let generic = self.is_generic;
        quote!({
            static __SLOT: #private::Slot = #private::Slot::new();
            fn __larder_here() {}
            #private::Site {
                slot: &__SLOT,
                here: #private::here(&__larder_here),
                function: #function,
                arguments: #arguments,
                version: #version,
                name: #name,
                of: #private::own::<#of>(),
                generic: #generic,
            }
        })
    }

    /// The function that says where all of them stand.
    pub(crate) fn site_item(&self) -> TokenStream {
        if matches!(self.source, Source::Passed(_)) {
            return TokenStream::new();
        }
        let (name, private, body) = (self.site_name(), self.private(), self.site_body());
        let attributes = self.function.shared_attributes();
        quote! {
            #(#attributes)*
            #[doc(hidden)]
            #[inline]
            #[allow(non_snake_case)]
            fn #name() -> #private::Site #body
        }
    }

    pub(crate) fn private(&self) -> TokenStream {
        let larder = &self.larder;
        quote!(#larder::__private)
    }

    /// Statements that bind `__cache` to a reference to the cache, or do `fail`, which may name the `__error`.
    pub(crate) fn opened(&self, ty: &TokenStream, fail: &TokenStream) -> Result<TokenStream> {
        let larder = &self.larder;
        let opened = if let Source::Passed(cache) = &self.source {
            quote_spanned!(cache.span()=> let __cache: &#larder::Cache<#ty> = &(#cache);)
        } else {
            let (site, options) = (self.site(), self.builder()?);
            let open = match self.options.value("larder") {
                Some(larder) => quote!(__site.within(&(#larder), #options)),
                None => quote!(__site.global(#options)),
            };
            quote! {
                let __site = #site;
                let __opened = match #open {
                    ::core::result::Result::Ok(__opened) => __opened,
                    ::core::result::Result::Err(__error) => #fail,
                };
                let __cache: &#larder::Cache<#ty> = &__opened;
            }
        };
        let tenant = self.options.value("tenant").map(|tenant| self.tenant(tenant)).transpose()?;
        Ok(quote!(#opened #tenant))
    }

    fn tenant(&self, tenant: &Expr) -> Result<TokenStream> {
        let name = match text(tenant) {
            Some(_) => string(tenant, &self.function, &self.larder)?,
            None => quote_spanned!(tenant.span()=> #tenant),
        };
        Ok(quote! {
            let __view = __cache.tenant(#name);
            let __cache = &__view;
        })
    }

    /// A closure from builder to builder.
    fn builder(&self) -> Result<TokenStream> {
        let (options, larder) = (&self.options, &self.larder);
        let mut calls = TokenStream::new();
        let mut call = |name: &str, tokens: TokenStream| {
            let name = format_ident!("{name}");
            calls.extend(quote!(.#name(#tokens)));
        };
        if matches!(self.source, Source::Own) {
            for name in ["ttl", "stale"] {
                if let Some(Time::Millis(millis)) = options.time(name)? {
                    call(name, Time::Millis(millis).tokens());
                }
            }
        }
        for name in ["soft_timeout", "load_timeout", "remote_soft_timeout"] {
            if let Some(time) = options.time(name)? {
                if let (Time::Millis(0), "load_timeout") = (&time, name) {
                    let message = "no load can take no time: a `load_timeout` is above zero";
                    return Err(Error::new_spanned(options.value(name), message));
                }
                call(name, time.tokens());
            }
        }
        if let Some(refresh) = options.value("refresh") {
            call("refresh", refresh_of(refresh, larder)?);
        }
        let private = self.private();
        let more = options.value("options").map(|more| {
            quote_spanned! {more.span()=>
                let __builder = #private::built(__builder, #more);
            }
        });
        Ok(quote!(|__builder| {
            let __builder = __builder #calls;
            #more
            __builder
        }))
    }

    /// What the attribute says of one call, as an expression.
    pub(crate) fn with(&self, stage: Stage) -> Result<TokenStream> {
        let (options, private) = (&self.options, self.private());
        let some = |tokens: TokenStream| quote!(::core::option::Option::Some(#tokens));
        let mut fields = TokenStream::new();
        for name in ["ttl", "stale", "negative_ttl"] {
            let field = format_ident!("{name}");
            match options.time(name)? {
                // Then it is the cache's own.
                Some(Time::Millis(_)) if matches!(self.source, Source::Own) && name != "negative_ttl" => {}
                Some(time) => {
                    let time = some(time.tokens());
                    fields.extend(quote!(#field: #time,));
                }
                None => {}
            }
        }
        if let Some(tags) = options.value("tags") {
            let tags = strings(tags, &self.function, &self.larder)?;
            fields.extend(quote!(tags: #tags,));
        }
        if stage == Stage::Refresh {
            fields.extend(quote!(force: true,));
        }
        Ok(quote!(#private::With { #fields ..::core::default::Default::default() }))
    }

    /// An expression that is `Some((cache, key, with))`, or `None` where the function runs by itself; with
    /// [`Stage::Hit`] it returns hits.
    fn staged(&self, stage: Stage) -> Result<TokenStream> {
        let (private, value) = (self.private(), self.shape.value(&self.larder));
        let Shape { returns, outer, inner, ok, .. } = &self.shape;
        let condition = self.options.value("condition").map(|condition| {
            quote_spanned!(condition.span()=> if !(#condition) {
                break '__cached ::core::option::Option::None;
            })
        });
        let opened = self.opened(&quote!(_, #value), &quote!({
            __site.tell(&__error);
            break '__cached ::core::option::Option::None
        }))?;
        let fail = quote!(break '__cached ::core::option::Option::None);
        let key = self.key.statements(&self.function, &self.larder, &fail);
        let hit = if self.spawns { quote!(hit_unless_due) } else { quote!(hit) };
        let hit = (stage == Stage::Hit).then(|| {
            quote! {
                if let ::core::option::Option::Some(__hit) = #private::#hit(__cache, __key) {
                    return <#returns as #private::Returned<#outer>>::ok(<#ok as #private::Held<#inner>>::of(__hit));
                }
            }
        });
        let with = self.with(stage)?;
        Ok(quote!('__cached: {
            #condition
            #opened
            #key
            #hit
            let __with = #with;
            ::core::option::Option::Some((
                ::core::clone::Clone::clone(__cache),
                ::std::borrow::ToOwned::to_owned(__key),
                __with,
            ))
        }))
    }

    /// What follows a miss: `function` runs at most once.
    fn answered(&self) -> TokenStream {
        let private = self.private();
        let Shape { returns, outer, inner, sharing, ok, .. } = &self.shape;
        let span = self.function.returns_span();
        let optional = self.options.span("negative_ttl").map(|span| {
            quote_spanned!(span=> <#ok as #private::Optional>::check();)
        });
        let function = self.as_closure();
        if self.spawns {
            let (owned, spawned) = self.spawned();
            let uncached = self.call_uncached(&self.forwarded());
            return quote_spanned! {span=>
                <#returns as #private::InBackground>::check();
                #optional
                match __staged {
                    ::core::option::Option::Some((__cache, __key, __with)) => {
                        #owned
                        ::std::boxed::Box::pin(#private::load_spawned::<_, _, _, _, _, _, #inner, #sharing>(
                            __cache, __key, __with, #spawned,
                        )).await
                    }
                    ::core::option::Option::None => ::std::boxed::Box::pin(#uncached).await,
                }
            };
        }
        if self.function.is_async() {
            quote_spanned! {span=>
                #optional
                let __function = #function;
                match __staged {
                    ::core::option::Option::Some((__cache, __key, __with)) => {
                        ::std::boxed::Box::pin(
                            #private::load::<#returns, _, _, _, _, #outer, #inner, #sharing>(
                                __cache, __key, __with, __function,
                            )
                        ).await
                    }
                    ::core::option::Option::None => ::std::boxed::Box::pin(__function()).await,
                }
            }
        } else {
            quote_spanned! {span=>
                #optional
                let __function = #function;
                match __staged {
                    ::core::option::Option::Some((__cache, __key, __with)) => {
                        #private::load_blocking::<#returns, _, _, _, #outer, #inner, #sharing>(
                            &__cache, &__key, &__with, __function,
                        )
                    }
                    ::core::option::Option::None => __function(),
                }
            }
        }
    }

    /// The function as a closure that owns its arguments.
    fn as_closure(&self) -> TokenStream {
        if !self.options.has("in_trait") {
            let call = self.call_uncached(&self.forwarded());
            return quote!(move || #call);
        }
        let (block, returns) = (&self.function.item.block, &self.function.returns);
        let patterns = self.function.item.sig.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(typed) => Some(&typed.pat),
            syn::FnArg::Receiver(_) => None,
        });
        let rebound = patterns.zip(&self.function.arguments).map(|(pattern, argument)| {
            let ident = &argument.ident;
            quote!(let #pattern = #ident;)
        });
        if self.function.is_async() {
            quote!(move || async move { #(#rebound)* #block })
        } else {
            quote!(move || -> #returns { #(#rebound)* #block })
        }
    }

    /// The arguments as they came.
    pub(crate) fn forwarded(&self) -> Vec<TokenStream> {
        let receiver = self.function.has_self().then(|| quote!(self));
        let arguments = self.function.arguments.iter();
        let arguments = arguments.map(|Argument { ident, .. }| quote!(#ident));
        receiver.into_iter().chain(arguments).collect()
    }

    pub(crate) fn call_uncached(&self, arguments: &[TokenStream]) -> TokenStream {
        let (scope, name) = (self.scope(), self.beside("uncached"));
        let turbofish = self.function.turbofish();
        quote!(#scope #name #turbofish(#(#arguments),*))
    }

    /// Owned copies of what the function is given, and the closure that calls it with them.
    fn spawned(&self) -> (TokenStream, TokenStream) {
        let mut owned = TokenStream::new();
        let mut arguments = Vec::new();
        if self.function.has_self() {
            if self.function.borrows_self() {
                owned.extend(quote!(let __self = ::core::clone::Clone::clone(self);));
                arguments.push(quote!(&__self));
            } else {
                owned.extend(quote!(let __self = self;));
                arguments.push(quote!(__self));
            }
        }
        for argument in &self.function.arguments {
            let (ident, span) = (&argument.ident, argument.ty.span());
            match argument.referred() {
                Some(of) => {
                    owned.extend(quote_spanned! {span=>
                        let #ident = <#of as ::std::borrow::ToOwned>::to_owned(#ident);
                    });
                    arguments.push(quote_spanned!(span=> ::core::borrow::Borrow::<#of>::borrow(&#ident)));
                }
                None => arguments.push(quote!(#ident)),
            }
        }
        let call = self.call_uncached(&arguments);
        (owned, quote!(move || async move { #call.await }))
    }

    /// The function behind its cache.
    fn main(&self) -> Result<TokenStream> {
        let item = &self.function.item;
        let (attributes, visibility) = (&item.attrs, &item.vis);
        let (staged, answered) = (self.staged(Stage::Hit)?, self.answered());
        let signature = self.signature(self.function.name());
        Ok(quote! {
            #(#attributes)*
            #visibility #signature {
                let __staged = #staged;
                #answered
            }
        })
    }

    /// The function's signature under another name, with a name for each argument.
    pub(crate) fn signature(&self, name: &Ident) -> TokenStream {
        let signature = &self.function.item.sig;
        let (asyncness, abi) = (&signature.asyncness, &signature.abi);
        let (generics, output) = (&signature.generics, &signature.output);
        let (clause, inputs) = (&signature.generics.where_clause, self.function.inputs());
        quote!(#asyncness #abi fn #name #generics(#inputs) #output #clause)
    }

    /// The function itself.
    pub(crate) fn uncached_item(&self) -> TokenStream {
        let item = &self.function.item;
        let mut signature = item.sig.clone();
        signature.ident = self.beside("uncached");
        let (visibility, block) = (&item.vis, &item.block);
        let attributes = self.function.shared_attributes();
        let doc = self.doc("The function itself: neither looked up nor stored.");
        quote! {
            #(#attributes)*
            #doc
            #[allow(unused_variables)]
            #visibility #signature #block
        }
    }

    /// Attributes of what stands beside the function.
    pub(crate) fn doc(&self, text: &str) -> TokenStream {
        let text = format!("{text}\n\nBeside [`{0}`](Self::{0}).", self.function.name().unraw());
        let text = if self.scope().is_empty() { text.replace("Self::", "") } else { text };
        quote! {
            #[doc = #text]
            #[allow(dead_code)]
        }
    }

    /// The arguments that a companion needs which does not run the function.
    fn key_inputs(&self) -> TokenStream {
        let receiver = self.function.has_self().then(|| quote!(&self,));
        let arguments = self.function.arguments.iter();
        let arguments = arguments.filter(|argument| argument.named && self.needs(&argument.ident.to_string()));
        let arguments = arguments.map(|Argument { ident, ty, .. }| quote!(#ident: #ty));
        quote!(#receiver #(#arguments),*)
    }

    fn companions(&self) -> Result<TokenStream> {
        let (larder, private, visibility) = (&self.larder, self.private(), &self.function.item.vis);
        let (inputs, value) = (self.key_inputs(), self.shape.value(larder));
        let attributes: Vec<_> = self.function.shared_attributes().collect();
        let types = quote!(_, #value);
        let key = |fail: &TokenStream| self.key.statements(&self.function, larder, fail);
        let found = quote!(::core::option::Option<#larder::Found<#value>>);
        let generics = self.function.generics_for(&quote!(#inputs #found));
        let clause = &generics.where_clause;

        let invalidate = {
            let fail = quote!(return #larder::Invalidation::failed(
                ::core::convert::Into::<#larder::Error>::into(__error)
            ));
            let (opened, key) = (self.opened(&types, &fail)?, key(&fail));
            let (name, doc) = (
                self.beside("invalidate"),
                self.doc("Removes the value of these arguments. It does nothing until it is awaited."),
            );
            quote! {
                #(#attributes)* #doc
                #visibility fn #name #generics(#inputs) -> #larder::Invalidation #clause {
                    #opened
                    #key
                    #private::one(
                        ::core::clone::Clone::clone(__cache),
                        ::std::borrow::ToOwned::to_owned(__key),
                    )
                }
            }
        };
        let lookup = {
            let fail = quote!({ let _ = __error; return ::core::option::Option::None });
            let (opened, key) = (self.opened(&types, &fail)?, key(&fail));
            let (name, doc) = (
                self.beside("lookup"),
                self.doc("The value of these arguments, with its outcome, if it is cached. Nothing is loaded."),
            );
            let asyncness = &self.function.item.sig.asyncness;
            let answer = if self.function.is_async() {
                quote!(__cache.lookup(__key).await)
            } else {
                quote!(::core::option::Option::flatten(#private::wait_for(__cache.lookup(__key))))
            };
            quote! {
                #(#attributes)* #doc
                #visibility #asyncness fn #name #generics(#inputs) -> #found #clause {
                    #opened
                    #key
                    #answer
                }
            }
        };
        let stored = {
            let fail = quote!(return ::core::result::Result::Err(
                ::core::convert::Into::<#larder::Error>::into(__error)
            ));
            let (opened, key) = (self.opened(&types, &fail)?, key(&fail));
            let (name, doc) = (
                self.beside("key"),
                self.doc("Where the value of these arguments lies, or would lie, on the server."),
            );
            quote! {
                #(#attributes)* #doc
                #visibility fn #name #generics(#inputs)
                    -> ::core::result::Result<#larder::key::StoredKey, #larder::Error> #clause
                {
                    #opened
                    #key
                    __cache.stored_key(__key)
                }
            }
        };
        let (refresh, handle) = (self.refresh()?, self.handle()?);
        Ok(quote!(#invalidate #lookup #stored #refresh #handle))
    }

    /// The companion that loads in any case.
    fn refresh(&self) -> Result<TokenStream> {
        let visibility = &self.function.item.vis;
        let attributes = self.function.shared_attributes();
        let doc = self.doc("Runs the function even where its value is cached, and replaces that.");
        let signature = self.signature(&self.beside("refresh"));
        let (staged, answered) = (self.staged(Stage::Refresh)?, self.answered());
        Ok(quote! {
            #(#attributes)* #doc
            #visibility #signature {
                let __staged = #staged;
                #answered
            }
        })
    }

    /// The companion that opens the cache, where its type can be said.
    fn handle(&self) -> Result<TokenStream> {
        let key = match &self.source {
            Source::Passed(_) => None,
            _ if !self.function.item.sig.generics.params.is_empty() => None,
            _ => self.key.ty(&self.function, &self.larder),
        };
        let Some(key) = key.filter(|key| !mentions(key.clone(), "impl")) else {
            return Ok(TokenStream::new());
        };
        self.handle_of(&key, &self.shape.value(&self.larder))
    }

    pub(crate) fn handle_of(&self, key: &TokenStream, value: &TokenStream) -> Result<TokenStream> {
        let (larder, visibility) = (&self.larder, &self.function.item.vis);
        let (site, options) = (self.site(), self.builder()?);
        let opened = match self.options.value("larder") {
            Some(larder) => quote!(__site.within(&(#larder), #options)),
            None => quote!(__site.global(#options).cloned()),
        };
        let attributes = self.function.shared_attributes();
        let name = self.beside("cache");
        let doc = self.doc("Its cache, opened where it is not yet: at the start of a program, to see that it can be.");
        let inputs = self.function.arguments.iter().filter(|argument| {
            let larder = self.options.value("larder");
            larder.is_some_and(|larder| mentions(quote!(#larder), &argument.ident.to_string()))
        });
        let inputs = inputs.map(|Argument { ident, ty, .. }| quote!(#ident: #ty));
        let receiver = self.function.has_self().then(|| quote!(&self,));
        Ok(quote! {
            #(#attributes)* #doc
            #visibility fn #name(#receiver #(#inputs),*)
                -> ::core::result::Result<#larder::Cache<#key, #value>, #larder::Error>
            {
                let __site = #site;
                #opened
            }
        })
    }
}

/// `2` or `"2026-11"`.
fn version(value: &Expr) -> Result<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => Ok(number.base10_digits().to_owned()),
            Lit::Str(text) if !text.value().is_empty() => Ok(text.value()),
            other => Err(Error::new(other.span(), "a version is a whole number or a text")),
        },
        other => Err(Error::new_spanned(other, "a version is a whole number or a text, written out")),
    }
}

/// A share of the TTL, or an expression that is a `Refresh`.
fn refresh_of(value: &Expr, larder: &Path) -> Result<TokenStream> {
    let Expr::Lit(literal) = value else {
        return Ok(quote!(#value));
    };
    let share = match &literal.lit {
        Lit::Float(share) => share.base10_parse::<f64>().ok().filter(|share| *share > 0.0 && *share < 1.0),
        _ => None,
    };
    match share {
        Some(share) => Ok(quote!(#larder::Refresh::After(#share))),
        None => Err(Error::new_spanned(
            literal,
            "the share of the TTL after which a value is loaded anew, above 0.0 and below 1.0, or a `Refresh`",
        )),
    }
}
